//! A run: threads with their connections, watched from one that does nothing else.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::engine::{Clock, Step};
use super::gauge::Gauge;
use super::line::Dial;
use super::open::ConnPlan;
use super::tape::Times;
use super::watch::{REPORT_WITHIN, Watch, sum};
use super::worker::{Recorded, Report, Worker};
use crate::plan::Settings;
use crate::record::outcome::{Outcome, Phase, merge};
use crate::report::row::CreditCounts;
use crate::server::Stats;

/// Moments of a timeline, and the shortest and longest time between two.
const MOMENTS: f64 = 50.0;
const MOMENT_SECONDS: std::ops::RangeInclusive<f64> = 0.1..=10.0;

/// Everything that a run needs.
pub(crate) struct Run<'a> {
    /// How to reach the server.
    pub(crate) dial: Dial,
    /// The server's process, where it is one of ours.
    pub(crate) server: Option<u32>,
    /// What was chosen.
    pub(crate) settings: &'a Settings,
    /// Cores for the threads.
    pub(crate) cores: &'a [usize],
    /// What each connection does.
    pub(crate) conns: Vec<ConnPlan>,
    /// What happens meanwhile; runs on one thread.
    pub(crate) script: Vec<Step>,
    /// Phases that the script has.
    pub(crate) phases: usize,
    /// How long no message may come.
    pub(crate) patience: Duration,
    /// Where every recorded time is written.
    pub(crate) dump: Option<PathBuf>,
}

/// What a run was, beyond its outcome.
#[derive(Debug, Default)]
pub(crate) struct Driven {
    /// The outcome.
    pub(crate) outcome: Outcome,
    /// What was recorded in each phase.
    pub(crate) phases: Vec<Phase>,
    /// Connections that the server cut.
    pub(crate) cuts: u64,
    /// Turns of 16 KiB that a flood has sent.
    pub(crate) attacks: u64,
    /// What our server counted.
    pub(crate) stats: Stats,
    /// Messages of sinks, those outside the measured time too.
    pub(crate) sent: u64,
    /// Sources of a server that is not ours that have ended.
    pub(crate) followed: u64,
}

/// Runs it. Whatever goes wrong once the connections stand is told in the outcome, beside what was measured until then.
///
/// # Errors
/// Why nothing could be measured at all.
pub(crate) fn drive(run: Run<'_>) -> anyhow::Result<Driven> {
    // A script and a dump are of one thread.
    let is_single = !run.script.is_empty() || run.dump.is_some();
    let threads = if is_single { 1 } else { run.cores.len().min(run.conns.len()).max(1) };
    let (reports_in, reports) = channel();
    let mut crew = Crew { reports, go: Vec::new(), gauges: Vec::new(), connected: 0 };
    let times = times(run.settings);
    let plans = Arc::new(run.conns.clone());
    for at in 0..threads {
        let (go, start) = channel();
        let worker = Worker {
            at,
            threads,
            core: (run.cores.len() > 1 || threads == 1).then(|| run.cores.get(at).copied()).flatten(),
            plans: Arc::clone(&plans),
            dial: run.dial.clone(),
            settings: run.settings.clone(),
            is_ours: run.server.is_some(),
            script: run.script.clone(),
            phases: run.phases,
            dump: run.dump.clone(),
            times,
            gauge: Arc::default(),
        };
        crew.gauges.push(Arc::clone(&worker.gauge));
        crew.go.push(go);
        let reports = reports_in.clone();
        thread::spawn(move || worker.run(&reports, &start));
    }
    drop(reports_in);
    crew.measure(&run, times)
}

fn times(settings: &Settings) -> Times {
    let ns = |seconds: f64| (seconds * 1e9) as u64;
    let interval = ns((settings.duration / MOMENTS).clamp(*MOMENT_SECONDS.start(), *MOMENT_SECONDS.end()));
    match settings.messages {
        Some(_) => Times { from: 0, until: u64::MAX, interval },
        None => Times { from: ns(settings.warmup), until: ns(settings.warmup + settings.duration), interval },
    }
}

struct Crew {
    reports: Receiver<Report>,
    go: Vec<Sender<Clock>>,
    gauges: Vec<Arc<Gauge>>,
    connected: usize,
}

impl Crew {
    fn measure(mut self, run: &Run<'_>, times: Times) -> anyhow::Result<Driven> {
        while self.connected < self.go.len() {
            match self.reports.recv_timeout(REPORT_WITHIN) {
                Ok(Report::Connected) => self.connected += 1,
                Ok(Report::Failed(why)) => anyhow::bail!("{why}"),
                Ok(_) => {}
                Err(_) => anyhow::bail!("the server does not answer"),
            }
        }
        let clock = Clock(Instant::now());
        for go in &self.go {
            // One that has failed no longer listens, and has said so.
            let _failed = go.send(clock);
        }
        let patience = run.patience.max(run.settings.rate.map_or(Duration::ZERO, |rate| {
            // A slow schedule is silent between two starts.
            Duration::from_secs_f64((3.0 / rate).min(86_400.0))
        }));
        let mut watch = Watch::new(run.server, times, clock, patience);
        let mut recorded = Vec::new();
        let mut failed = None;
        let mut worked = 0;
        while recorded.len() < self.go.len() {
            let report = self.reports.recv_timeout(watch.pause());
            let seen = sum(&self.gauges, |gauge| &gauge.seen);
            watch.look(&self.gauges, seen);
            match report {
                Ok(Report::Worked) => {
                    worked += 1;
                    if worked == self.go.len() {
                        watch.over(clock.now());
                    }
                }
                Ok(Report::Finished(one)) => {
                    if let Some(why) = &one.failed {
                        failed.get_or_insert_with(|| why.clone());
                        watch.over(clock.now());
                        self.gauges.iter().for_each(|gauge| gauge.stop());
                    }
                    recorded.push(*one);
                }
                Ok(Report::Failed(why)) => {
                    failed.get_or_insert(why);
                    break;
                }
                Ok(Report::Connected) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(silence) = watch.is_stalled() {
                        failed.get_or_insert_with(|| {
                            format!("stalled after {seen} messages: nothing came for {} s", silence.as_secs())
                        });
                        break;
                    }
                }
            }
        }
        Ok(self.sum_up(run, recorded, failed, watch))
    }

    fn sum_up(&self, run: &Run<'_>, recorded: Vec<Recorded>, failed: Option<String>, watch: Watch) -> Driven {
        let mut driven = Driven::default();
        let (mut last, is_partial) = (0, recorded.len() < self.go.len());
        let mut credit = CreditCounts::default();
        let mut unfinished = 0;
        let outcome = &mut driven.outcome;
        for one in recorded {
            driven.phases.resize_with(driven.phases.len().max(one.phases.len()), Phase::default);
            driven.phases.iter_mut().zip(&one.phases).for_each(|(sum, phase)| sum.add(phase));
            merge(&mut outcome.intervals, one.intervals);
            outcome.errors += one.errors;
            outcome.complaint = outcome.complaint.take().or(one.complaint);
            last = last.max(one.last);
            credit.grants += one.credit.grants + one.stats.grants;
            credit.grant_frames += one.credit.grant_frames + one.stats.grant_frames;
            credit.stalls += one.credit.stalls + one.stats.stalls;
            driven.stats.add(one.stats);
            driven.cuts += one.cuts;
            driven.attacks += one.attacks;
            driven.sent += one.sent;
            driven.followed += one.followed;
            unfinished += one.unfinished;
        }
        for phase in &driven.phases {
            outcome.messages += phase.messages;
            outcome.bytes += phase.bytes;
            outcome.latency.add(&phase.latency);
            outcome.service.add(&phase.service);
        }
        if is_partial {
            // A thread that hangs has told nobody what it recorded; what it showed meanwhile is known.
            outcome.messages = sum(&self.gauges, |gauge| &gauge.messages);
            outcome.bytes = sum(&self.gauges, |gauge| &gauge.bytes);
            outcome.errors = outcome.errors.max(sum(&self.gauges, |gauge| &gauge.errors));
        }
        if run.settings.rate.is_some() {
            outcome.figure("unfinished_messages", unfinished as f64);
            if unfinished > outcome.messages / 100 + 10 {
                outcome.remarks.push(format!(
                    "the schedule was not kept: {unfinished} messages were due and not done at the end"
                ));
            }
        }
        outcome.errors += u64::from(failed.is_some());
        outcome.failed = failed;
        outcome.credit = run.server.is_some().then_some(credit);
        watch.finish(outcome, run.settings.messages.is_some().then_some(last));
        driven
    }
}
