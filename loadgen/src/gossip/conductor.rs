//! Leads a run from phase to phase, and measures each.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::board::{Board, Step};
use super::crew::Crew;
use super::site::Site;
use crate::feed::Corpus;
use crate::framework::Lost;
use crate::plan::{Protocol, Settings};
use crate::record::noise::Listener;
use crate::record::outcome::Outcome;
use crate::record::usage::{Moments, Sample};
use crate::report::row::{Ends, Moment};

/// How often the conductor looks.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// How often a moment is noted.
const MOMENT: f64 = 0.1;

/// How long crews may take to say goodbye.
const GOODBYE_MAX: Duration = Duration::from_secs(3);

/// How long memory is watched before it is said to grow no more, how much it may grow in that time, and how often that is tried.
const SETTLE: Duration = Duration::from_secs(1);
const SETTLED: f64 = 1.01;
const SETTLE_TRIES: u32 = 30;

/// One measured phase.
#[derive(Debug)]
struct Leg {
    name: &'static str,
    messages: u64,
    seconds: f64,
    cpu: Ends<f64>,
}

/// The thread that all crews follow.
pub(super) struct Conductor<'a> {
    site: &'a Site,
    pub(super) board: &'a Board,
    settings: &'a Settings,
    crews: Vec<thread::JoinHandle<()>>,
    patience: Duration,
    moments: Moments,
    pub(super) outcome: Outcome,
    legs: Vec<Leg>,
}

impl<'a> Conductor<'a> {
    /// Starts a crew on each core, with so many peers to share.
    pub(super) fn new(
        site: &'a Site,
        (corpus, board): (&Arc<Corpus>, &'a Arc<Board>),
        settings: &'a Settings,
        protocol: Protocol,
        patience: Duration,
    ) -> Self {
        let peers = settings.peers.max(settings.connections) as usize;
        let of = u32::try_from(site.cores.len().min(peers).max(1)).unwrap_or(1);
        let crews = (0..of).zip(&site.cores).map(|(number, core)| {
            let crew = Crew {
                dial: site.dial.clone(),
                core: site.is_ours().then_some(*core),
                corpus: Arc::clone(corpus),
                board: Arc::clone(board),
                settings: settings.clone(),
                protocol,
                number,
                of,
            };
            thread::spawn(move || crew.run())
        });
        Self {
            site,
            board,
            settings,
            crews: crews.collect(),
            patience,
            moments: Moments::new(),
            outcome: Outcome::default(),
            legs: Vec::new(),
        }
    }

    /// Lets `lead` go through the phases. Whatever goes wrong in them is told in the outcome, beside what was measured until then.
    pub(super) fn run(mut self, lead: impl FnOnce(&mut Self) -> Result<(), Lost>) -> Outcome {
        let (before, listener) = (self.site.sample(), Listener::start());
        if let Err(lost) = lead(&mut self) {
            self.outcome.failed = Some(lost.0);
            self.outcome.errors += 1;
        }
        let cpu = self.site.sample().cpu_since(&before);
        self.outcome.noise = listener.noise(cpu.server + cpu.client);
        self.board.set(Step::End);
        // What was timed is told at the end. Crews that hang on a server that does are not waited for.
        let since = Instant::now();
        while since.elapsed() < GOODBYE_MAX && !self.crews.iter().all(thread::JoinHandle::is_finished) {
            thread::sleep(LOOK_EVERY);
        }
        self.finish()
    }

    /// What the row is about: the phase that was measured last.
    pub(super) fn stress(&mut self) {
        if let Some(leg) = self.legs.last() {
            self.outcome.messages = leg.messages;
            self.outcome.bytes = self.board.bytes.load(Ordering::Relaxed);
            self.outcome.seconds = leg.seconds;
            self.outcome.cpu_seconds = leg.cpu;
        }
    }

    /// Waits until all crews are ready for the next phase.
    pub(super) fn ready(&mut self, what: &str, times: u32) -> Result<(), Lost> {
        let crews = u32::try_from(self.crews.len()).unwrap_or_default();
        self.wait(what, |board| (board.ready() == times * crews).then(|| board.now())).map(drop)
    }

    /// Goes on for a while.
    pub(super) fn linger(&mut self, time: Duration) -> Result<(), Lost> {
        let end = self.board.now() + time.min(self.patience / 2);
        self.wait("the end", |board| (board.now() >= end).then_some(end)).map(drop)
    }

    /// Goes on until the server's memory grows no more, or for as long as anybody would wait.
    pub(super) fn settle(&mut self) -> Result<(), Lost> {
        for _ in 0..SETTLE_TRIES {
            let before = self.site.sample().server.rss_bytes as f64;
            self.linger(SETTLE)?;
            if self.site.sample().server.rss_bytes as f64 <= before * SETTLED {
                break;
            }
        }
        Ok(())
    }

    /// Measures one phase, until `is_done` says since when it is.
    pub(super) fn leg(
        &mut self,
        name: &'static str,
        step: Step,
        messages: u64,
        is_done: impl Fn(&Board) -> Option<Duration>,
    ) -> Result<(), Lost> {
        let (before, began) = (self.site.sample(), self.board.now());
        self.board.set(step);
        let done = self.wait(name, is_done)?;
        let cpu = self.site.sample().cpu_since(&before);
        let seconds = done.saturating_sub(began).as_secs_f64().max(1e-9);
        self.legs.push(Leg { name, messages, seconds, cpu });
        Ok(())
    }

    fn wait(&mut self, what: &str, is_done: impl Fn(&Board) -> Option<Duration>) -> Result<Duration, Lost> {
        let board = self.board;
        let moved = || {
            let moved = board.sent.load(Ordering::Relaxed) + board.arrived.load(Ordering::Relaxed);
            moved + board.witnessed.count() + u64::from(board.ready())
        };
        let mut last = (moved(), Instant::now());
        loop {
            if let Some(at) = is_done(board) {
                return Ok(at);
            }
            if let Some(why) = board.failed() {
                return Err(Lost(why));
            }
            let now = moved();
            if now != last.0 {
                last = (now, Instant::now());
            }
            if last.1.elapsed() >= self.patience {
                return Err(Lost(self.stalled(what)));
            }
            let at = board.now().as_secs_f64();
            if self.moments.is_due(at, MOMENT) {
                let (messages, sample): (u64, Sample) = (now, self.site.sample());
                self.moments.push(at, messages, &sample, |_| {});
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn stalled(&self, what: &str) -> String {
        let board = self.board;
        let mut why = format!(
            "stalled in {what}: nothing moved for {} s; {} messages sent, {} arrived",
            self.patience.as_secs_f64(),
            board.sent.load(Ordering::Relaxed),
            board.arrived.load(Ordering::Relaxed)
        );
        let (asked, feeds) = (board.asked.load(Ordering::Relaxed), u64::from(self.settings.feeds));
        if asked < feeds {
            why += &format!(
                "; the server asked for {asked} of {feeds} feeds: it must want them (follow them, or be told to with --secret)"
            );
        }
        why
    }

    /// Notes the resident size of the server.
    pub(super) fn weigh(&mut self, name: &str) {
        if self.site.is_ours() {
            self.outcome.figure(name, self.site.sample().server.rss_bytes as f64);
        }
    }

    fn finish(mut self) -> Outcome {
        let outcome = &mut self.outcome;
        for leg in &self.legs {
            outcome.figure(&format!("{}_per_second", leg.name), leg.messages as f64 / leg.seconds);
            outcome.figure(&format!("{}_busy_client", leg.name), leg.cpu.client / leg.seconds);
            if self.site.is_ours() {
                let each = leg.cpu.server * 1e6 / leg.messages.max(1) as f64;
                outcome.figure(&format!("{}_server_us", leg.name), each);
                outcome.figure(&format!("{}_busy_server", leg.name), leg.cpu.server / leg.seconds);
            }
        }
        let (wrong, complaint) = self.board.wrong();
        outcome.wrong(wrong, || complaint.unwrap_or_default());
        let [from_due, from_published] = self.board.times();
        outcome.latency = from_due;
        outcome.service = from_published;
        outcome.rss_bytes = self.site.sample().rss();
        outcome.timeline = Vec::<Moment>::from(self.moments);
        self.outcome
    }
}
