//! B7: how a window grows into a long line.

use super::{Scenario, Stage};
use crate::light::{ConnPlan, Work};
use crate::plan::Settings;
use crate::record::outcome::Outcome;
use crate::report::row::Moment;
use crate::report::spread::median;

/// Part of the steady rate that counts as having arrived at it.
const ARRIVED: f64 = 0.9;

/// Bulk over a long line, from cold.
#[derive(Debug)]
pub(super) struct Delay;

impl Scenario for Delay {
    fn name(&self) -> &'static str {
        "delay"
    }

    fn workload(&self) -> &'static str {
        "B7"
    }

    fn about(&self) -> [&'static str; 2] {
        [
            "Bulk from cold over a line of --delay-ms there and back and --megabits, by netem or a delay line of ours.",
            "Shows how long windows take to fill the line, the rate they reach, and the credit that it takes.",
        ]
    }

    fn defaults(&self) -> Settings {
        Settings { body: 4096, delay_ms: 50.0, megabits: 1000.0, warmup: 0.0, ..Settings::base() }
    }

    fn refuses(&self, settings: &Settings) -> Option<String> {
        (settings.delay_ms <= 0.0).then(|| "a line without delay shows nothing: --delay-ms 50".to_owned())
    }

    fn drive(&self, stage: &Stage) -> anyhow::Result<Outcome> {
        let settings = &stage.settings;
        let sources = Work::Sources {
            streams: settings.streams,
            messages: None,
            body: settings.body,
            group: 0,
            is_paused: false,
        };
        let driven = stage.light_alike(&ConnPlan::of(vec![sources]))?;
        let mut outcome = driven.outcome;
        let megabits = |rate: f64| rate * f64::from(settings.body) * 8.0 / 1e6;
        let rates: Vec<(f64, f64)> =
            outcome.timeline.iter().map(|moment| (moment.at, megabits(moment.messages_per_second))).collect();
        let steady = steady(&rates);
        outcome.figure("steady_megabits", steady);
        if settings.megabits > 0.0 {
            outcome.figure("line_share", steady / settings.megabits);
        }
        if let Some(at) = arrival(&rates, ARRIVED * steady) {
            outcome.figure("seconds_to_90_percent", at);
        }
        let most =
            |pick: fn(&Moment) -> u64| outcome.timeline.iter().map(pick).max().unwrap_or_default() as f64;
        let (credit, window) = (most(|moment| moment.credit_bytes), most(|moment| moment.window_bytes));
        outcome.figure("credit_bytes_max", credit);
        outcome.figure("window_bytes_max", window);
        Ok(outcome)
    }
}

/// The middle of the rates in the later half.
fn steady(rates: &[(f64, f64)]) -> f64 {
    median(rates.iter().skip(rates.len() / 2).map(|(_, rate)| *rate))
}

/// When a rate was first reached.
fn arrival(rates: &[(f64, f64)], wanted: f64) -> Option<f64> {
    rates.iter().find(|(_, rate)| *rate >= wanted && *rate > 0.0).map(|(at, _)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_that_doubles_until_the_line_is_full_arrives_then() {
        let rates: Vec<(f64, f64)> =
            (1..=10).map(|at| (f64::from(at) * 0.1, (2.0_f64).powi(at).min(100.0))).collect();
        assert_eq!(steady(&rates), 100.0);
        assert_eq!(arrival(&rates, 90.0).map(|at| (at * 10.0).round()), Some(7.0));
        assert_eq!(arrival(&[], 1.0), None);
    }
}
