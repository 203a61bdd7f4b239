//! The measured interval of one run: its clock, its samples of both processes, its watchdog.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::compare::failure::Failure;
use crate::compare::work::Work;
use crate::latency::Recorder;
use crate::row::{CreditCounts, Ends, Latency, Row};
use crate::usage::Sample;

/// How often the watchdog looks.
const WATCH_EVERY: Duration = Duration::from_millis(500);

/// Messages received so far: written by the one thread that receives, read by the watchdog.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Arc<AtomicU64>);

impl Seen {
    /// So many in all.
    pub(crate) fn set(&self, messages: u64) {
        self.0.store(messages, Ordering::Relaxed);
    }

    /// So many more. Only one thread writes, so this need not be one atomic step.
    pub(crate) fn add(&self, messages: u64) {
        self.set(self.get() + messages);
    }

    /// How many.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the receiver counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Messages that came, right or wrong.
    pub(crate) messages: u64,
    /// Bytes of their bodies.
    pub(crate) bytes: u64,
    /// Those of the wrong length or out of order.
    pub(crate) errors: u64,
}

impl Tally {
    /// Adds what another stream counted.
    pub(crate) fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.errors += other.errors;
    }
}

/// Everything measured in a run; with its [`Work`] and a name it becomes a row.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// What was received.
    pub(crate) tally: Tally,
    /// From the first request to the last message.
    pub(crate) seconds: f64,
    /// How long calls took.
    pub(crate) latency: Option<Latency>,
    /// What credit cost.
    pub(crate) credit: Option<CreditCounts>,
    /// Processor time of both ends.
    pub(crate) cpu_seconds: Ends<f64>,
    /// Largest resident size of both ends.
    pub(crate) rss_bytes: Ends<u64>,
}

impl Measured {
    /// The row of this run; whoever knows the scenario by a better name than its shape may put that in.
    pub(crate) fn into_row(self, peer: &str, work: &Work) -> Row {
        let seconds = self.seconds.max(1e-9);
        Row {
            scenario: work.shape.to_string(),
            peer: peer.to_owned(),
            transport: "tcp".to_owned(),
            connections: 1,
            streams: work.at_once(),
            body_bytes: work.body as u64,
            messages: self.tally.messages,
            seconds: self.seconds,
            messages_per_second: self.tally.messages as f64 / seconds,
            megabytes_per_second: self.tally.bytes as f64 / 1e6 / seconds,
            latency_us: self.latency,
            credit: self.credit,
            cpu_seconds: self.cpu_seconds,
            rss_bytes: self.rss_bytes,
            errors: self.tally.errors,
        }
    }
}

/// Measures one run from the client's process.
///
/// Call [`start`](Self::start) once the connection stands and before the first request, keep [`seen`](Self::seen)
/// up to date at least once per read, and call [`finish`](Running::finish) at the last message, while the server still
/// lives. A run in which nothing arrives for the patience given is reported and ends the process.
#[derive(Debug)]
pub(crate) struct Meter {
    server: u32,
    patience: Duration,
    deadline: Duration,
    seen: Seen,
}

/// A measured interval that has begun.
#[derive(Debug)]
pub(crate) struct Running {
    server: u32,
    before: Sample,
    began: Instant,
}

impl Meter {
    /// A meter that also watches the process `server`.
    pub(crate) fn new(server: u32, patience: Duration, deadline: Duration) -> Self {
        Self { server, patience, deadline, seen: Seen::default() }
    }

    /// The process at the other end.
    pub(crate) fn server(&self) -> u32 {
        self.server
    }

    /// How long nothing may come; for a peer that does its work in a process that the watchdog cannot see into.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// How long the run may take; for a peer that does its work in a process that the watchdog cannot see into.
    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// The count that the watchdog watches.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.clone()
    }

    /// The interval begins now.
    pub(crate) fn start(&self) -> Running {
        let (seen, patience) = (self.seen(), self.patience);
        thread::spawn(move || watch(&seen, patience));
        Running {
            server: self.server,
            before: Sample::take(self.server, std::process::id()),
            began: Instant::now(),
        }
    }
}

impl Running {
    /// The interval ends now.
    pub(crate) fn finish(self, tally: Tally, latency: Option<&Recorder>) -> Measured {
        let seconds = self.began.elapsed().as_secs_f64();
        let after = Sample::take(self.server, std::process::id());
        Measured {
            tally,
            seconds,
            latency: latency.and_then(Recorder::latency),
            credit: None,
            cpu_seconds: after.cpu_since(&self.before),
            rss_bytes: after.rss(),
        }
    }
}

/// Ends the process when nothing arrives for too long: a receiver that waits for ever cannot do it itself.
fn watch(seen: &Seen, patience: Duration) {
    let mut last = (seen.get(), Instant::now());
    loop {
        thread::sleep(WATCH_EVERY.min(patience));
        let now = seen.get();
        if now != last.0 {
            last = (now, Instant::now());
        } else if last.1.elapsed() >= patience {
            Failure::stalled(now, patience).print();
            std::process::exit(3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;

    #[test]
    fn rates_follow_from_the_tally_and_the_clock() {
        let work = scenario::find("source-4k").expect("listed").work(1000);
        let measured = Measured {
            tally: Tally { messages: 1000, bytes: 4_096_000, errors: 1 },
            seconds: 0.5,
            latency: None,
            credit: None,
            cpu_seconds: Ends { server: 0.1, client: 0.2 },
            rss_bytes: Ends { server: 1, client: 2 },
        };
        let row = measured.into_row("tcp", &work);
        assert_eq!((row.messages_per_second, row.megabytes_per_second), (2000.0, 8.192));
        assert_eq!((row.peer.as_str(), row.scenario.as_str(), row.errors), ("tcp", "source", 1));
    }

    #[test]
    fn a_run_measures_its_own_process() {
        let meter = Meter::new(std::process::id(), Duration::from_secs(60), Duration::from_secs(60));
        let running = meter.start();
        meter.seen().add(2);
        meter.seen().add(1);
        assert_eq!(meter.seen().get(), 3);
        let measured = running.finish(Tally::default(), None);
        assert!(measured.seconds > 0.0 && measured.rss_bytes.server > 0);
        assert_eq!(measured.latency, None);
    }
}
