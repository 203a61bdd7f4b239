//! What a thread measures: messages and times, interval after interval, phase after phase.

use std::fs::File;
use std::io::{BufWriter, Write};

use anyhow::Context;

use super::gauge::Gauge;
use super::stream::Start;
use crate::record::latency::Recorder;
use crate::record::outcome::{Interval, Phase};

/// When a thread measures, in nanoseconds of the run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// What is done before does not count.
    pub(super) from: u64,
    /// What is done later does not count.
    pub(super) until: u64,
    /// Length of an interval of the log.
    pub(super) interval: u64,
}

/// The record of one thread.
#[derive(Debug)]
pub(super) struct Tape {
    times: Times,
    /// Whether messages are timed from when they were due, so that their own time is another.
    is_scheduled: bool,
    interval_from: u64,
    current: Recorder,
    phase: usize,
    phases: Vec<Totals>,
    intervals: Vec<Interval>,
    dump: Option<BufWriter<File>>,
    messages: u64,
    bytes: u64,
    /// Messages whether they count or not, for whoever watches that something comes.
    seen: u64,
    pub(super) errors: u64,
    pub(super) complaint: Option<String>,
    /// When the last message that counts came.
    pub(super) last: u64,
}

#[derive(Debug, Default)]
struct Totals {
    latency: Recorder,
    service: Recorder,
    messages: u64,
    bytes: u64,
    /// How long this phase has been on, and since when it is on now.
    spent: u64,
    since: Option<u64>,
}

impl Tape {
    pub(super) fn new(times: Times, is_scheduled: bool, phases: usize) -> Self {
        Self {
            times,
            is_scheduled,
            interval_from: times.from,
            current: Recorder::new(),
            phase: 0,
            phases: (0..phases.max(1)).map(|_| Totals::default()).collect(),
            intervals: Vec::new(),
            dump: None,
            messages: 0,
            bytes: 0,
            seen: 0,
            errors: 0,
            complaint: None,
            last: times.from,
        }
    }

    /// Writes every time that is recorded to a file as well, in nanoseconds, a line each.
    pub(super) fn dump_to(&mut self, path: &std::path::Path) -> anyhow::Result<()> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        self.dump = Some(BufWriter::new(file));
        Ok(())
    }

    /// A message that has no time of its own.
    #[inline]
    pub(super) fn message(&mut self, bytes: usize, now: u64) {
        self.seen += 1;
        if now < self.times.from || now >= self.times.until {
            return;
        }
        self.messages += 1;
        self.bytes += bytes as u64;
        self.last = now;
        if let Some(totals) = self.phases.get_mut(self.phase) {
            totals.messages += 1;
            totals.bytes += bytes as u64;
        }
    }

    /// A message that is done, with the times of its start.
    #[inline]
    pub(super) fn done(&mut self, start: Start, bytes: usize, now: u64) {
        self.message(bytes, now);
        self.time(start, now);
    }

    /// Something that took time and is no message of its own.
    pub(super) fn time(&mut self, start: Start, now: u64) {
        if now < self.times.from || now >= self.times.until {
            return;
        }
        let took = now.saturating_sub(start.intended);
        self.current.record_ns(took);
        if self.is_scheduled
            && let Some(totals) = self.phases.get_mut(self.phase)
        {
            totals.service.record_ns(now.saturating_sub(start.actual));
        }
        if let Some(dump) = &mut self.dump
            && writeln!(dump, "{took}").is_err()
        {
            self.dump = None;
            self.wrong(1, || "the dump cannot be written".to_owned());
        }
    }

    /// The work goes on until now, whatever else came before.
    pub(super) fn touch(&mut self, now: u64) {
        self.last = self.last.max(now.min(self.times.until));
    }

    /// So many messages are wrong, missing or too many.
    pub(super) fn wrong(&mut self, messages: u64, what: impl FnOnce() -> String) {
        if messages > 0 {
            self.errors += messages;
            self.complaint.get_or_insert_with(what);
        }
    }

    /// Messages, whether they count or not.
    pub(super) const fn seen(&self) -> u64 {
        self.seen
    }

    /// When the present interval is over.
    pub(super) const fn next_turn(&self) -> u64 {
        self.interval_from.saturating_add(self.times.interval)
    }

    /// Closes intervals that are over and shows the counts to whoever watches.
    pub(super) fn turn(&mut self, now: u64, gauge: &Gauge) {
        gauge.publish(self.messages, self.bytes, self.errors);
        gauge.set_seen(self.seen);
        if now >= self.times.from
            && let Some(totals) = self.phases.get_mut(self.phase)
        {
            totals.since.get_or_insert_with(|| now.min(self.times.until));
        }
        while self.interval_from + self.times.interval <= now && self.interval_from < self.times.until {
            self.close_interval(self.interval_from + self.times.interval, gauge);
        }
    }

    /// From now on, what is recorded belongs to another phase.
    pub(super) fn set_phase(&mut self, phase: usize, now: u64) {
        self.fold();
        self.leave_phase(now);
        self.phase = phase.min(self.phases.len().saturating_sub(1));
        if now >= self.times.from
            && let Some(totals) = self.phases.get_mut(self.phase)
        {
            totals.since = Some(now.min(self.times.until));
        }
    }

    fn leave_phase(&mut self, now: u64) {
        let now = now.min(self.times.until);
        if let Some(totals) = self.phases.get_mut(self.phase)
            && let Some(since) = totals.since.take()
        {
            totals.spent += now.saturating_sub(since);
        }
    }

    /// Adds what was recorded since the last fold to its phase and to the interval that is being written.
    fn fold(&mut self) {
        if let Some(totals) = self.phases.get_mut(self.phase) {
            totals.latency.add(&self.current);
        }
        let open = self.intervals.last_mut().filter(|interval| interval.seconds == 0.0);
        match open {
            Some(interval) => interval.recorder.add(&self.current),
            None if self.current.is_empty() => {}
            None => self.intervals.push(Interval {
                at: self.interval_from.saturating_sub(self.times.from) as f64 / 1e9,
                seconds: 0.0,
                recorder: self.current.clone(),
            }),
        }
        self.current.clear();
    }

    fn close_interval(&mut self, end: u64, gauge: &Gauge) {
        self.fold();
        let seconds = (end - self.interval_from) as f64 / 1e9;
        if let Some(interval) = self.intervals.last_mut().filter(|interval| interval.seconds == 0.0) {
            interval.seconds = seconds;
            gauge.set_p99(interval.recorder.p99_us());
            interval.recorder.pack();
        } else {
            // Nothing was done: what was shown before is over.
            gauge.set_p99(0.0);
        }
        self.interval_from = end;
    }

    /// All that was recorded.
    pub(super) fn finish(mut self, now: u64, gauge: &Gauge) -> (Vec<Phase>, Vec<Interval>, Self) {
        self.turn(now, gauge);
        if self.interval_from < now.min(self.times.until) {
            self.close_interval(now.min(self.times.until), gauge);
        }
        self.fold();
        self.leave_phase(now);
        let phases = std::mem::take(&mut self.phases).into_iter().map(|totals| Phase {
            messages: totals.messages,
            bytes: totals.bytes,
            seconds: totals.spent as f64 / 1e9,
            latency: totals.latency,
            service: totals.service,
        });
        if let Some(mut dump) = self.dump.take()
            && dump.flush().is_err()
        {
            self.wrong(1, || "the dump cannot be written".to_owned());
        }
        (phases.collect(), std::mem::take(&mut self.intervals), self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times { from: 1000, until: 5000, interval: 2000 };

    fn start(at: u64) -> Start {
        Start { intended: at, actual: at + 1 }
    }

    #[test]
    fn only_what_is_done_within_the_measured_time_counts() {
        let (mut tape, gauge) = (Tape::new(TIMES, true, 1), Gauge::default());
        for now in [999, 1000, 4999, 5000] {
            tape.done(start(now - 100), 10, now);
        }
        let (phases, _, tape) = tape.finish(6000, &gauge);
        assert_eq!((phases[0].messages, phases[0].bytes, tape.last), (2, 20, 4999));
        assert_eq!(gauge.messages(), 2);
        let took = phases[0].latency.latency().expect("two times").max;
        assert!((took - 0.1).abs() < 0.001, "{took}");
        assert!((phases[0].service.latency().expect("two times").max - 0.099).abs() < 0.001);
    }

    #[test]
    fn intervals_and_phases_share_out_what_was_recorded() {
        let (mut tape, gauge) = (Tape::new(TIMES, false, 2), Gauge::default());
        tape.turn(1000, &gauge);
        tape.done(start(1000), 1, 1100);
        tape.set_phase(1, 2000);
        tape.done(start(2000), 1, 2500);
        tape.turn(3100, &gauge);
        tape.done(start(3000), 1, 3200);
        let (phases, mut intervals, _) = tape.finish(5200, &gauge);
        assert_eq!(phases.iter().map(|phase| phase.messages).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(phases.iter().map(|phase| phase.seconds).collect::<Vec<_>>(), [1e-6, 3e-6]);
        let counts: Vec<_> = intervals.iter_mut().map(|interval| interval.recorder.count()).collect();
        assert_eq!(counts, [2, 1]);
        assert_eq!(intervals.iter().map(|interval| interval.at).collect::<Vec<_>>(), [0.0, 2e-6]);
    }
}
