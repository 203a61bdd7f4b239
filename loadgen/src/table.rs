//! Rows for people: aligned columns, short numbers.

use comfy_table::{CellAlignment, Table, presets};

use crate::compare::summary::{Spread, Summary};
use crate::row::Row;

/// One table for the peers of one scenario.
pub(crate) fn compared(summaries: &[Summary], base: &str) -> String {
    let calls = summaries.iter().any(|summary| summary.row.latency_us.is_some());
    let ratio = format!("x {base}");
    let mut headings =
        vec!["peer", "msg/s", "min - max", "MB/s", &ratio, "min - max", "us/msg server", "client"];
    if calls {
        headings.extend(["p50 us", "p99 us"]);
    }
    headings.extend(["MB server", "client", "runs", "errors"]);
    let mut table = plain(&headings);
    for summary in summaries {
        let (row, cost) = (&summary.row, summary.row.cpu_us_per_message());
        let mut cells = vec![
            row.peer.clone(),
            short(summary.rate.median),
            ends(Some(summary.rate)),
            format!("{:.1}", row.megabytes_per_second * summary.rate.median / row.messages_per_second),
            summary.ratio.map_or_else(dash, |ratio| short(ratio.median)),
            ends(summary.ratio),
            format!("{:.3}", cost.server),
            format!("{:.3}", cost.client),
        ];
        if calls {
            let micros = |pick: fn(&crate::row::Latency) -> f64| {
                row.latency_us.as_ref().map_or_else(dash, |latency| format!("{:.1}", pick(latency)))
            };
            cells.extend([micros(|latency| latency.p50), micros(|latency| latency.p99)]);
        }
        cells.extend([
            megabytes(row.rss_bytes.server),
            megabytes(row.rss_bytes.client),
            summary.runs.to_string(),
            row.errors.to_string(),
        ]);
        table.add_row(cells);
    }
    align(table)
}

/// What runs achieved.
pub(crate) fn achieved(rows: &[Row]) -> String {
    let mut table = plain(&[
        "scenario",
        "transport",
        "connections",
        "streams",
        "body B",
        "messages",
        "seconds",
        "msg/s",
        "MB/s",
        "errors",
    ]);
    for row in rows {
        table.add_row(vec![
            row.scenario.clone(),
            row.transport.clone(),
            row.connections.to_string(),
            row.streams.to_string(),
            row.body_bytes.to_string(),
            row.messages.to_string(),
            format!("{:.3}", row.seconds),
            short(row.messages_per_second),
            format!("{:.1}", row.megabytes_per_second),
            row.errors.to_string(),
        ]);
    }
    align(table)
}

/// What runs cost; `timed` says what the percentiles are of.
pub(crate) fn cost(rows: &[Row], timed: &str) -> String {
    let is_timed = rows.iter().any(|row| row.latency_us.is_some());
    let p50 = format!("{timed} p50 us");
    let mut headings = vec!["scenario"];
    if is_timed {
        headings.extend([p50.as_str(), "p90", "p99", "p999", "max"]);
    }
    headings.extend(["grants", "frames", "stalls", "cpu s server", "client", "MB server", "client"]);
    let mut table = plain(&headings);
    for row in rows {
        let mut cells = vec![row.scenario.clone()];
        if is_timed {
            let times = row.latency_us.map(|took| [took.p50, took.p90, took.p99, took.p999, took.max]);
            let text = |time: f64| format!("{time:.0}");
            cells.extend(times.map_or_else(|| [(); 5].map(|()| dash()), |times| times.map(text)));
        }
        let credit = row.credit.map(|credit| [credit.grants, credit.grant_frames, credit.stalls]);
        let text = |count: u64| count.to_string();
        cells.extend(credit.map_or_else(|| [(); 3].map(|()| dash()), |counts| counts.map(text)));
        cells.extend([
            format!("{:.3}", row.cpu_seconds.server),
            format!("{:.3}", row.cpu_seconds.client),
            megabytes(row.rss_bytes.server),
            megabytes(row.rss_bytes.client),
        ]);
        table.add_row(cells);
    }
    align(table)
}

fn plain(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(headings);
    table
}

/// First column to the left, figures to the right.
fn align(mut table: Table) -> String {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn ends(spread: Option<Spread>) -> String {
    spread.map_or_else(dash, |spread| format!("{} - {}", short(spread.min), short(spread.max)))
}

fn dash() -> String {
    "-".to_owned()
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

/// `1 shard`, `10,000 messages`.
pub(crate) fn counted(number: impl Into<u64>, noun: &str) -> String {
    let number = number.into();
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{text} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Two or three figures and a letter: `39.8M`, `1.48M`, `507k`, `0.25`, `0.0055`.
pub(crate) fn short(number: f64) -> String {
    // Where rounding to three figures would give four, the next unit begins.
    let (scaled, unit) = match number.abs() {
        n if n >= 999.5e6 => (number / 1e9, "G"),
        n if n >= 999.5e3 => (number / 1e6, "M"),
        n if n >= 999.5 => (number / 1e3, "k"),
        _ => (number, ""),
    };
    let digits = match scaled.abs() {
        n if n >= 99.95 => 0,
        n if n >= 9.995 => 1,
        n if n >= 0.0995 || n == 0.0 => 2,
        n if n >= 0.009_95 => 3,
        _ => 4,
    };
    format!("{scaled:.digits$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::sample;

    #[test]
    fn numbers_are_short() {
        for (number, text) in [
            (39_800_000.0, "39.8M"),
            (1_480_400.0, "1.48M"),
            (507_000.0, "507k"),
            (999_999.0, "1.00M"),
            (99.99, "100"),
            (0.253, "0.25"),
            (0.0253, "0.025"),
            (0.005_51, "0.0055"),
            (0.0, "0.00"),
            (8.0e9, "8.00G"),
        ] {
            assert_eq!(short(number), text);
        }
    }

    #[test]
    fn counts_are_grouped_and_have_their_plural() {
        for (number, text) in [
            (0_u64, "0 boats"),
            (1, "1 boat"),
            (999, "999 boats"),
            (1000, "1,000 boats"),
            (1_234_567, "1,234,567 boats"),
        ] {
            assert_eq!(counted(number, "boat"), text);
        }
    }

    #[test]
    fn columns_line_up_and_calls_have_percentiles() {
        let row = |peer, rate| Some(Row { latency_us: None, ..sample(peer, rate) });
        let base = [row("push-mux", 8.0e6)];
        let peers = [Summary::of(&base, &base), Summary::of(&[row("h2", 3.2e6)], &base)].map(Option::unwrap);
        let text = compared(&peers, "push-mux");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[1].contains("8.00M") && lines[2].contains("0.40"), "{text}");
        assert!(!text.contains("p99"));

        let calls = [Some(sample("tcp", 10.0))];
        let text = compared(&[Summary::of(&calls, &calls).expect("one round")], "tcp");
        assert!(text.contains("p99 us") && text.contains("3.0"), "{text}");
    }

    #[test]
    fn percentiles_and_credit_are_left_out_where_there_are_none() {
        let timed = sample("push-mux", 10.0);
        let untimed = Row { latency_us: None, credit: None, ..timed.clone() };
        let text = cost(&[timed, untimed.clone()], "call");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("call p50 us") && lines[1].contains(" 7 "), "{text}");
        assert!(lines[2].contains(" - "), "{text}");
        assert!(!cost(std::slice::from_ref(&untimed), "call").contains("p50"));
        let text = achieved(&[untimed]);
        assert!(text.lines().count() == 2 && text.contains("msg/s"), "{text}");
    }
}
