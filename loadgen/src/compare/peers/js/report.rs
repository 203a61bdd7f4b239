//! What the client's program says in the end: a report, or that nothing came for too long.

use std::time::{Duration, Instant};

use anyhow::bail;
use serde::Deserialize;

use crate::compare::failure::Failure;
use crate::compare::work::{Shape, Work};
use crate::measure::Tally;
use crate::process::{Silence, Worker};
use crate::record::usage::Usage;
use crate::report::row::Latency;

/// How often the client's memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The line that a client ends with.
#[derive(Debug, Deserialize)]
pub(super) struct Report {
    messages: u64,
    /// From the first request to the last message.
    pub(super) seconds: f64,
    bytes: u64,
    /// Of the client's process.
    pub(super) cpu_seconds: f64,
    #[serde(default)]
    errors: u64,
    /// Of what went both ways.
    #[serde(default)]
    pub(super) latency_us: Option<Latency>,
}

/// The line of a client that has waited for too long.
#[derive(Debug, Deserialize)]
struct Stalled {
    event: String,
    messages: u64,
}

impl Report {
    /// Messages that are missing, or that have other sizes than were asked for, are errors.
    pub(super) fn tally(&self, work: &Work) -> Tally {
        let missing = work.messages().abs_diff(self.messages);
        // A call's answer is a little longer than its argument.
        let sizes_are_known = work.shape != Shape::Async && self.errors == 0;
        let odd = sizes_are_known && self.bytes != self.messages * work.body as u64;
        Tally { messages: self.messages, bytes: self.bytes, errors: self.errors + missing + u64::from(odd) }
    }
}

/// Waits for the report, watching the memory of the process.
pub(super) fn wait(
    client: &mut Worker,
    patience: Duration,
    deadline: Duration,
) -> anyhow::Result<(Report, u64)> {
    let began = Instant::now();
    let mut rss = 0;
    while began.elapsed() < deadline {
        match client.line(LOOK_EVERY) {
            Ok(line) => {
                if let Ok(report) = serde_json::from_str(&line) {
                    return Ok((report, rss.max(Usage::of(client.id()).peak_rss_bytes)));
                }
                if let Ok(Stalled { event, messages }) = serde_json::from_str(&line)
                    && event == "stalled"
                {
                    let until = began.elapsed().saturating_sub(patience);
                    return Err(Failure::stalled(messages, until, patience).into());
                }
            }
            Err(Silence::TimedOut) => rss = rss.max(Usage::of(client.id()).peak_rss_bytes),
            Err(Silence::Ended) => bail!("node ended without a result: {}", client.end()),
        }
    }
    bail!("stalled: not done after {} s", deadline.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::compare::work::sample;

    const LONG: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Worker {
        Worker::start(Command::new("sh").args(["-c", script])).expect("a shell")
    }

    #[test]
    fn the_last_line_is_the_report_and_others_are_passed_over() {
        let mut client = shell(
            r#"echo hello; echo '{"event":"x"}';
            echo '{"peer":"push-mux","scenario":"s","messages":5,"seconds":2.0,"bytes":9,"cpu_seconds":1.5,
            "errors":1,"latency_us":{"p50":1,"p90":2,"p99":3,"p999":4,"max":5.5}}' | tr -d '\n'"#,
        );
        let (report, _) = wait(&mut client, LONG, LONG).expect("a report");
        assert_eq!((report.messages, report.bytes, report.seconds, report.cpu_seconds), (5, 9, 2.0, 1.5));
        assert_eq!((report.errors, report.latency_us.map(|latency| latency.max)), (1, Some(5.5)));
    }

    #[test]
    fn a_client_that_stalls_is_not_waited_for() {
        let mut client = shell(r#"echo '{"event":"stalled","messages":77}'; exec sleep 100"#);
        let error = wait(&mut client, Duration::from_secs(3), LONG).expect_err("no report");
        assert_eq!(error.to_string(), "stalled at 77 messages: nothing came for 3 s");
        assert_eq!(error.downcast::<Failure>().expect("a failure").messages, 77);
    }

    #[test]
    fn a_client_that_fails_is_quoted_and_one_that_hangs_is_named() {
        let mut failing = shell("echo no such flag >&2");
        assert!(wait(&mut failing, LONG, LONG).expect_err("no report").to_string().contains("no such flag"));
        let mut hanging = shell("exec sleep 100");
        let error = wait(&mut hanging, LONG, Duration::from_millis(50)).expect_err("no report");
        assert!(error.to_string().starts_with("stalled"), "{error}");
    }

    #[test]
    fn missing_messages_and_odd_sizes_are_errors() {
        let errors = |shape, messages, bytes, errors| {
            let report = Report { messages, bytes, seconds: 1.0, cpu_seconds: 1.0, errors, latency_us: None };
            report.tally(&sample(shape)).errors
        };
        assert_eq!(errors(Shape::Source, 30, 1920, 0), 0);
        assert_eq!(errors(Shape::Sink, 30, 1919, 0), 1);
        assert_eq!(errors(Shape::PingPong, 28, 1792, 0), 2);
        assert_eq!(errors(Shape::PingPong, 30, 1919, 1), 1);
        assert_eq!(errors(Shape::Async, 10, 720, 0), 0);
    }
}
