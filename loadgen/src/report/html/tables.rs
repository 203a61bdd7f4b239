//! The tables of the page: all rows, the figures of one scenario, its runs, its settings.

use std::collections::BTreeSet;

use super::escape::{squeezed, text};
use super::grid::{self, Body, Column};
use super::groups::{Member, Scenario};
use super::numbers::{NONE, counted, grouped, is_measured, megabytes, short};
use super::settings;
use crate::report::row::{Ends, Latency, Row};
use crate::report::spread::Spread;

/// Name of a percentile, and where it is found.
type Time = (&'static str, fn(&Latency) -> f64);

/// Figures that all rows have.
pub(crate) fn summary(scenarios: &[Scenario<'_>]) -> Option<String> {
    let bodies: Vec<Body<'_>> =
        scenarios.iter().enumerate().map(|(order, scenario)| summary_body(order, scenario)).collect();
    grid::table("All rows", summary_columns(&base(scenarios)), &bodies)
}

fn summary_body<'a>(order: usize, scenario: &Scenario<'a>) -> Body<'a> {
    let rows = scenario.members.iter().map(|member| named_row(member, &scenario.remarks));
    Body { heading: summary_heading(order, scenario), rows: rows.collect() }
}

/// The scenario with what all its rows share.
fn summary_heading(order: usize, scenario: &Scenario<'_>) -> String {
    let mut heading = format!("<a href=\"#s{order}\">{}</a>", text(scenario.name));
    if !scenario.shared.is_empty() {
        heading += &format!(" <small>{}</small>", text(&scenario.shared));
    }
    let remarks = scenario.remarks.iter().map(|remark| format!("<p class=\"remark\">{}</p>", text(remark)));
    heading + &remarks.collect::<String>()
}

/// The peer whose rate is 1, where it is the same for all.
fn base(scenarios: &[Scenario<'_>]) -> String {
    let rows = scenarios.iter().flat_map(|scenario| &scenario.members).map(|member| member.row);
    let bases: BTreeSet<&str> =
        rows.filter_map(|row| row.ratio.as_ref()).map(|ratio| ratio.base.as_str()).collect();
    match bases.first() {
        Some(base) if bases.len() == 1 => squeezed(base, 20).into_owned(),
        _ => "base".to_owned(),
    }
}

fn summary_columns(base: &str) -> Vec<Column<'static>> {
    let mut columns = vec![
        Column::new("rate", "msg/s", |row| row.messages_per_second.as_ref().map(middle_and_ends)),
        Column::new("rate", "MB/s", |row| row.megabytes_per_second.as_ref().map(|rate| short(rate.median))),
        Column::new("ratio", &format!("× {base}"), |row| {
            row.ratio.as_ref().map(|ratio| middle_and_ends(&ratio.spread))
        }),
    ];
    let times: [Time; 3] = [("p50", |took| took.p50), ("p99", |took| took.p99), ("p99.9", |took| took.p999)];
    for (name, pick) in times {
        columns.push(Column::new("latency µs", name, move |row| {
            row.latency_us.as_ref().map(|latency| short(pick(latency)))
        }));
    }
    columns.extend(both("CPU µs/msg", |row| row.cpu_us_per_message, short));
    columns.extend(both(
        "cores busy",
        |row| row.busy,
        |busy| if busy.is_finite() { format!("{busy:.2}") } else { NONE.to_owned() },
    ));
    columns.extend(both("memory MB", |row| row.rss_bytes, megabytes));
    columns.push(Column::new("errors", "msg", |row| {
        let count = grouped(row.errors);
        is_measured(row)
            .then(|| if row.errors == 0 { count } else { format!("<strong class=\"bad\">{count}</strong>") })
    }));
    columns
}

/// A column for the server and one for the client; rows that measured nothing have no figure in either.
fn both<T: Copy + 'static>(
    heading: &str,
    ends: fn(&Row) -> Ends<T>,
    write: impl Fn(T) -> String + Copy + 'static,
) -> [Column<'static>; 2] {
    let column = |name, end: fn(Ends<T>) -> T| {
        Column::new(heading, name, move |row| is_measured(row).then(|| write(end(ends(row)))))
    };
    [column("server", |ends| ends.server), column("client", |ends| ends.client)]
}

/// A row with its name, and what a reader must know about it below, if that is not said already.
fn named_row<'a>(member: &Member<'a>, said: &[&str]) -> (String, &'a Row, String) {
    let row = member.row;
    let mut name = text(&row.peer).into_owned();
    if row.noise.warning().is_some() {
        name += " <small class=\"noisy\">noisy</small>";
    }
    if !member.detail.is_empty() {
        name += &format!("<small>{}</small>", text(&member.detail));
    }
    let failed = row.failed.iter().map(|why| format!("<p class=\"bad\"><b>Failed:</b> {}</p>", text(why)));
    let silent = (!is_measured(row) && row.failed.is_none())
        .then(|| "<p class=\"bad\">Nothing was measured.</p>".to_owned());
    let unsaid = row.remarks.iter().filter(|remark| !said.contains(&remark.as_str()));
    let remarks = unsaid.map(|remark| format!("<p>{}</p>", text(remark)));
    (name, row, failed.chain(silent).chain(remarks).collect())
}

/// The middle, and the ends below it.
fn middle_and_ends(spread: &Spread) -> String {
    let (median, min, max) = (short(spread.median), short(spread.min), short(spread.max));
    // One run is no spread.
    if min == max {
        format!("<b>{median}</b>")
    } else {
        format!("<b>{median}</b><small>{min}\u{2009}–\u{2009}{max}</small>")
    }
}

/// What only this scenario has, and what credit and processor cost in it; nothing where there is neither.
pub(crate) fn figures(scenario: &Scenario<'_>) -> Option<String> {
    let names: BTreeSet<&String> =
        scenario.members.iter().flat_map(|member| member.row.figures.keys()).collect();
    let mut columns: Vec<Column<'_>> = names
        .into_iter()
        .map(|name| {
            Column::new("scenario", &name.replace('_', " "), move |row| {
                row.figures.get(name).map(middle_and_ends)
            })
        })
        .collect();
    columns.extend([
        Column::new("credit", "grants", |row| row.credit.map(|credit| grouped(credit.grants))),
        Column::new("credit", "frames", |row| row.credit.map(|credit| grouped(credit.grant_frames))),
        Column::new("credit", "stalls", |row| row.credit.map(|credit| grouped(credit.stalls))),
        Column::new("instructions/msg", "server", |row| row.server_instructions_per_message.map(short)),
    ]);
    let times: [Time; 5] = [
        ("p50", |took| took.p50),
        ("p90", |took| took.p90),
        ("p99", |took| took.p99),
        ("p99.9", |took| took.p999),
        ("max", |took| took.max),
    ];
    for (name, pick) in times {
        columns.push(Column::new("from actual start µs", name, move |row| {
            row.service_us.map(|took| short(pick(&took)))
        }));
    }
    let rows =
        scenario.members.iter().map(|member| (text(&member.label).into_owned(), member.row, String::new()));
    grid::table("Further figures", columns, &[Body { heading: String::new(), rows: rows.collect() }])
}

/// Every run of every row; nothing when there was none.
pub(crate) fn runs(scenario: &Scenario<'_>) -> Option<String> {
    let runs = || scenario.members.iter().flat_map(|member| &member.row.runs);
    let figures: BTreeSet<&String> = runs().flat_map(|run| run.figures.keys()).collect();
    let fixed = [
        "row",
        "run",
        "seconds",
        "messages",
        "msg/s",
        "MB/s",
        "CPU s server",
        "client",
        "MB server",
        "client",
        "errors",
    ];
    let mut head: Vec<String> = fixed.map(str::to_owned).to_vec();
    head.extend(figures.iter().map(|name| name.replace('_', " ")));
    let mut rows = Vec::new();
    for member in &scenario.members {
        for (order, run) in member.row.runs.iter().enumerate() {
            let mut cells = vec![
                member.label.clone(),
                (order + 1).to_string(),
                format!("{:.3}", run.seconds),
                grouped(run.messages),
                short(run.messages_per_second),
                short(run.megabytes_per_second),
                format!("{:.3}", run.cpu_seconds.server),
                format!("{:.3}", run.cpu_seconds.client),
                megabytes(run.rss_bytes.server),
                megabytes(run.rss_bytes.client),
                grouped(run.errors),
            ];
            let of_run = |name: &&String| {
                run.figures.get(*name).map_or_else(|| NONE.to_owned(), |&figure| short(figure))
            };
            cells.extend(figures.iter().map(of_run));
            rows.push(cells);
        }
    }
    (!rows.is_empty()).then(|| folded(&counted(rows.len(), "run"), &grid::plain("Runs", &head, &rows)))
}

/// All settings of all rows: a column for each row.
pub(crate) fn settings(scenario: &Scenario<'_>) -> String {
    let mut head = vec!["setting".to_owned()];
    head.extend(scenario.members.iter().map(|member| member.label.clone()));
    let keys: BTreeSet<&String> = scenario.members.iter().flat_map(|member| member.settings.keys()).collect();
    let row = |key: &&String| -> Vec<String> {
        let values = scenario.members.iter().map(|member| settings::value(&member.settings, key));
        [settings::name(key)].into_iter().chain(values).collect()
    };
    let rows: Vec<Vec<String>> = keys.iter().map(row).collect();
    folded("All settings", &grid::plain("Settings", &head, &rows))
}

/// What only some readers want to see.
fn folded(name: &str, inside: &str) -> String {
    format!("<details><summary>{}</summary>{inside}</details>\n", text(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::{groups, sample};

    #[test]
    fn a_failed_row_says_why_in_words() {
        let rows = [sample::row("bulk", "push-mux", 2e6), sample::failed_row("bulk", "js")];
        let markup = summary(&groups::scenarios(&rows)).expect("a table");
        assert!(markup.contains("<b>Failed:</b> the peer closed the connection"), "{markup}");
    }

    #[test]
    fn rows_without_anything_are_a_table_all_the_same() {
        let row = Row { failed: None, remarks: Vec::new(), ..sample::failed_row("bulk", "js") };
        let markup = summary(&groups::scenarios(&[row])).expect("a table");
        assert!(markup.contains("Nothing was measured"), "{markup}");
    }

    #[test]
    fn noisy_rows_and_the_base_are_named() {
        let mut row = sample::row("bulk", "push-mux", 2e6);
        row.noise.steal = 0.5;
        let markup = summary(&groups::scenarios(&[row])).expect("a table");
        assert!(markup.contains(">noisy<") && markup.contains("× push-mux"), "{markup}");
    }

    #[test]
    fn errors_stand_out() {
        let row = Row { errors: 1234, ..sample::row("bulk", "push-mux", 2e6) };
        let markup = summary(&groups::scenarios(&[row])).expect("a table");
        assert!(markup.contains("<strong class=\"bad\">1\u{202f}234</strong>"), "{markup}");
    }

    #[test]
    fn figures_of_a_scenario_are_columns() {
        let rows = [sample::full_row(), sample::failed_row("open loop", "js")];
        let scenarios = groups::scenarios(&rows);
        let markup = scenarios.iter().find_map(figures).expect("a table");
        assert!(markup.contains("setup ms") && markup.contains("stalls"), "{markup}");
    }

    #[test]
    fn runs_and_settings_are_folded_away() {
        let rows = [sample::full_row()];
        let scenario = groups::scenarios(&rows).remove(0);
        assert!(runs(&scenario).expect("runs").starts_with("<details><summary>3 runs"));
        let settings = settings(&scenario);
        assert!(settings.contains("<th scope=\"row\">arrivals</th><td>poisson</td>"), "{settings}");
        let none = [sample::failed_row("bulk", "js")];
        assert!(runs(&groups::scenarios(&none).remove(0)).is_none());
    }
}
