//! Line charts of a scenario: what happened over time, and how long things took.

use super::chart::{Chart, Line, Point};
use super::groups::{Member, STYLES, Scenario};
use super::numbers::Unit;
use super::scale::{Kind, ends};
use super::svg::Figure;
use crate::report::row::{Latency, Moment, Row};
use crate::report::spread;

/// A figure of each moment.
struct Metric {
    /// What the chart shows.
    title: &'static str,
    /// Its part of a moment; nothing where the moment has none.
    pick: fn(&Moment) -> Option<f64>,
}

/// Figures that are drawn to the same scale, because they are to be compared.
struct Family {
    /// One chart each.
    metrics: &'static [Metric],
    /// How to read them.
    note: &'static str,
    /// What they count.
    unit: Unit,
}

/// One chart each.
const SINGLES: [Family; 4] = [
    Family {
        metrics: &[Metric { title: "Rate over time", pick: |moment| Some(moment.messages_per_second) }],
        note: "messages a second",
        unit: Unit::Count,
    },
    Family {
        // 0 says that nothing was timed, and would draw the axis down to nothing.
        metrics: &[Metric {
            title: "p99 over time",
            pick: |moment| (moment.p99_us > 0.0).then_some(moment.p99_us),
        }],
        note: "99 in a hundred took at most this long",
        unit: Unit::Micros,
    },
    Family {
        metrics: &[Metric { title: "Credit in flight", pick: |moment| Some(moment.credit_bytes as f64) }],
        note: "held by senders and not used, all streams together",
        unit: Unit::Bytes,
    },
    Family {
        metrics: &[Metric { title: "Window", pick: |moment| Some(moment.window_bytes as f64) }],
        note: "mean of the streams",
        unit: Unit::Bytes,
    },
];

/// A chart for the server and one for the client.
const PAIRS: [Family; 2] = [
    Family {
        metrics: &[
            Metric { title: "Busy, server", pick: |moment| Some(moment.busy.server) },
            Metric { title: "Busy, client", pick: |moment| Some(moment.busy.client) },
        ],
        note: "processor time over time, 1 is a core that never sleeps",
        unit: Unit::Plain,
    },
    Family {
        metrics: &[
            Metric { title: "Memory, server", pick: |moment| Some(moment.rss_bytes.server as f64) },
            Metric { title: "Memory, client", pick: |moment| Some(moment.rss_bytes.client as f64) },
        ],
        note: "resident size",
        unit: Unit::Bytes,
    },
];

/// Charts that stand alone and show something.
pub(crate) fn singles(scenario: &Scenario<'_>) -> Vec<Figure> {
    let over_time = SINGLES.iter().flat_map(|family| family_figures(family, &scenario.members));
    percentiles(&scenario.members).into_iter().chain(over_time).collect()
}

/// Charts of which the server's and the client's are to stand side by side.
pub(crate) fn pairs(scenario: &Scenario<'_>) -> Vec<Figure> {
    PAIRS.iter().flat_map(|family| family_figures(family, &scenario.members)).collect()
}

fn family_figures(family: &Family, members: &[Member<'_>]) -> Vec<Figure> {
    let lines_of = |metric: &Metric| -> Vec<Line> {
        let line = |member: &Member<'_>| {
            let moments = member.row.timeline.iter();
            let points = moments.filter_map(|moment| Some((moment.at, (metric.pick)(moment)?)));
            line(member, points.collect(), Vec::new())
        };
        members.iter().map(line).collect()
    };
    let all: Vec<(&Metric, Vec<Line>)> =
        family.metrics.iter().map(|metric| (metric, lines_of(metric))).collect();
    let lines = || all.iter().flat_map(|(_, lines)| lines);
    // By the middle of each line, because one stall must not decide about the axis.
    let kind = Kind::for_figures(lines().map(|line| spread::median(line.points.iter().map(|point| point.1))));
    let room =
        ends(lines().flat_map(|line| &line.points).map(|point| point.1).filter(|&figure| figure > 0.0));
    let room = room.map_or_else(Vec::new, |(least, most)| vec![least, most]);
    let charts: Vec<Chart> = all
        .into_iter()
        .map(|(metric, lines)| Chart {
            title: metric.title.to_owned(),
            note: family.note.to_owned(),
            x: Unit::Seconds,
            y: family.unit,
            kind,
            room: room.clone(),
            lines,
        })
        .collect();
    in_parts(&charts)
}

/// How long messages took, over how many of them took no longer.
fn percentiles(members: &[Member<'_>]) -> Vec<Figure> {
    let has_service = members.iter().any(|member| member.row.service_us.is_some());
    let lines = members.iter().map(|member| {
        let service = member.row.service_us.as_ref().map_or_else(Vec::new, |service| curve(service).to_vec());
        line(member, measured_curve(member.row), service)
    });
    let note = if has_service {
        "from the intended start; hollow marks: from the actual start"
    } else {
        "part of the messages that took at most so long"
    };
    in_parts(&[Chart {
        title: "Latency by percentile".to_owned(),
        note: note.to_owned(),
        x: Unit::Percentile,
        y: Unit::Micros,
        kind: Kind::Log,
        room: Vec::new(),
        lines: lines.collect(),
    }])
}

/// The recorded curve up to the slowest of all; the percentiles of the row where none was recorded.
fn measured_curve(row: &Row) -> Vec<Point> {
    let of_row = row.latency_us.as_ref().map(curve);
    let mut points = row.percentiles.clone();
    // A time of 0 is one that was not recorded, and has no place on the axis.
    points.retain(|&(_, took)| took > 0.0);
    match (points.last(), of_row) {
        (None, of_row) => of_row.map_or_else(Vec::new, |curve| curve.to_vec()),
        (Some(&(part, took)), Some([.., max])) if part < 1.0 && took <= max.1 => {
            points.push(max);
            points
        }
        (Some(_), _) => points,
    }
}

fn curve(latency: &Latency) -> [Point; 5] {
    let Latency { p50, p90, p99, p999, max } = *latency;
    [(0.5, p50), (0.9, p90), (0.99, p99), (0.999, p999), (1.0, max)]
}

fn line(member: &Member<'_>, points: Vec<Point>, marks: Vec<Point>) -> Line {
    Line { label: member.label.clone(), style: member.style(), points, marks }
}

/// The charts with as many lines each as there are looks: all first parts, then all second parts, and so on. A row is in
/// the same part of every kind of chart.
fn in_parts(charts: &[Chart]) -> Vec<Figure> {
    let parts = charts.iter().map(|chart| chart.lines.len().div_ceil(STYLES)).max().unwrap_or_default();
    let mut figures = Vec::new();
    for part in 0..parts {
        for chart in charts {
            let lines = chart.lines.iter().skip(part * STYLES).take(STYLES).cloned().collect();
            let title = match parts {
                1 => chart.title.clone(),
                _ => format!("{} ({} of {parts})", chart.title, part + 1),
            };
            let of_part =
                Chart { title, note: chart.note.clone(), room: chart.room.clone(), lines, ..*chart };
            figures.extend(of_part.figure());
        }
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::{groups, sample};

    fn titles(rows: &[Row]) -> Vec<String> {
        let scenarios = groups::scenarios(rows);
        let figures =
            scenarios.iter().flat_map(|scenario| singles(scenario).into_iter().chain(pairs(scenario)));
        figures.map(|figure| figure.title).collect()
    }

    #[test]
    fn every_chart_of_a_full_row_is_there() {
        let all = [
            "Latency by percentile",
            "Rate over time",
            "p99 over time",
            "Credit in flight",
            "Window",
            "Busy, server",
            "Busy, client",
            "Memory, server",
            "Memory, client",
        ];
        assert_eq!(titles(&[sample::full_row()]), all);
    }

    #[test]
    fn charts_that_would_be_zero_or_empty_are_left_out() {
        let mut row = sample::full_row();
        for moment in &mut row.timeline {
            *moment = Moment { at: moment.at, messages_per_second: 5.0, ..Moment::default() };
        }
        (row.latency_us, row.service_us, row.percentiles) = (None, None, Vec::new());
        assert_eq!(titles(&[row.clone()]), ["Rate over time"]);
        row.timeline.clear();
        assert!(titles(&[row]).is_empty());
    }

    #[test]
    fn more_rows_than_looks_are_several_charts() {
        let rows: Vec<Row> = (0..20).map(|_| sample::full_row()).collect();
        let of_rate: Vec<String> =
            titles(&rows).into_iter().filter(|title| title.starts_with("Rate")).collect();
        assert_eq!(
            of_rate,
            ["Rate over time (1 of 3)", "Rate over time (2 of 3)", "Rate over time (3 of 3)"]
        );
    }

    #[test]
    fn without_a_curve_the_percentiles_of_the_row_are_drawn() {
        let row = Row { percentiles: Vec::new(), ..sample::full_row() };
        assert_eq!(measured_curve(&row).len(), 5);
        let row = sample::full_row();
        assert_eq!(measured_curve(&row).last(), row.latency_us.map(|latency| (1.0, latency.max)).as_ref());
    }
}
