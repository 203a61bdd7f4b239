//! What one run hands to the process that asked for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::latency::Recorder;
use super::noise::Noise;
use crate::report::row::{CreditCounts, Ends, Latency, Moment};

/// All that was measured in a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Outcome {
    /// Messages received and checked.
    pub(crate) messages: u64,
    /// Bytes of their bodies.
    pub(crate) bytes: u64,
    /// Messages that were wrong, missing or too many.
    pub(crate) errors: u64,
    /// The first thing that was wrong.
    pub(crate) complaint: Option<String>,
    /// Why the run broke off; what it measured until then is in the other fields.
    pub(crate) failed: Option<String>,
    /// Seconds measured.
    pub(crate) seconds: f64,
    /// From the intended start.
    pub(crate) latency: Recorder,
    /// From the actual start, where there is a schedule.
    pub(crate) service: Recorder,
    /// The percentiles of the same, where another program says what they are.
    pub(crate) latency_us: Option<Latency>,
    /// The same as `latency`, interval after interval.
    pub(crate) intervals: Vec<Interval>,
    /// Processor time of both processes in the seconds measured.
    pub(crate) cpu_seconds: Ends<f64>,
    /// Largest resident size of each.
    pub(crate) rss_bytes: Ends<u64>,
    /// What credit cost at both ends.
    pub(crate) credit: Option<CreditCounts>,
    /// Figures of this scenario alone.
    pub(crate) figures: BTreeMap<String, f64>,
    /// Moment after moment.
    pub(crate) timeline: Vec<Moment>,
    /// What else the machine did.
    pub(crate) noise: Noise,
    /// What a reader must know.
    pub(crate) remarks: Vec<String>,
}

/// One interval of a log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Interval {
    /// Seconds since the measured time began.
    pub(crate) at: f64,
    /// How long it is.
    pub(crate) seconds: f64,
    /// What was done in it.
    pub(crate) recorder: Recorder,
}

/// What was recorded in one phase of a script.
#[derive(Debug, Default)]
pub(crate) struct Phase {
    /// In this phase.
    pub(crate) messages: u64,
    /// In this phase.
    pub(crate) bytes: u64,
    /// How long it was on.
    pub(crate) seconds: f64,
    /// From intended starts.
    pub(crate) latency: Recorder,
    /// From actual starts.
    pub(crate) service: Recorder,
}

impl Phase {
    /// Adds what another thread recorded in the same phase.
    pub(crate) fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.seconds = self.seconds.max(other.seconds);
        self.latency.add(&other.latency);
        self.service.add(&other.service);
    }

    /// Messages a second.
    pub(crate) fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.messages as f64 / self.seconds } else { 0.0 }
    }
}

impl Outcome {
    /// Notes a figure of this scenario; one that cannot be told is left out.
    pub(crate) fn figure(&mut self, name: &str, value: f64) {
        if value.is_finite() {
            self.figures.insert(name.to_owned(), value);
        }
    }

    /// So many messages are wrong, missing or too many.
    pub(crate) fn wrong(&mut self, messages: u64, what: impl FnOnce() -> String) {
        if messages > 0 {
            self.errors += messages;
            self.complaint.get_or_insert_with(what);
        }
    }

    /// So many messages were due; those that are missing, or too many, are wrong.
    pub(crate) fn missing(&mut self, due: u64) {
        let came = self.messages;
        self.wrong(due.abs_diff(came), || format!("{came} of {due} messages came"));
    }

    /// A run that came to nothing.
    pub(crate) fn failure(why: impl std::fmt::Display) -> Self {
        Self { failed: Some(why.to_string()), ..Self::default() }
    }
}

/// Merges intervals of several threads, which are of the same length and begin at the same time.
pub(crate) fn merge(into: &mut Vec<Interval>, from: Vec<Interval>) {
    for interval in from {
        match into.iter_mut().find(|known| (known.at - interval.at).abs() < 1e-9) {
            Some(known) => {
                known.recorder.add(&interval.recorder);
                known.recorder.pack();
                known.seconds = known.seconds.max(interval.seconds);
            }
            None => into.push(interval),
        }
    }
    into.sort_by(|a, b| a.at.total_cmp(&b.at));
}
