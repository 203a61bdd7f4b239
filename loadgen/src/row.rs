//! One result: what was run, against whom, and what came out.

use serde::{Deserialize, Serialize};

/// One measured run, and the object that `--json` prints for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Name of the scenario, as given to `--scenario`.
    pub(crate) scenario: String,
    /// Which implementation carried the messages.
    pub(crate) peer: String,
    /// `tcp` or `unix`.
    pub(crate) transport: String,
    /// Connections in use at the same time.
    pub(crate) connections: u32,
    /// Streams of one connection, or calls in flight on it.
    pub(crate) streams: u32,
    /// Size of one body; the mean where bodies differ.
    pub(crate) body_bytes: u64,
    /// Messages received and checked; for calls, replies.
    pub(crate) messages: u64,
    /// From the first request to the last message.
    pub(crate) seconds: f64,
    /// `messages / seconds`.
    pub(crate) messages_per_second: f64,
    /// Bodies alone, framing not counted, in units of 1,000,000 bytes.
    pub(crate) megabytes_per_second: f64,
    /// Null where nothing has a duration of its own: a one-way stream at full speed.
    pub(crate) latency_us: Option<Latency>,
    /// Null for peers without push-mux credit.
    pub(crate) credit: Option<CreditCounts>,
    /// Processor time of each process during `seconds`.
    pub(crate) cpu_seconds: Ends<f64>,
    /// Largest resident size of each process up to the end of the run.
    pub(crate) rss_bytes: Ends<u64>,
    /// Messages of the wrong length, out of order or with other bytes than were sent.
    pub(crate) errors: u64,
}

impl Row {
    /// Processor time that one message cost at each end, in microseconds.
    pub(crate) fn cpu_us_per_message(&self) -> Ends<f64> {
        let each = |seconds: f64| if self.messages == 0 { 0.0 } else { seconds * 1e6 / self.messages as f64 };
        Ends { server: each(self.cpu_seconds.server), client: each(self.cpu_seconds.client) }
    }
}

/// A figure for each of the two processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ends<T> {
    /// The side that listens.
    pub(crate) server: T,
    /// The side that dials and measures.
    pub(crate) client: T,
}

/// Percentiles of the time from the intended start of a call to its reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latency {
    /// Half of the calls took at most this long.
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

#[cfg(test)]
pub(crate) fn sample(peer: &str, messages_per_second: f64) -> Row {
    Row {
        scenario: "source-64".into(),
        peer: peer.into(),
        transport: "tcp".into(),
        connections: 1,
        streams: 1,
        body_bytes: 64,
        messages: 1000,
        seconds: 1000.0 / messages_per_second,
        messages_per_second,
        megabytes_per_second: messages_per_second * 64.0 / 1e6,
        latency_us: Some(Latency { p50: 1.0, p90: 2.0, p99: 3.0, p999: 4.0, max: 5.5 }),
        credit: Some(CreditCounts { grants: 7, grant_frames: 3, stalls: 1 }),
        cpu_seconds: Ends { server: 0.5, client: 0.25 },
        rss_bytes: Ends { server: 4096, client: 8192 },
        errors: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_these_fields_in_this_order() {
        let json = serde_json::to_string(&sample("tcp", 1000.0)).expect("a row is plain data");
        assert_eq!(
            json,
            concat!(
                r#"{"scenario":"source-64","peer":"tcp","transport":"tcp","connections":1,"streams":1,"#,
                r#""body_bytes":64,"messages":1000,"seconds":1.0,"messages_per_second":1000.0,"#,
                r#""megabytes_per_second":0.064,"latency_us":{"p50":1.0,"p90":2.0,"p99":3.0,"p999":4.0,"#,
                r#""max":5.5},"credit":{"grants":7,"grant_frames":3,"stalls":1},"#,
                r#""cpu_seconds":{"server":0.5,"client":0.25},"rss_bytes":{"server":4096,"client":8192},"#,
                r#""errors":0}"#
            )
        );
    }

    #[test]
    fn a_row_survives_the_pipe_between_processes() {
        let row = Row { latency_us: None, credit: None, ..sample("h2", 3.0e6) };
        let json = serde_json::to_string(&row).expect("a row is plain data");
        assert!(json.contains(r#""latency_us":null,"credit":null"#));
        assert_eq!(serde_json::from_str::<Row>(&json).expect("what was written"), row);
    }

    #[test]
    fn cost_per_message_is_in_microseconds() {
        let cost = sample("tcp", 1000.0).cpu_us_per_message();
        assert_eq!((cost.server, cost.client), (500.0, 250.0));
    }
}
