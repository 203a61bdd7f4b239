//! The figures of a comparison as a table in Markdown, and their place in a file.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};

use super::row::Row;
use super::table::short;
use crate::plan::Settings;

/// Between these lines a file has the figures of the last comparison.
const BEGIN: &str = "<!-- figures: begin -->";
const END: &str = "<!-- figures: end -->";

/// Replaces the figures in a file by those of these rows.
///
/// # Errors
/// When there is no such file, or no place for figures in it.
pub(crate) fn replace(path: &Path, rows: &[Row], base: &str) -> anyhow::Result<()> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = with_figures(&text, &table(rows, base)).with_context(|| format!("in {}", path.display()))?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn with_figures(text: &str, figures: &str) -> anyhow::Result<String> {
    let place = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    ensure!(place.is_some(), "there is no {BEGIN} with an {END} behind it");
    let (before, after) = place.unwrap_or_default();
    Ok(format!("{before}{BEGIN}\n{figures}{END}{after}"))
}

/// A line for each work, a column for each peer: the base with its rate, the others as multiples of it.
fn table(rows: &[Row], base: &str) -> String {
    let mut peers: Vec<&str> = Vec::new();
    let mut works: Vec<(&str, &Settings)> = Vec::new();
    for row in rows {
        if !peers.contains(&row.peer.as_str()) {
            peers.push(&row.peer);
        }
        let is_known = |(scenario, settings): &(&str, &Settings)| {
            *scenario == row.scenario && is_same_work(settings, &row.settings)
        };
        if !works.iter().any(is_known) {
            works.push((&row.scenario, &row.settings));
        }
    }
    peers.sort_by_key(|peer| *peer != base);
    let mut text = format!("| work | {} |\n|---|{}\n", peers.join(" | "), "---|".repeat(peers.len()));
    for (scenario, settings) in works {
        let of = |peer: &str| {
            let is_it = |row: &&Row| {
                (&*row.scenario, &*row.peer) == (scenario, peer) && is_same_work(settings, &row.settings)
            };
            rows.iter().find(is_it).map_or_else(|| "-".to_owned(), |row| cell(row, base))
        };
        let cells: Vec<String> = peers.iter().map(|peer| of(peer)).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {} | {} |", work(scenario, settings), cells.join(" | "));
    }
    text
}

/// Peers do the same over what each has for a line.
fn is_same_work(one: &Settings, other: &Settings) -> bool {
    *one == Settings { transport: one.transport, ..other.clone() }
}

fn work(scenario: &str, settings: &Settings) -> String {
    let Settings { body, streams, depth, .. } = settings;
    match scenario {
        "async" => format!("calls of {body} B, {depth} in flight"),
        _ => format!("{scenario}, {body} B, {streams} {}", if *streams == 1 { "stream" } else { "streams" }),
    }
}

fn cell(row: &Row, base: &str) -> String {
    if row.failed.is_some() {
        return "broke off".to_owned();
    }
    let rate = row.messages_per_second.map_or_else(|| "-".to_owned(), |rate| short(rate.median));
    match &row.ratio {
        _ if row.peer == base => format!("1 ({rate}/s)"),
        Some(ratio) => short(ratio.spread.median),
        None => rate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::row::{Ratio, sample};
    use crate::report::spread::Spread;

    #[test]
    fn figures_take_the_place_of_the_last_ones() {
        let ratio = Ratio { base: "push-mux".into(), spread: Spread { median: 0.25, min: 0.2, max: 0.3 } };
        let h2 = Row { ratio: Some(ratio), ..sample("h2", 2.0e6) };
        let broken = Row { failed: Some("stalled".into()), ..sample("yamux", 1.0) };
        let figures = table(&[h2, sample("push-mux", 8.0e6), broken], "push-mux");
        let wanted = "| work | push-mux | h2 | yamux |\n|---|---|---|---|\n\
                      | source, 64 B, 1 stream | 1 (8.00M/s) | 0.25 | broke off |\n";
        assert_eq!(figures, wanted);
        let text = format!("before\n{BEGIN}\nold\n{END}\nafter");
        let text = with_figures(&text, &figures).expect("there is a place");
        assert_eq!(text, format!("before\n{BEGIN}\n{wanted}{END}\nafter"));
        assert!(with_figures("nothing", "").is_err());
    }
}
