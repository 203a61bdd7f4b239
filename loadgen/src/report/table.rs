//! Rows for people: aligned columns, short numbers.

use comfy_table::{CellAlignment, Table, presets};

use super::diff::{Pair, Verdict};
use super::row::{Latency, Row};
use super::spread::Spread;
use crate::plan::{Settings, word};

/// One row with everything that it has; `timed` says what its percentiles are of.
pub(crate) fn one(row: &Row, timed: &str) -> String {
    let mut parts = vec![heading(row)];
    if let Some(why) = &row.failed {
        parts.push(format!("FAILED: {why}; what follows is of what came before"));
    }
    if row.messages_per_second.is_some() {
        parts.push(achieved(row));
        parts.push(cost(row));
    }
    if let Some(latency) = &row.latency_us {
        parts.push(times(latency, row.service_us.as_ref(), timed));
    }
    if !row.figures.is_empty() {
        parts.push(figures(row));
    }
    parts.extend(
        row.server_instructions_per_message
            .map(|each| format!("server: {} instructions a message", short(each))),
    );
    parts.extend(row.remarks.iter().cloned());
    parts.extend(row.noise.warning());
    parts.extend(bound_by(row));
    if row.errors > 0 {
        parts.push(format!("ERRORS: {}", counted(row.errors, "message")));
    }
    parts.join("\n")
}

fn heading(row: &Row) -> String {
    format!("{}: {}, {}", row.scenario, describe(&row.settings), counted(row.runs.len() as u64, "run"))
}

/// The settings that matter to whoever reads a line.
pub(crate) fn describe(settings: &Settings) -> String {
    let Settings { connections, streams, body, depth, rate, credit, transport, client, shards, .. } =
        settings;
    let mut parts = match settings.protocol {
        Some(protocol) => vec![
            word(protocol),
            format!("{} of each kind", counted(settings.peers, "peer")),
            counted(settings.feeds, "feed"),
            counted(settings.messages.unwrap_or_default(), "message") + " each",
        ],
        None => vec![
            counted(*connections, "connection"),
            counted(*streams, "stream"),
            format!("depth {depth}"),
            format!("{body} B"),
        ],
    };
    parts.extend([format!("credit {credit}"), word(*transport), format!("{} client", word(*client))]);
    if *shards > 1 {
        parts.push(counted(*shards, "shard"));
    }
    if let Some(rate) = rate {
        parts.push(format!("{}/s {}", short(*rate), word(settings.arrivals)));
    }
    if settings.delay_ms > 0.0 {
        parts.push(format!("{} ms", settings.delay_ms));
    }
    if settings.megabits > 0.0 {
        parts.push(format!("{} Mbit/s", settings.megabits));
    }
    parts.join(", ")
}

fn achieved(row: &Row) -> String {
    let mut table = plain(&["messages", "seconds", "msg/s", "min - max", "MB/s", "errors"]);
    let seconds: f64 = row.runs.iter().map(|run| run.seconds).sum();
    table.add_row(vec![
        row.messages.to_string(),
        format!("{seconds:.3}"),
        row.messages_per_second.map_or_else(dash, |rate| short(rate.median)),
        ends(row.messages_per_second),
        row.megabytes_per_second.map_or_else(dash, |rate| format!("{:.1}", rate.median)),
        row.errors.to_string(),
    ]);
    align(table)
}

fn cost(row: &Row) -> String {
    let headings = [
        "us/msg server",
        "client",
        "busy server",
        "client",
        "MB server",
        "client",
        "grants",
        "frames",
        "stalls",
    ];
    let mut table = plain(&headings);
    let mut cells = vec![
        format!("{:.3}", row.cpu_us_per_message.server),
        format!("{:.3}", row.cpu_us_per_message.client),
        percent(row.busy.server),
        percent(row.busy.client),
        megabytes(row.rss_bytes.server),
        megabytes(row.rss_bytes.client),
    ];
    let credit = row.credit.map(|credit| [credit.grants, credit.grant_frames, credit.stalls]);
    cells.extend(
        credit.map_or_else(|| [(); 3].map(|()| dash()), |counts| counts.map(|count| count.to_string())),
    );
    table.add_row(cells);
    align(table)
}

fn times(latency: &Latency, service: Option<&Latency>, timed: &str) -> String {
    let first = format!("{timed} us");
    let mut table = plain(&[first.as_str(), "p50", "p90", "p99", "p99.9", "max"]);
    let mut add = |name: &str, took: &Latency| {
        let cells = [took.p50, took.p90, took.p99, took.p999, took.max].map(|micros| format!("{micros:.1}"));
        table.add_row([name.to_owned()].into_iter().chain(cells));
    };
    match service {
        None => add("from its start", latency),
        Some(service) => {
            add("from when it was due", latency);
            add("from when it started", service);
        }
    }
    align(table)
}

fn figures(row: &Row) -> String {
    let mut table = plain(&["figure", "median", "min - max"]);
    for (name, spread) in &row.figures {
        table.add_row(vec![name.clone(), short(spread.median), ends(Some(*spread))]);
    }
    align(table)
}

/// Share of a core above which a process is what limits a run.
const BUSY: f64 = 0.9;

/// Who limited a run at full speed: one that waits while the generator works is not measured at its limit.
fn bound_by(row: &Row) -> Option<String> {
    let is_bound = row.busy.client > BUSY && row.busy.server < BUSY && row.settings.rate.is_none();
    is_bound.then(|| {
        format!(
            "generator-bound: the client is busy {} and the server {}",
            percent(row.busy.client),
            percent(row.busy.server)
        )
    })
}

/// A line for each row.
pub(crate) fn all(rows: &[Row]) -> String {
    let headings = [
        "scenario",
        "connections",
        "streams",
        "depth",
        "body B",
        "credit",
        "msg/s",
        "min - max",
        "p50 us",
        "p99 us",
        "us/msg server",
        "client",
        "busy server",
        "client",
        "errors",
    ];
    let mut table = plain(&headings);
    for row in rows {
        let Settings { connections, streams, depth, body, credit, .. } = &row.settings;
        let micros = |pick: fn(&Latency) -> f64| {
            row.latency_us.as_ref().map_or_else(dash, |latency| format!("{:.1}", pick(latency)))
        };
        table.add_row(vec![
            row.scenario.clone(),
            connections.to_string(),
            streams.to_string(),
            depth.to_string(),
            body.to_string(),
            credit.to_string(),
            row.messages_per_second.map_or_else(dash, |rate| short(rate.median)),
            ends(row.messages_per_second),
            micros(|latency| latency.p50),
            micros(|latency| latency.p99),
            format!("{:.3}", row.cpu_us_per_message.server),
            format!("{:.3}", row.cpu_us_per_message.client),
            percent(row.busy.server),
            percent(row.busy.client),
            row.errors.to_string(),
        ]);
    }
    align(table)
}

/// One table for the peers of one work, and a line for each that broke off.
pub(crate) fn compared(rows: &[Row], base: &str) -> String {
    let is_timed = rows.iter().any(|row| row.latency_us.is_some());
    let ratio = format!("x {base}");
    let mut headings =
        vec!["peer", "msg/s", "min - max", "MB/s", &ratio, "min - max", "us/msg server", "client"];
    if is_timed {
        headings.extend(["p50 us", "p99 us"]);
    }
    headings.extend(["busy server", "client", "MB server", "client", "runs", "errors"]);
    let mut table = plain(&headings);
    for row in rows {
        let ratio = row.ratio.as_ref().map(|ratio| ratio.spread);
        let mut cells = vec![
            row.peer.clone(),
            row.messages_per_second.map_or_else(dash, |rate| short(rate.median)),
            ends(row.messages_per_second),
            row.megabytes_per_second.map_or_else(dash, |rate| format!("{:.1}", rate.median)),
            ratio.map_or_else(dash, |ratio| short(ratio.median)),
            ends(ratio),
            format!("{:.3}", row.cpu_us_per_message.server),
            format!("{:.3}", row.cpu_us_per_message.client),
        ];
        if is_timed {
            let micros = |pick: fn(&Latency) -> f64| {
                row.latency_us.as_ref().map_or_else(dash, |latency| format!("{:.1}", pick(latency)))
            };
            cells.extend([micros(|latency| latency.p50), micros(|latency| latency.p99)]);
        }
        cells.extend([
            percent(row.busy.server),
            percent(row.busy.client),
            megabytes(row.rss_bytes.server),
            megabytes(row.rss_bytes.client),
            row.runs.len().to_string(),
            row.errors.to_string(),
        ]);
        table.add_row(cells);
    }
    let mut text = align(table);
    for row in rows {
        let why = row.failed.as_ref().map(|why| format!("{}: {why}", row.peer));
        for line in
            why.into_iter().chain(row.noise.warning().map(|warning| format!("{}: {warning}", row.peer)))
        {
            text.push('\n');
            text.push_str(&line);
        }
    }
    text
}

/// What has changed between two files.
pub(crate) fn changes(pairs: &[Pair<'_>], ratios: bool) -> String {
    let what = if ratios { "ratio" } else { "msg/s" };
    let before = format!("{what} before");
    let mut table = plain(&["scenario", "peer", "settings", &before, "now", "change", "chance", "verdict"]);
    for pair in pairs {
        let (before, now) = pair.medians;
        table.add_row(vec![
            pair.row.scenario.clone(),
            pair.row.peer.clone(),
            describe(&pair.row.settings),
            short(before),
            short(now),
            format!("{:+.1} %", (now / before - 1.0) * 100.0),
            if ratios { dash() } else { format!("{:.3}", pair.chance) },
            match pair.verdict {
                Verdict::TooFew => "too few runs to tell",
                Verdict::Noise => "noise",
                Verdict::Faster => "FASTER",
                Verdict::Slower => "SLOWER",
            }
            .to_owned(),
        ]);
    }
    align(table)
}

fn percent(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
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
    use crate::report::row::{Ends, Ratio, sample};

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
    fn columns_line_up_and_what_is_timed_has_percentiles() {
        let rated = |peer, rate: f64| {
            let spread = Spread { median: rate / 8.0e6, min: 0.1, max: 2.0 };
            let ratio = Some(Ratio { base: "push-mux".into(), spread });
            Row { latency_us: None, ratio, ..sample(peer, rate) }
        };
        let text = compared(&[rated("push-mux", 8.0e6), rated("h2", 3.2e6)], "push-mux");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[1].contains("8.00M") && lines[2].contains("0.40"), "{text}");
        assert!(!text.contains("p99"));
        let text = compared(&[sample("tcp", 10.0)], "tcp");
        assert!(text.contains("p99 us") && text.contains("3.0"), "{text}");
    }

    #[test]
    fn a_row_says_what_limited_it_and_what_went_wrong() {
        let mut row = sample("push-mux", 1000.0);
        row.busy = Ends { server: 0.5, client: 0.97 };
        row.failed = Some("stalled".into());
        row.errors = 3;
        let text = one(&row, "call");
        for part in [
            "source: 1 connection",
            "generator-bound",
            "FAILED: stalled",
            "ERRORS: 3 messages",
            "call us",
            " 7 ",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        row.busy.server = 0.95;
        assert!(!one(&row, "call").contains("generator-bound"));
    }
}
