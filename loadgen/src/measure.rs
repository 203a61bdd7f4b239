//! The measured interval of one run: its clock, its samples of both processes, its watchdog.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::compare::failure::Failure;
use crate::record::latency::Recorder;
use crate::record::noise::{Listener, Noise};
use crate::record::outcome::Outcome;
use crate::record::usage::Sample;
use crate::report::row::{CreditCounts, Ends, Latency};

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

/// Everything measured in a run of a comparison.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// What was received.
    pub(crate) tally: Tally,
    /// From the first request to the last message.
    pub(crate) seconds: f64,
    /// How long messages took, where they were recorded here.
    pub(crate) recorder: Recorder,
    /// How long they took, where another program says so.
    pub(crate) latency: Option<Latency>,
    /// What credit cost.
    pub(crate) credit: Option<CreditCounts>,
    /// Processor time of both ends.
    pub(crate) cpu_seconds: Ends<f64>,
    /// Largest resident size of both ends.
    pub(crate) rss_bytes: Ends<u64>,
    /// What else the machine did.
    pub(crate) noise: Noise,
}

impl From<Measured> for Outcome {
    fn from(measured: Measured) -> Self {
        Self {
            messages: measured.tally.messages,
            bytes: measured.tally.bytes,
            errors: measured.tally.errors,
            seconds: measured.seconds,
            latency: measured.recorder,
            latency_us: measured.latency,
            credit: measured.credit,
            cpu_seconds: measured.cpu_seconds,
            rss_bytes: measured.rss_bytes,
            noise: measured.noise,
            ..Self::default()
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
    listener: Listener,
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
            listener: Listener::start(),
            began: Instant::now(),
        }
    }
}

impl Running {
    /// The interval ends now.
    pub(crate) fn finish(self, tally: Tally, latency: Option<&Recorder>) -> Measured {
        let seconds = self.began.elapsed().as_secs_f64();
        let after = Sample::take(self.server, std::process::id());
        let cpu_seconds = after.cpu_since(&self.before);
        Measured {
            tally,
            seconds,
            recorder: latency.cloned().unwrap_or_default(),
            latency: None,
            credit: None,
            cpu_seconds,
            rss_bytes: after.rss(),
            noise: self.listener.noise(cpu_seconds.server + cpu_seconds.client),
        }
    }
}

/// Ends the process when nothing arrives for too long: a receiver that waits for ever cannot do it itself.
fn watch(seen: &Seen, patience: Duration) {
    let began = Instant::now();
    let mut last = (seen.get(), began);
    loop {
        thread::sleep(WATCH_EVERY.min(patience));
        let now = seen.get();
        if now != last.0 {
            last = (now, Instant::now());
        } else if last.1.elapsed() >= patience {
            Failure::stalled(now, last.1 - began, patience).print();
            std::process::exit(3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_measures_its_own_process() {
        let meter = Meter::new(std::process::id(), Duration::from_secs(60), Duration::from_secs(60));
        let running = meter.start();
        meter.seen().add(2);
        meter.seen().add(1);
        assert_eq!(meter.seen().get(), 3);
        let measured = running.finish(Tally::default(), None);
        assert!(measured.seconds > 0.0 && measured.rss_bytes.server > 0);
        assert_eq!(Outcome::from(measured).latency.latency(), None);
    }
}
