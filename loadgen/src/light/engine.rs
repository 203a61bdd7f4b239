//! One thread: its connections, its epoll set, its script.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};

use super::conn::Conn;
use super::gauge::Gauge;
use super::line::{Dial, Room};
use super::open::{ConnPlan, Params, Work};
use super::tape::Tape;

/// How long the server may take to answer about credit.
const SETTLE_WITHIN: Duration = Duration::from_secs(5);

/// How long what is owed may take once nothing new is started, and the server's own counts after that.
const DRAIN_NS: u64 = 10_000_000_000;

/// What is due sooner than a sleep takes to end is waited for awake.
const SPIN_NS: u64 = 100_000;

/// Sleeps shorter than this need a finer clock than milliseconds.
const COARSE_NS: u64 = 20_000_000;

/// How long a connection that was cut stays away.
const REDIAL_NS: u64 = 100_000_000;

/// What says that the server has closed.
const CLOSING: epoll::EventFlags =
    epoll::EventFlags::RDHUP.union(epoll::EventFlags::HUP).union(epoll::EventFlags::ERR);

/// Readiness taken at once.
const EVENTS: usize = 256;

/// Something that a script does at a time.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Nanoseconds of the run.
    pub(crate) at: u64,
    /// On which connection of the plan.
    pub(crate) conn: usize,
    /// What.
    pub(crate) action: Action,
}

/// What a script can do.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// More streams or calls.
    Begin(Work),
    /// End the streams of a group.
    End(u8),
    /// Read the streams of a group.
    Resume(u8),
    /// Stop what floods.
    Calm,
    /// What is recorded from now on is of another phase.
    Phase(usize),
}

/// The clock of a run, the same for all its threads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(pub(super) Instant);

impl Clock {
    pub(super) fn now(self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The connections of one thread.
pub(super) struct Engine {
    pub(super) conns: Vec<Conn>,
    dial: Dial,
    params: Params,
    epoll: OwnedFd,
    room: Room,
    script: VecDeque<Step>,
    gauge: Arc<Gauge>,
    /// Connections that have more to read than one turn takes.
    again: Vec<usize>,
    /// Connections that were cut, and when they may be back.
    away: Vec<(usize, u64)>,
    pub(super) cuts: u64,
    /// Messages that were due and not done when the time was over.
    pub(super) unfinished: u64,
    events: Vec<epoll::Event>,
}

impl Engine {
    /// Dials every connection and waits until it is known whether there is credit.
    pub(super) fn connect(
        dial: Dial,
        params: Params,
        plans: &[ConnPlan],
        gauge: Arc<Gauge>,
    ) -> anyhow::Result<Self> {
        let mut engine = Self {
            conns: Vec::new(),
            dial,
            params,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).context("no epoll set")?,
            room: Room::new(),
            script: VecDeque::new(),
            gauge,
            again: Vec::new(),
            away: Vec::new(),
            cuts: 0,
            unfinished: 0,
            events: Vec::with_capacity(EVENTS),
        };
        for plan in plans {
            let conn = Conn::dial(&engine.dial, &engine.params, plan)?;
            engine.watch(&conn, engine.conns.len())?;
            engine.conns.push(conn);
        }
        let clock = Clock(Instant::now());
        let mut unused =
            Tape::new(super::tape::Times { from: u64::MAX, until: u64::MAX, interval: u64::MAX }, false, 1);
        while engine.conns.iter().any(|conn| !conn.control.is_settled(conn.params.mode)) {
            if clock.0.elapsed() > SETTLE_WITHIN {
                bail!("the server says neither yes nor no to credit: try --credit-mode off");
            }
            engine.wait(50_000_000, clock, &mut unused)?;
            engine.write(clock.now(), &mut unused)?;
        }
        Ok(engine)
    }

    fn watch(&self, conn: &Conn, at: usize) -> anyhow::Result<()> {
        let interest =
            epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        Ok(epoll::add(&self.epoll, conn.fd(), epoll::EventData::new_u64(at as u64), interest)?)
    }

    /// Does the work until `until`, or until all that is numbered is done, and waits for what is owed.
    pub(super) fn run(
        &mut self,
        clock: Clock,
        until: u64,
        script: Vec<Step>,
        tape: &mut Tape,
    ) -> anyhow::Result<()> {
        self.script = script.into();
        let now = clock.now();
        self.conns.iter_mut().for_each(|conn| conn.work(now));
        let mut is_over = false;
        let mut over_at = 0;
        loop {
            let now = clock.now();
            self.run_script(now, tape);
            let is_done = until == u64::MAX && self.script.is_empty() && self.conns.iter().all(Conn::is_done);
            if !is_over && (now >= until || is_done || self.gauge.is_stopped()) {
                (is_over, over_at) = (true, now);
                self.unfinished = self.conns.iter().map(|conn| conn.unfinished(now.min(until))).sum();
                self.run_script(u64::MAX, tape);
                self.conns.iter_mut().for_each(|conn| conn.wind_down(tape));
            }
            if is_over && self.conns.iter().all(|conn| conn.owed() == 0) {
                return Ok(());
            }
            if is_over && now > over_at + DRAIN_NS {
                let owed: usize = self.conns.iter().map(Conn::owed).sum();
                bail!("{owed} messages or ends are still owed {} s after the end", DRAIN_NS / 1_000_000_000);
            }
            self.redial(now)?;
            self.write(now, tape)?;
            self.show(now, tape);
            let next = if is_over { now + 10_000_000 } else { self.next(now, until, tape.next_turn()) };
            let now = clock.now();
            self.wait(next.saturating_sub(now + SPIN_NS), clock, tape)?;
        }
    }

    /// Asks our server on every connection what it counted.
    pub(super) fn collect(&mut self, clock: Clock, tape: &mut Tape) -> anyhow::Result<()> {
        self.conns.iter_mut().filter(|conn| !conn.plan.is_expendable).for_each(Conn::ask_stats);
        let began = clock.now();
        while self.conns.iter().any(|conn| conn.stats.is_none() && !conn.plan.is_expendable) {
            if clock.now() > began + DRAIN_NS {
                bail!("the server did not say what it counted");
            }
            self.write(clock.now(), tape)?;
            self.wait(10_000_000, clock, tape)?;
        }
        Ok(())
    }

    fn run_script(&mut self, now: u64, tape: &mut Tape) {
        while let Some(step) = self.script.pop_front_if(|step| step.at <= now) {
            let Some(conn) = self.conns.get_mut(step.conn) else { continue };
            let now = now.min(step.at);
            match step.action {
                Action::Begin(work) => conn.begin(&work, now),
                Action::End(group) => conn.end_group(group, tape),
                Action::Resume(group) => conn.resume(group),
                Action::Calm => conn.ready.clear(),
                Action::Phase(phase) => tape.set_phase(phase, now),
            }
        }
    }

    /// Starts what may start, grants what is due, writes it all.
    fn write(&mut self, now: u64, tape: &mut Tape) -> anyhow::Result<()> {
        for at in 0..self.conns.len() {
            if self.away.iter().any(|(away, _)| *away == at) {
                continue;
            }
            let Some(conn) = self.conns.get_mut(at) else { continue };
            if conn.is_worn_out() && conn.owed() == 0 && !conn.is_over {
                self.renew(at, now)?;
            }
            let Some(conn) = self.conns.get_mut(at) else { continue };
            let written = write(conn, now, tape);
            self.survive(at, written, now)?;
        }
        Ok(())
    }

    /// A broken connection ends the run, unless it is one that may be cut.
    fn survive(&mut self, at: usize, outcome: anyhow::Result<()>, now: u64) -> anyhow::Result<()> {
        let Err(error) = outcome else { return Ok(()) };
        if !self.conns.get(at).is_some_and(|conn| conn.plan.is_expendable) {
            return Err(error);
        }
        self.cuts += 1;
        self.away.push((at, now + REDIAL_NS));
        Ok(())
    }

    /// Replaces a connection whose ids are used up by one that goes on with its work.
    fn renew(&mut self, at: usize, now: u64) -> anyhow::Result<()> {
        let Some(old) = self.conns.get(at) else { return Ok(()) };
        let mut conn = Conn::dial(&self.dial, &self.params, &old.plan)?;
        conn.schedule.clone_from(&old.schedule);
        conn.left = old.left;
        conn.add_counts(old);
        conn.work(now);
        self.watch(&conn, at)?;
        self.conns[at] = conn;
        Ok(())
    }

    fn redial(&mut self, now: u64) -> anyhow::Result<()> {
        while let Some(at) = self.away.iter().position(|(_, back)| *back <= now) {
            let (at, _) = self.away.swap_remove(at);
            let Some(old) = self.conns.get(at) else { continue };
            let Ok(mut conn) = Conn::dial(&self.dial, &self.params, &old.plan) else {
                // A server that takes no more of them has defended itself well.
                self.away.push((at, now + 10 * REDIAL_NS));
                continue;
            };
            conn.add_counts(old);
            conn.ready.clone_from(&old.ready);
            self.watch(&conn, at)?;
            self.conns[at] = conn;
        }
        Ok(())
    }

    fn show(&self, now: u64, tape: &mut Tape) {
        tape.turn(now, &self.gauge);
        let (mut credit, mut window, mut streams) = (0, 0, 0);
        for conn in &self.conns {
            credit += conn.credit_out;
            window += conn.window_sum;
            streams += conn.streams.len() as u64;
        }
        self.gauge.set_credit(credit, window / streams.max(1));
    }

    /// When there is something to do without being woken by the server.
    fn next(&self, now: u64, until: u64, turn: u64) -> u64 {
        if !self.again.is_empty() {
            return now;
        }
        let mut next = until.min(turn).min(now + 100_000_000);
        if let Some(step) = self.script.front() {
            next = next.min(step.at);
        }
        for conn in &self.conns {
            if conn.is_full || conn.ready.is_empty() {
                continue;
            }
            match &conn.schedule {
                Some(schedule) => next = next.min(schedule.next_ns()),
                None if conn.left != Some(0) => next = now,
                None => {}
            }
        }
        next
    }

    /// Waits for the sockets at most so long, and takes what has come.
    fn wait(&mut self, ns: u64, clock: Clock, tape: &mut Tape) -> anyhow::Result<()> {
        self.events.clear();
        let mut left = timespec(ns);
        if (1..COARSE_NS).contains(&ns) {
            // `epoll_wait` counts in milliseconds; `ppoll` on the set itself does not.
            let ready = poll(&mut [PollFd::from_borrowed_fd(self.epoll.as_fd(), PollFlags::IN)], Some(&left));
            tolerate(ready)?;
            left = timespec(0);
        }
        tolerate(epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&left)))?;
        let mut readable = std::mem::take(&mut self.again);
        for event in &self.events {
            let at = event.data.u64() as usize;
            let Some(conn) = self.conns.get_mut(at) else { continue };
            let flags = event.flags;
            if flags.contains(epoll::EventFlags::OUT) {
                conn.is_full = false;
            }
            // The end comes once, maybe together with data: from then on everything is read to it.
            conn.is_closing |= flags.intersects(CLOSING);
            if flags.intersects(CLOSING.union(epoll::EventFlags::IN)) && !readable.contains(&at) {
                readable.push(at);
            }
        }
        for at in readable {
            if self.away.iter().any(|(away, _)| *away == at) {
                continue;
            }
            let Some(conn) = self.conns.get_mut(at) else { continue };
            let received = conn.receive(&mut self.room, || clock.now(), tape);
            match received {
                Ok(true) => self.again.push(at),
                Ok(false) => {}
                Err(error) => self.survive(at, Err(error), clock.now())?,
            }
        }
        Ok(())
    }
}

fn timespec(ns: u64) -> Timespec {
    Timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as i64 }
}

/// A wait that a signal ended is over too.
fn tolerate<T>(waited: rustix::io::Result<T>) -> anyhow::Result<()> {
    match waited {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn write(conn: &mut Conn, now: u64, tape: &mut Tape) -> anyhow::Result<()> {
    if conn.is_full {
        return Ok(());
    }
    // What is due first, so that it is not behind what is produced; then what the production made due.
    conn.grant(now);
    conn.produce(now, tape);
    conn.grant(now);
    if !conn.out.is_empty() {
        conn.flush()?;
    }
    Ok(())
}
