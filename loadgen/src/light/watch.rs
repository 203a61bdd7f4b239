//! Both processes, looked at while threads work.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::engine::Clock;
use super::gauge::Gauge;
use super::tape::Times;
use crate::record::noise::{Listener, Noise};
use crate::record::outcome::Outcome;
use crate::record::usage::{Moments, Sample};

/// How long a thread may take to tell what it recorded.
pub(super) const REPORT_WITHIN: Duration = Duration::from_secs(25);

/// Looks at both processes while threads work.
pub(super) struct Watch {
    server: Option<u32>,
    times: Times,
    clock: Clock,
    patience: Duration,
    before: Option<(Sample, Listener)>,
    after: Option<(Sample, Noise, u64)>,
    moments: Moments,
    last: (u64, Instant),
}

impl Watch {
    pub(super) fn new(server: Option<u32>, times: Times, clock: Clock, patience: Duration) -> Self {
        let mut watch = Self {
            server,
            times,
            clock,
            patience,
            before: None,
            after: None,
            moments: Moments::new(),
            last: (0, Instant::now()),
        };
        if times.from == 0 {
            watch.before = Some((watch.sample(), Listener::start()));
        }
        watch
    }

    fn sample(&self) -> Sample {
        Sample::take(self.server.unwrap_or(0), std::process::id())
    }

    /// How long to wait for a report: until the next moment, or until something is to be sampled.
    pub(super) fn pause(&self) -> Duration {
        let now = self.clock.now();
        let due = if self.before.is_none() {
            self.times.from
        } else if self.after.is_none() {
            self.times.until
        } else {
            u64::MAX
        };
        Duration::from_nanos(due.saturating_sub(now).clamp(100_000, self.times.interval.min(100_000_000)))
    }

    pub(super) fn look(&mut self, gauges: &[Arc<Gauge>], seen: u64) {
        let now = self.clock.now();
        if seen != self.last.0 {
            self.last = (seen, Instant::now());
        }
        if self.before.is_none() && now >= self.times.from {
            self.before = Some((self.sample(), Listener::start()));
        }
        if now >= self.times.until {
            self.over(now);
        }
        let at = now.saturating_sub(self.times.from) as f64 / 1e9;
        if now >= self.times.from
            && self.after.is_none()
            && self.moments.is_due(at, self.times.interval as f64 / 1e9)
        {
            let sample = self.sample();
            self.moments.push(at, sum(gauges, |gauge| &gauge.messages), &sample, |moment| {
                moment.credit_bytes = sum(gauges, |gauge| &gauge.credit);
                let windows = gauges.iter().map(|gauge| gauge.window.load(Ordering::Relaxed));
                moment.window_bytes = windows.max().unwrap_or_default();
                let p99 = gauges.iter().map(|gauge| f64::from_bits(gauge.p99_us.load(Ordering::Relaxed)));
                moment.p99_us = p99.fold(0.0, f64::max);
            });
        }
    }

    /// The measured time is over.
    pub(super) fn over(&mut self, now: u64) {
        if self.after.is_none() {
            let sample = self.sample();
            // Now, since what we still do after it is no longer counted as ours.
            let noise = self.before.as_ref().map_or_else(Noise::default, |(before, listener)| {
                let ours = sample.cpu_since(before);
                listener.noise(ours.server + ours.client)
            });
            self.after = Some((sample, noise, now));
        }
    }

    pub(super) fn is_stalled(&self) -> Option<Duration> {
        let silence = self.last.1.elapsed();
        // What is done after the measured time has its own deadline.
        let patience = if self.after.is_some() { REPORT_WITHIN } else { self.patience };
        (silence >= patience).then_some(silence)
    }

    pub(super) fn finish(mut self, outcome: &mut Outcome, last: Option<u64>) {
        self.over(self.clock.now());
        let (Some((after, noise, end)), Some((before, _))) = (self.after, self.before) else { return };
        let end = last.filter(|last| *last > 0).unwrap_or(end).min(self.times.until);
        outcome.seconds = end.saturating_sub(self.times.from) as f64 / 1e9;
        outcome.cpu_seconds = after.cpu_since(&before);
        outcome.rss_bytes = after.rss();
        outcome.noise = noise;
        outcome.timeline = self.moments.into();
    }
}

/// What all threads show together.
pub(super) fn sum(gauges: &[Arc<Gauge>], pick: fn(&Gauge) -> &std::sync::atomic::AtomicU64) -> u64 {
    gauges.iter().map(|gauge| pick(gauge).load(Ordering::Relaxed)).sum()
}
