//! One thread of a run: its connections, its engine, what it reports.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use anyhow::Context;
use push_mux::mux::Limits;
use rustix::thread::set_current_timer_slack;

use super::engine::{Clock, Engine, Step};
use super::gauge::Gauge;
use super::line::Dial;
use super::open::{ConnPlan, Params};
use super::tape::{Tape, Times};
use crate::machine;
use crate::plan::Settings;
use crate::plan::schedule::Schedule;
use crate::record::outcome::{Interval, Phase};
use crate::report::row::CreditCounts;
use crate::server::Stats;

/// What a thread says, phase after phase.
pub(super) enum Report {
    Connected,
    Worked,
    Finished(Box<Recorded>),
    Failed(String),
}

/// What one thread recorded.
pub(super) struct Recorded {
    pub(super) phases: Vec<Phase>,
    pub(super) intervals: Vec<Interval>,
    pub(super) errors: u64,
    pub(super) complaint: Option<String>,
    pub(super) last: u64,
    pub(super) credit: CreditCounts,
    pub(super) stats: Stats,
    pub(super) cuts: u64,
    pub(super) attacks: u64,
    pub(super) sent: u64,
    pub(super) followed: u64,
    pub(super) unfinished: u64,
    pub(super) failed: Option<String>,
}

/// One thread.
pub(super) struct Worker {
    pub(super) at: usize,
    pub(super) threads: usize,
    pub(super) core: Option<usize>,
    pub(super) plans: Arc<Vec<ConnPlan>>,
    pub(super) dial: Dial,
    pub(super) settings: Settings,
    pub(super) is_ours: bool,
    pub(super) script: Vec<Step>,
    pub(super) phases: usize,
    pub(super) dump: Option<PathBuf>,
    pub(super) times: Times,
    pub(super) gauge: Arc<Gauge>,
}

impl Worker {
    pub(super) fn run(self, reports: &Sender<Report>, start: &Receiver<Clock>) {
        if let Err(error) = self.work(reports, start) {
            // Nobody listens any more when the run was given up.
            let _nobody = reports.send(Report::Failed(format!("{error:#}")));
        }
    }

    fn work(&self, reports: &Sender<Report>, start: &Receiver<Clock>) -> anyhow::Result<()> {
        if let Some(core) = self.core {
            machine::pin(core)?;
        }
        // Sleeps shall end when they are due and not when it suits the kernel.
        set_current_timer_slack(NonZeroU64::new(1))?;
        let settings = &self.settings;
        let mine: Vec<ConnPlan> = self.plans.iter().skip(self.at).step_by(self.threads).cloned().collect();
        let params = Params {
            body: settings.body as usize,
            credit: settings.credit,
            mode: settings.credit_mode,
            is_ours: self.is_ours,
            budget: settings.receive_max.unwrap_or_else(|| Limits::default().receive_bytes_max),
        };
        let mut engine = Engine::connect(self.dial.clone(), params, &mine, Arc::clone(&self.gauge))?;
        let paced = mine.iter().filter(|plan| !plan.is_expendable).count();
        let all_paced = self.plans.iter().filter(|plan| !plan.is_expendable).count() as u32;
        if let Some(rate) = settings.rate {
            for (at, conn) in engine.conns.iter_mut().enumerate().take(paced) {
                let at = (self.at + at * self.threads) as u32;
                conn.schedule = Some(Schedule::new(settings.arrivals, rate, at, all_paced, settings.seed));
            }
        }
        let mut tape = Tape::new(self.times, settings.rate.is_some(), self.phases);
        if let Some(path) = self.dump.as_ref().filter(|_| self.at == 0) {
            tape.dump_to(path)?;
        }
        reports.send(Report::Connected)?;
        let clock = start.recv().context("the run was given up")?;
        let mut failed = engine.run(clock, self.times.until, self.script.clone(), &mut tape).err();
        reports.send(Report::Worked)?;
        if failed.is_none() && self.is_ours {
            failed = engine.collect(clock, &mut tape).err();
        }
        let recorded = self.recorded(&engine, tape, clock, failed.map(|error| format!("{error:#}")));
        reports.send(Report::Finished(Box::new(recorded)))?;
        // Stays until its processor time has been read: that of a thread that has ended is not told apart any more.
        let _released = start.recv();
        Ok(())
    }

    fn recorded(&self, engine: &Engine, tape: Tape, clock: Clock, failed: Option<String>) -> Recorded {
        let (phases, intervals, tape) = tape.finish(clock.now(), &self.gauge);
        let sent = tape.seen();
        let mut recorded = Recorded {
            phases,
            intervals,
            errors: tape.errors,
            complaint: tape.complaint,
            last: tape.last,
            credit: CreditCounts::default(),
            stats: Stats::default(),
            cuts: engine.cuts,
            attacks: 0,
            sent,
            followed: engine.conns.iter().map(|conn| conn.followed).sum(),
            unfinished: engine.unfinished,
            failed,
        };
        for conn in &engine.conns {
            recorded.credit.grants += conn.grants_out;
            recorded.credit.grant_frames += conn.grant_frames_out;
            recorded.credit.stalls += conn.stalls;
            recorded.attacks += conn.attacks;
            if let Some(stats) = conn.stats {
                recorded.stats.add(stats);
            }
        }
        recorded
    }
}
