//! One result: what was run, where, and what came out. `docs/LOADGEN.md` explains every field to those who read the JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::spread::Spread;
use crate::machine::Machine;
use crate::plan::Settings;
use crate::record::noise::Noise;

/// Version of the object that `--json` prints. It rises when a field changes its meaning or goes.
pub(crate) const SCHEMA: u32 = 2;

/// All runs of one scenario with the same settings against the same peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    /// Version of this program.
    pub(crate) version: String,
    /// Name of the scenario.
    pub(crate) scenario: String,
    /// Which implementation carried the messages, or the address of a server that is not ours.
    pub(crate) peer: String,
    /// All that was chosen.
    pub(crate) settings: Settings,
    /// Where it ran.
    pub(crate) machine: Machine,
    /// What else the machine was doing.
    pub(crate) noise: Noise,
    /// Anything that a reader must know to judge the figures: where the line was delayed, what a peer refused.
    pub(crate) remarks: Vec<String>,
    /// Messages received and checked in all runs together; for calls, replies.
    pub(crate) messages: u64,
    /// Messages of the wrong length, out of order, with other bytes than were sent, or missing.
    pub(crate) errors: u64,
    /// Why a run broke off, if one did; the figures are then of what came before.
    pub(crate) failed: Option<String>,
    /// Over the runs.
    pub(crate) messages_per_second: Option<Spread>,
    /// Bodies alone, framing not counted, in units of 1,000,000 bytes.
    pub(crate) megabytes_per_second: Option<Spread>,
    /// From the intended start, in microseconds; null where nothing has a duration of its own.
    pub(crate) latency_us: Option<Latency>,
    /// From the actual start; null without a rate, where it would be the same.
    pub(crate) service_us: Option<Latency>,
    /// Percentile curve of `latency_us`: part of the messages, and the time within which they were done.
    pub(crate) percentiles: Vec<(f64, f64)>,
    /// Processor time that a message cost at each end, median of the runs.
    pub(crate) cpu_us_per_message: Ends<f64>,
    /// Processor time over time, median of the runs: 1 is one core that never slept.
    pub(crate) busy: Ends<f64>,
    /// Machine instructions of the server for a message, where they were counted.
    pub(crate) server_instructions_per_message: Option<f64>,
    /// Largest resident size of each process in any run.
    pub(crate) rss_bytes: Ends<u64>,
    /// What credit cost in the run in the middle; null where the peer has none.
    pub(crate) credit: Option<CreditCounts>,
    /// Figures that only this scenario has, by name; units are in the names.
    pub(crate) figures: BTreeMap<String, Spread>,
    /// Rate as a multiple of the base peer's in the same round.
    pub(crate) ratio: Option<Ratio>,
    /// Each run.
    pub(crate) runs: Vec<Run>,
    /// The run in the middle, moment after moment.
    pub(crate) timeline: Vec<Moment>,
}

/// A figure for each of the two processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ends<T> {
    /// The side that listens.
    pub(crate) server: T,
    /// The side that dials and measures.
    pub(crate) client: T,
}

/// Percentiles of a time, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latency {
    /// Half of them took at most this long.
    pub(crate) p50: f64,
    /// Nine in ten.
    pub(crate) p90: f64,
    /// 99 in a hundred.
    pub(crate) p99: f64,
    /// 999 in a thousand.
    pub(crate) p999: f64,
    /// The slowest of all.
    pub(crate) max: f64,
}

/// What credit cost, and how often a sender had to wait for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CreditCounts {
    /// Grants sent, one for each stream named in a grant frame.
    pub(crate) grants: u64,
    /// Control frames that carried them.
    pub(crate) grant_frames: u64,
    /// Times a stream had something to send and no credit.
    pub(crate) stalls: u64,
}

/// A ratio to a base peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ratio {
    /// Whose rate is 1.
    pub(crate) base: String,
    /// Over the rounds.
    #[serde(flatten)]
    pub(crate) spread: Spread,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Seconds measured.
    pub(crate) seconds: f64,
    /// In them.
    pub(crate) messages: u64,
    /// `messages / seconds`.
    pub(crate) messages_per_second: f64,
    /// Bodies alone, in units of 1,000,000 bytes.
    pub(crate) megabytes_per_second: f64,
    /// Processor time of each process in them.
    pub(crate) cpu_seconds: Ends<f64>,
    /// Largest resident size of each process.
    pub(crate) rss_bytes: Ends<u64>,
    /// As in the row.
    pub(crate) errors: u64,
    /// Of this run.
    pub(crate) figures: BTreeMap<String, f64>,
}

/// One moment of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Moment {
    /// Seconds since the measured time began.
    pub(crate) at: f64,
    /// Since the moment before.
    pub(crate) messages_per_second: f64,
    /// Processor time over time since then.
    pub(crate) busy: Ends<f64>,
    /// Resident size.
    pub(crate) rss_bytes: Ends<u64>,
    /// Credit that senders hold and have not used, on all streams together.
    pub(crate) credit_bytes: u64,
    /// Mean window of a stream.
    pub(crate) window_bytes: u64,
    /// 99th percentile since the moment before, in microseconds; 0 where nothing is timed.
    pub(crate) p99_us: f64,
}

#[cfg(test)]
pub(crate) fn sample(peer: &str, messages_per_second: f64) -> Row {
    use crate::record::outcome::Outcome;
    let outcome = Outcome {
        messages: 1000,
        bytes: 64_000,
        seconds: 1000.0 / messages_per_second,
        credit: Some(CreditCounts { grants: 7, grant_frames: 3, stalls: 1 }),
        latency_us: Some(Latency { p50: 1.0, p90: 2.0, p99: 3.0, p999: 4.0, max: 5.5 }),
        cpu_seconds: Ends { server: 0.5, client: 0.25 },
        rss_bytes: Ends { server: 4096, client: 8192 },
        ..Outcome::default()
    };
    let (settings, machine) = (Settings::base(), Machine::here());
    let subject = super::sum_up::Subject { scenario: "source", peer, settings: &settings, machine: &machine };
    super::sum_up::sum_up(subject, &[outcome]).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_these_fields_in_this_order() {
        let row = serde_json::to_value(sample("tcp", 1000.0)).expect("plain data");
        let text = serde_json::to_string(&sample("tcp", 1000.0)).expect("plain data");
        let mut names: Vec<&str> = row.as_object().expect("an object").keys().map(String::as_str).collect();
        names.sort_by_key(|name| text.find(&format!("\"{name}\":")));
        let wanted = "schema version scenario peer settings machine noise remarks messages errors failed \
            messages_per_second megabytes_per_second latency_us service_us percentiles cpu_us_per_message busy \
            server_instructions_per_message rss_bytes credit figures ratio runs timeline";
        let mut wanted: Vec<&str> = wanted.split_whitespace().collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(sorted, wanted, "docs/LOADGEN.md and SCHEMA change with them");
        assert!(text.starts_with(r#"{"schema":2,"version":""#), "{text}");
    }

    #[test]
    fn a_row_survives_being_written_down() {
        let row = Row { latency_us: None, credit: None, ..sample("h2", 3.0e6) };
        let json = serde_json::to_string(&row).expect("plain data");
        assert!(json.contains(r#""latency_us":null"#) && json.contains(r#""credit":null"#));
        assert_eq!(serde_json::from_str::<Row>(&json).expect("what was written"), row);
    }
}
