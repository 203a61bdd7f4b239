//! From the outcomes of several runs to a row.

use std::collections::{BTreeMap, BTreeSet};

use super::row::{Ends, Latency, Row, Run, SCHEMA};
use super::spread::{Spread, median};
use crate::machine::Machine;
use crate::plan::Settings;
use crate::record::latency::Recorder;
use crate::record::noise::Noise;
use crate::record::outcome::{Interval, Outcome};

/// What was run, to be summed up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// Name of the scenario.
    pub(crate) scenario: &'a str,
    /// Who carried the messages.
    pub(crate) peer: &'a str,
    /// How.
    pub(crate) settings: &'a Settings,
    /// Where.
    pub(crate) machine: &'a Machine,
}

/// Sums up runs; what is of one run alone (timeline, credit, intervals) is of the one in the middle.
pub(crate) fn sum_up(subject: Subject<'_>, outcomes: &[Outcome]) -> (Row, Vec<Interval>) {
    let runs: Vec<Run> = outcomes.iter().map(run).collect();
    let whole: Vec<(&Outcome, &Run)> =
        outcomes.iter().zip(&runs).filter(|(outcome, _)| outcome.failed.is_none()).collect();
    // Figures of runs that broke off are shown where there are no others.
    let counted: Vec<(&Outcome, &Run)> =
        if whole.is_empty() { outcomes.iter().zip(&runs).collect() } else { whole };
    let middle = middle(&counted);
    let (mut latency, mut service) = (Recorder::new(), Recorder::new());
    for (outcome, _) in &counted {
        latency.add(&outcome.latency);
        service.add(&outcome.service);
    }
    let of = |pick: &dyn Fn(&Run) -> f64| median(counted.iter().map(|(_, run)| pick(run)));
    let each =
        |seconds: f64, run: &Run| if run.messages == 0 { 0.0 } else { seconds * 1e6 / run.messages as f64 };
    let is_timed = counted.iter().any(|(_, run)| run.messages > 0 && run.seconds > 0.0);
    let rate = |pick: &dyn Fn(&Run) -> f64| {
        is_timed.then(|| Spread::of(counted.iter().map(|(_, run)| pick(run)))).flatten()
    };
    let row = Row {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        scenario: subject.scenario.to_owned(),
        peer: subject.peer.to_owned(),
        settings: subject.settings.clone(),
        machine: subject.machine.clone(),
        noise: outcomes.iter().map(|outcome| outcome.noise).fold(Noise::default(), Noise::worst),
        remarks: remarks(outcomes),
        messages: runs.iter().map(|run| run.messages).sum(),
        errors: runs.iter().map(|run| run.errors).sum(),
        failed: outcomes.iter().find_map(|outcome| outcome.failed.clone()),
        messages_per_second: rate(&|run| run.messages_per_second),
        megabytes_per_second: rate(&|run| run.megabytes_per_second),
        latency_us: latency.latency().or_else(|| said(&counted)),
        service_us: service.latency(),
        percentiles: latency.curve(),
        cpu_us_per_message: Ends {
            server: of(&|run| each(run.cpu_seconds.server, run)),
            client: of(&|run| each(run.cpu_seconds.client, run)),
        },
        busy: Ends {
            server: of(&|run| run.cpu_seconds.server / run.seconds.max(1e-9)),
            client: of(&|run| run.cpu_seconds.client / run.seconds.max(1e-9)),
        },
        server_instructions_per_message: None,
        rss_bytes: Ends {
            server: runs.iter().map(|run| run.rss_bytes.server).max().unwrap_or_default(),
            client: runs.iter().map(|run| run.rss_bytes.client).max().unwrap_or_default(),
        },
        credit: middle.and_then(|outcome| outcome.credit),
        figures: figures(&counted),
        ratio: None,
        runs,
        timeline: middle.map(|outcome| outcome.timeline.clone()).unwrap_or_default(),
    };
    (row, middle.map(|outcome| outcome.intervals.clone()).unwrap_or_default())
}

/// The middle of percentiles that other programs told.
fn said(counted: &[(&Outcome, &Run)]) -> Option<Latency> {
    let all: Vec<Latency> = counted.iter().filter_map(|(outcome, _)| outcome.latency_us).collect();
    let middle = |pick: fn(&Latency) -> f64| median(all.iter().map(pick));
    (!all.is_empty()).then(|| Latency {
        p50: middle(|latency| latency.p50),
        p90: middle(|latency| latency.p90),
        p99: middle(|latency| latency.p99),
        p999: middle(|latency| latency.p999),
        max: middle(|latency| latency.max),
    })
}

fn run(outcome: &Outcome) -> Run {
    let seconds = outcome.seconds.max(1e-9);
    let is_timed = outcome.seconds > 0.0;
    let rate = |number: f64| if is_timed { number / seconds } else { 0.0 };
    Run {
        seconds: outcome.seconds,
        messages: outcome.messages,
        messages_per_second: rate(outcome.messages as f64),
        megabytes_per_second: rate(outcome.bytes as f64 / 1e6),
        cpu_seconds: outcome.cpu_seconds,
        rss_bytes: outcome.rss_bytes,
        errors: outcome.errors,
        figures: outcome.figures.clone(),
    }
}

fn middle<'a>(counted: &[(&'a Outcome, &Run)]) -> Option<&'a Outcome> {
    let mut by_rate: Vec<_> = counted.iter().collect();
    by_rate.sort_by(|a, b| a.1.messages_per_second.total_cmp(&b.1.messages_per_second));
    by_rate.get(by_rate.len().saturating_sub(1) / 2).map(|(outcome, _)| *outcome)
}

fn figures(counted: &[(&Outcome, &Run)]) -> BTreeMap<String, Spread> {
    let names: BTreeSet<&String> = counted.iter().flat_map(|(_, run)| run.figures.keys()).collect();
    let spread =
        |name: &String| Spread::of(counted.iter().filter_map(|(_, run)| run.figures.get(name).copied()));
    names.into_iter().filter_map(|name| Some((name.clone(), spread(name)?))).collect()
}

/// Each remark once, and the first complaint.
fn remarks(outcomes: &[Outcome]) -> Vec<String> {
    let mut remarks: Vec<String> = Vec::new();
    for remark in outcomes.iter().flat_map(|outcome| outcome.remarks.iter().chain(&outcome.complaint)) {
        if !remarks.contains(remark) {
            remarks.push(remark.clone());
        }
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(messages: u64) -> Outcome {
        let mut outcome = Outcome {
            messages,
            bytes: messages * 64,
            seconds: 2.0,
            cpu_seconds: Ends { server: 1.0, client: 0.5 },
            ..Outcome::default()
        };
        outcome.figure("loss", messages as f64 / 1000.0);
        outcome.latency.record_ns(messages * 1000);
        outcome
    }

    fn summed(outcomes: &[Outcome]) -> Row {
        let (settings, machine) = (Settings::base(), Machine::here());
        let subject =
            Subject { scenario: "source", peer: "push-mux", settings: &settings, machine: &machine };
        sum_up(subject, outcomes).0
    }

    #[test]
    fn figures_are_medians_over_the_runs() {
        let row = summed(&[outcome(100), outcome(400), outcome(200)]);
        assert_eq!((row.messages, row.errors, row.runs.len()), (700, 0, 3));
        assert_eq!(row.messages_per_second, Some(Spread { median: 100.0, min: 50.0, max: 200.0 }));
        assert_eq!(row.cpu_us_per_message, Ends { server: 5000.0, client: 2500.0 });
        assert_eq!(row.busy, Ends { server: 0.5, client: 0.25 });
        assert_eq!(row.figures["loss"], Spread { median: 0.2, min: 0.1, max: 0.4 });
        assert!((row.latency_us.expect("timed").max - 400.0).abs() < 1.0);
    }

    #[test]
    fn a_run_that_broke_off_is_told_and_spoils_no_median() {
        let broken = Outcome { failed: Some("stalled".into()), errors: 1, ..outcome(3) };
        let row = summed(&[outcome(100), broken.clone()]);
        assert_eq!((row.failed.as_deref(), row.errors), (Some("stalled"), 1));
        assert_eq!(row.messages_per_second.map(|rate| rate.min), Some(50.0));
        let row = summed(&[broken]);
        assert_eq!(row.messages_per_second.map(|rate| rate.median), Some(1.5), "what there is, is shown");
    }

    #[test]
    fn what_has_no_duration_has_no_rate() {
        let mut weighed = Outcome::default();
        weighed.figure("server_bytes_per_stream", 1000.0);
        let row = summed(&[weighed]);
        assert_eq!((row.messages_per_second, row.latency_us), (None, None));
        assert_eq!(row.figures["server_bytes_per_stream"].median, 1000.0);
    }
}
