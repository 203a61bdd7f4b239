//! The phases of a run, and what is measured in each.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::board::{Board, Marks, Step};
use super::crew::Crew;
use super::site::Site;
use crate::feed::Corpus;
use crate::framework::{Lost, Size};
use crate::plan::{Protocol, Settings};
use crate::record::noise::Listener;
use crate::record::outcome::Outcome;
use crate::record::usage::{Moments, Sample};
use crate::report::row::Moment;
use crate::scenario::Stage;

/// How often the conductor looks.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// How often a moment is noted.
const MOMENT: f64 = 0.1;

/// How many messages go through at full speed while all follow: a share of those that were pushed.
const THROUGH_SHARE: u32 = 4;

/// One measured phase.
#[derive(Debug)]
struct Leg {
    name: &'static str,
    messages: u64,
    seconds: f64,
    cpu_server: f64,
    cpu_client: f64,
}

/// Replicates signed feeds through a pub.
///
/// # Errors
/// Why it could not begin. What goes wrong later is told in the outcome.
pub(crate) fn conduct(stage: &Stage, protocol: Protocol) -> anyhow::Result<Outcome> {
    let settings = &stage.settings;
    let marks = marks(settings)?;
    let corpus = Arc::new(Corpus::sign(settings.feeds, marks.all, settings.seed)?);
    // Each of those who push has a stream for each feed, and so have those who pull.
    let streams = settings.feeds.saturating_add(settings.streams);
    let size = Size { connections: settings.peers.saturating_mul(2).saturating_add(1), streams };
    let site = Site::open(settings, size)?;
    if let Some(secret) = &settings.secret {
        site.follow_feeds(secret, &corpus)?;
    }
    let alone = site.verification(&corpus, marks.pushed)?;
    let board = Arc::new(Board::new(corpus.feeds.len(), marks));
    let crews = launch(&site, &corpus, &board, (settings, protocol));
    let mut conductor = Conductor {
        site: &site,
        board: &board,
        settings,
        crews,
        patience: stage.patience,
        moments: Moments::new(),
        outcome: Outcome::default(),
        legs: Vec::new(),
    };
    let (before, listener) = (site.sample(), Listener::start());
    if let Err(lost) = conductor.lead() {
        conductor.outcome.failed = Some(lost.0);
        conductor.outcome.errors += 1;
    }
    board.set(Step::End);
    let cpu = site.sample().cpu_since(&before);
    conductor.outcome.noise = listener.noise(cpu.server + cpu.client);
    // Replicas tell what they timed when they go.
    thread::sleep(Duration::from_millis(200));
    Ok(conductor.finish(alone, corpus.bytes_mean()))
}

/// How many messages each feed has when.
fn marks(settings: &Settings) -> anyhow::Result<Marks> {
    let pushed = settings.messages.unwrap_or_default();
    let on_schedule = settings.rate.unwrap_or_default() * settings.live / f64::from(settings.feeds);
    let pushed = u32::try_from(pushed)?;
    let through = pushed + pushed.div_ceil(THROUGH_SHARE);
    ensure!(pushed > 0, "--messages says how many each feed has");
    Ok(Marks { pushed, through, all: through + on_schedule.ceil() as u32 })
}

fn launch(
    site: &Site,
    corpus: &Arc<Corpus>,
    board: &Arc<Board>,
    (settings, protocol): (&Settings, Protocol),
) -> u32 {
    let of = site.cores.len().min(settings.peers as usize).max(1);
    let of = u32::try_from(of).unwrap_or(1);
    for (number, core) in (0..of).zip(&site.cores) {
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
        thread::spawn(move || crew.run());
    }
    of
}

struct Conductor<'a> {
    site: &'a Site,
    board: &'a Board,
    settings: &'a Settings,
    crews: u32,
    patience: Duration,
    moments: Moments,
    outcome: Outcome,
    legs: Vec<Leg>,
}

impl Conductor<'_> {
    fn lead(&mut self) -> Result<(), Lost> {
        let (feeds, peers) = (u64::from(self.settings.feeds), u64::from(self.settings.peers));
        let Marks { pushed, through, all } = self.board.marks;
        self.ready("connecting", 1)?;
        self.weigh("rss_start_bytes");
        self.leg("ingest", Step::Push, feeds * u64::from(pushed), |board| {
            (board.witnessed.count() == feeds).then(|| board.witnessed.last())
        })?;
        self.weigh("rss_pushed_bytes");
        self.board.set(Step::Arrive);
        self.ready("connecting", 2)?;
        let have = |times: u64| {
            move |board: &Board| (board.reached.count() == times * peers).then(|| board.reached.last())
        };
        self.leg("fanout", Step::Pull, feeds * u64::from(pushed) * peers, have(1))?;
        self.weigh("rss_pulled_bytes");
        self.board.set(Step::Follow);
        self.ready("asking for what is to come", 3)?;
        self.leg("through", Step::Through, feeds * u64::from(through - pushed) * peers, have(2))?;
        if all > through {
            self.leg("live", Step::Live, feeds * u64::from(all - through) * peers, have(3))?;
        }
        self.weigh("rss_end_bytes");
        Ok(())
    }

    /// Waits until all crews are ready for the next phase.
    fn ready(&mut self, what: &str, times: u32) -> Result<(), Lost> {
        let crews = self.crews;
        self.wait(what, |board| (board.ready() == times * crews).then(|| board.now())).map(drop)
    }

    /// Measures one phase, until `is_done` says since when it is.
    fn leg(
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
        if name == "fanout" {
            self.outcome.messages = messages;
            self.outcome.bytes = self.board.bytes.load(Ordering::Relaxed);
            self.outcome.seconds = seconds;
            self.outcome.cpu_seconds = cpu;
        }
        self.legs.push(Leg { name, messages, seconds, cpu_server: cpu.server, cpu_client: cpu.client });
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
    fn weigh(&mut self, name: &str) {
        if self.site.is_ours() {
            self.outcome.figure(name, self.site.sample().server.rss_bytes as f64);
        }
    }

    fn finish(mut self, alone: Option<f64>, body_bytes_mean: f64) -> Outcome {
        let outcome = &mut self.outcome;
        for leg in &self.legs {
            let rate = leg.messages as f64 / leg.seconds;
            outcome.figure(&format!("{}_per_second", leg.name), rate);
            outcome.figure(&format!("{}_busy_client", leg.name), leg.cpu_client / leg.seconds);
            if self.site.is_ours() {
                let each = leg.cpu_server * 1e6 / leg.messages.max(1) as f64;
                outcome.figure(&format!("{}_server_us", leg.name), each);
                outcome.figure(&format!("{}_busy_server", leg.name), leg.cpu_server / leg.seconds);
            }
            if let (Some(alone), "ingest") = (alone, leg.name) {
                outcome.figure("verify_alone_per_second", alone);
                outcome.figure("ingest_of_verification", rate / alone);
            }
        }
        outcome.figure("body_bytes_mean", body_bytes_mean);
        let (wrong, complaint) = self.board.wrong();
        outcome.wrong(wrong, || complaint.unwrap_or_default());
        let [from_due, from_published] = self.board.times();
        outcome.latency = from_due;
        outcome.service = from_published;
        outcome.rss_bytes = self.site.sample().rss();
        if outcome.errors == 0 && outcome.failed.is_none() {
            let Settings { peers, feeds, .. } = self.settings;
            outcome.remarks.push(format!(
                "{peers} peers ended with {feeds} feeds of {} signed messages each, byte for byte and in order",
                self.board.marks.all
            ));
        }
        outcome.timeline = Vec::<Moment>::from(self.moments);
        self.outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_feed_has_its_share_of_what_is_published() {
        let settings =
            Settings { feeds: 10, messages: Some(100), rate: Some(55.0), live: 2.0, ..Settings::base() };
        assert_eq!(marks(&settings).expect("they make sense"), Marks { pushed: 100, through: 125, all: 136 });
        let none = Settings { messages: None, ..settings.clone() };
        assert!(marks(&none).is_err());
        let silent = Settings { rate: None, ..settings };
        assert_eq!(marks(&silent).expect("they make sense").all, 125);
    }
}
