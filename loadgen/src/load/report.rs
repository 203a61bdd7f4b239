//! From a run to a row, to tables and to an exit status.

use std::process::ExitCode;

use super::bench::{Bench, Size};
use super::fleet::Ran;
use crate::cli::{Transport, word};
use crate::row::Row;
use crate::table;

/// The row of a run, but for its name and the size of its bodies.
pub(crate) fn row(ran: &Ran, size: Size, transport: Transport) -> Row {
    let seconds = ran.seconds.max(1e-9);
    Row {
        scenario: String::new(),
        peer: "push-mux".to_owned(),
        transport: word(transport),
        connections: size.connections,
        streams: size.streams,
        body_bytes: 0,
        messages: ran.tally.messages,
        seconds: ran.seconds,
        messages_per_second: ran.tally.messages as f64 / seconds,
        megabytes_per_second: ran.tally.bytes as f64 / 1e6 / seconds,
        latency_us: ran.latency.latency(),
        credit: Some(ran.credit),
        cpu_seconds: ran.cpu_seconds,
        rss_bytes: ran.rss_bytes,
        errors: ran.tally.errors,
    }
}

/// Two tables: what was achieved, and what it cost. `timed` says what the percentiles are of.
pub(crate) fn tables(rows: &[Row], timed: &str) -> String {
    format!("{}\n\n{}", table::achieved(rows), table::cost(rows, timed))
}

/// Says what went wrong, if anything did, and ends the server.
pub(crate) fn verdict(row: &Row, complaint: Option<&str>, bench: Bench) -> ExitCode {
    let words = bench.last_words();
    if row.errors == 0 {
        return ExitCode::SUCCESS;
    }
    eprintln!("loadgen: {} messages are wrong or missing: {}", row.errors, complaint.unwrap_or("no reason"));
    if !words.is_empty() {
        eprintln!("the server said: {words}");
    }
    ExitCode::FAILURE
}
