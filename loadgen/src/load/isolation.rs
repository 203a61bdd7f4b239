//! `loadgen mux --scenario isolation`: what a stream that nobody reads takes from those beside it.

use std::process::ExitCode;

use serde::Serialize;

use super::bench::Size;
use super::trial::{self, median, spread};
use crate::cli::{MuxOptions, word};
use crate::compare::summary::Spread;
use crate::machine::Machine;
use crate::row::{Ends, Row};
use crate::table::{counted, short};

/// Neighbours on each connection when nothing is said.
const STREAMS: u32 = 8;

/// How much the neighbours may lose.
const LOSS_MAX: f64 = 0.05;

/// The object that `--json` prints.
#[derive(Debug, Serialize)]
struct Isolation {
    scenario: &'static str,
    peer: &'static str,
    transport: String,
    connections: u32,
    /// Of each connection, besides the one that nobody reads.
    streams: u32,
    body_bytes: u32,
    runs: u32,
    alone: Side,
    beside_unread: Side,
    /// Part of the goodput that is lost, over rounds. Where others use the same cores, rounds differ by more than what
    /// is looked for; processor time for a message then says more.
    loss: Spread,
    loss_limit: f64,
    errors: u64,
}

/// Medians of one way to run.
#[derive(Debug, Serialize)]
struct Side {
    messages_per_second: f64,
    /// Of both ends.
    cpu_us_per_message: f64,
    rss_bytes: Ends<f64>,
}

impl Side {
    fn of(rows: &[Row]) -> Self {
        Self {
            messages_per_second: median(rows.iter().map(|row| row.messages_per_second)),
            cpu_us_per_message: median(rows.iter().map(|row| {
                let cost = row.cpu_us_per_message();
                cost.server + cost.client
            })),
            rss_bytes: Ends {
                server: median(rows.iter().map(|row| row.rss_bytes.server as f64)),
                client: median(rows.iter().map(|row| row.rss_bytes.client as f64)),
            },
        }
    }
}

/// Runs it.
pub(crate) fn run(options: &MuxOptions) -> anyhow::Result<ExitCode> {
    let size = Size::new(&options.common, 1, STREAMS);
    let alone = trial::arguments(options, "source", size);
    let mut beside = alone.clone();
    beside.push("--unread".to_owned());
    let [alone, beside] =
        trial::alternate::<Row>(options, [("alone", alone), ("beside an unread stream", beside)])?;
    let rounds = alone.iter().zip(&beside);
    let found = Isolation {
        scenario: "isolation",
        peer: "push-mux",
        transport: word(options.common.transport),
        connections: size.connections,
        streams: size.streams,
        body_bytes: options.body,
        runs: options.runs,
        alone: Side::of(&alone),
        beside_unread: Side::of(&beside),
        loss: spread(rounds.map(|(one, two)| 1.0 - two.messages_per_second / one.messages_per_second)),
        loss_limit: LOSS_MAX,
        errors: alone.iter().chain(&beside).map(|row| row.errors).sum(),
    };
    if options.common.json {
        println!("{}", serde_json::to_string(&found)?);
    } else {
        print(&found);
    }
    Ok(trial::verdict(found.errors))
}

fn print(found: &Isolation) {
    let (streams, connections) = (counted(found.streams, "source"), counted(found.connections, "connection"));
    let (body, runs) = (found.body_bytes, counted(found.runs, "run"));
    println!("{}", Machine::here());
    println!("{streams} of {body}-byte messages on each of {connections}, medians of {runs}");
    for (what, side) in [("alone", &found.alone), ("beside a stream that nobody reads", &found.beside_unread)]
    {
        let Ends { server, client } = side.rss_bytes;
        println!(
            "{what:34} {:>6} msg/s, {:.3} us of processor time each, peak memory {:.1} MB server, {:.1} MB client",
            short(side.messages_per_second),
            side.cpu_us_per_message,
            server / 1e6,
            client / 1e6
        );
    }
    let Spread { median, min, max } = found.loss;
    println!(
        "the neighbours lose {:.1} % (rounds: {:.1} to {:.1} %), less than {:.0} % is wanted: {}",
        median * 100.0,
        min * 100.0,
        max * 100.0,
        LOSS_MAX * 100.0,
        if median < LOSS_MAX { "met" } else { "not met" }
    );
}
