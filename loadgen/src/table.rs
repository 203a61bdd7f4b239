//! Rows for people: aligned columns, short numbers.

use comfy_table::{CellAlignment, Table, presets};

use crate::compare::summary::{Spread, Summary};

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
    use crate::row::{Row, sample};

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
}
