//! Everything at once, for long.

use super::{Scenario, Stage};
use crate::light::{ConnPlan, Work};
use crate::plan::Settings;
use crate::record::growth::slope;
use crate::record::outcome::Outcome;
use crate::report::row::Moment;

/// Streams, calls and churn together.
#[derive(Debug)]
pub(super) struct Soak;

impl Scenario for Soak {
    fn name(&self) -> &'static str {
        "soak"
    }

    fn workload(&self) -> &'static str {
        ""
    }

    fn about(&self) -> [&'static str; 2] {
        [
            "Sources, sinks, round trips, calls and short streams together on every connection: --duration 14400 for hours.",
            "Shows whether memory creeps and whether rate and times stay what they were.",
        ]
    }

    fn defaults(&self) -> Settings {
        Settings { connections: 4, streams: 8, depth: 8, duration: 60.0, warmup: 2.0, ..Settings::base() }
    }

    fn timed(&self) -> &'static str {
        "round trip, call or stream"
    }

    fn drive(&self, stage: &Stage) -> anyhow::Result<Outcome> {
        let Settings { streams, depth, body, .. } = stage.settings;
        let sources = Work::Sources { streams, messages: None, body, group: 0, is_paused: false };
        let sinks = Work::Sinks { streams, messages: None };
        let works = [
            vec![sources, Work::Churn { depth, messages: None }],
            vec![sinks],
            vec![Work::Pings { streams, depth, messages: None }],
            vec![Work::Calls { depth, messages: None }],
        ];
        let plans = (0..stage.settings.connections as usize)
            .map(|at| ConnPlan::of(works[at % works.len()].clone()))
            .collect();
        let bench = stage.bench(crate::framework::Size { connections: 0, streams: depth })?;
        let driven = stage.light(&bench, plans, super::stage::Script::default())?;
        let mut outcome = driven.outcome;
        for (name, pick) in [
            (
                "server_growth_bytes_per_minute",
                (|moment: &Moment| moment.rss_bytes.server as f64) as fn(&Moment) -> f64,
            ),
            ("client_growth_bytes_per_minute", |moment| moment.rss_bytes.client as f64),
        ] {
            if let Some(slope) = slope(&outcome.timeline, pick) {
                outcome.figure(name, slope * 60.0);
            }
        }
        Ok(outcome)
    }
}
