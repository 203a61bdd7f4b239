//! Slow readers of history streams that follow feeds while messages arrive: what they cost the pub's memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::board::{Board, Marks, Step};
use super::conductor::Conductor;
use super::site::Site;
use crate::feed::Corpus;
use crate::framework::{Lost, Size};
use crate::machine;
use crate::plan::{Protocol, Settings};
use crate::record::growth::slope;
use crate::record::outcome::Outcome;
use crate::scenario::Stage;

/// How long readers go on after the last message.
const LINGER: Duration = Duration::from_millis(500);

/// Lets slow readers follow feeds that grow.
///
/// # Errors
/// Why it could not begin. What goes wrong later is told in the outcome.
pub(crate) fn follow(stage: &Stage) -> anyhow::Result<Outcome> {
    let settings = &stage.settings;
    machine::raise_open_files()?;
    let marks = marks(settings)?;
    let corpus = Arc::new(Corpus::sign(settings.feeds, marks.all, settings.seed)?);
    let size = Size {
        connections: settings.connections.saturating_add(settings.peers).saturating_add(1),
        streams: settings.feeds.saturating_add(settings.streams),
    };
    let site = Site::open(settings, size)?;
    let board = Arc::new(Board::new(corpus.feeds.len(), marks));
    let conductor = Conductor::new(&site, (&corpus, &board), settings, Protocol::Ebt, stage.patience);
    let mut outcome = conductor.run(|conductor| lead(conductor, settings));
    let live_from = outcome.figures.remove("live_from");
    let timeline = outcome.timeline.iter().filter(|moment| live_from.is_some_and(|from| moment.at >= from));
    let timeline: Vec<_> = timeline.cloned().collect();
    if let Some(slope) = slope(&timeline, |moment| moment.rss_bytes.server as f64) {
        outcome.figure("server_growth_bytes_per_minute", slope * 60.0);
    }
    let most = timeline.iter().map(|moment| moment.rss_bytes.server).max();
    outcome.figure("rss_most_bytes", most.unwrap_or_default() as f64);
    outcome.figure("delivered", board.arrived.load(Ordering::Relaxed) as f64);
    Ok(outcome)
}

/// Feeds have a past before readers come, and grow on schedule when they are there.
fn marks(settings: &Settings) -> anyhow::Result<Marks> {
    let pushed = u32::try_from(settings.messages.unwrap_or(1))?;
    let on_schedule = settings.rate.unwrap_or_default() * settings.live / f64::from(settings.feeds);
    Ok(Marks { pushed, through: pushed, all: pushed + on_schedule.ceil() as u32 })
}

/// The phases.
fn lead(conductor: &mut Conductor<'_>, settings: &Settings) -> Result<(), Lost> {
    let feeds = u64::from(settings.feeds);
    let Marks { pushed, all, .. } = conductor.board.marks;
    conductor.ready("connecting", 1)?;
    conductor.leg("ingest", Step::Push, feeds * u64::from(pushed), |board| {
        (board.witnessed.count() == feeds).then(|| board.witnessed.last())
    })?;
    conductor.weigh("rss_pushed_bytes");
    conductor.board.set(Step::Arrive);
    conductor.ready("connecting", 2)?;
    conductor.weigh("rss_connected_bytes");
    conductor.board.set(Step::Pull);
    conductor.board.set(Step::Follow);
    conductor.ready("opening streams", 3)?;
    conductor.settle()?;
    conductor.weigh("rss_following_bytes");
    let since = conductor.board.now().as_secs_f64();
    conductor.outcome.figure("live_from", since);
    let sent = move |board: &Board| {
        (board.sent.load(Ordering::Relaxed) >= feeds * u64::from(all)).then(|| board.now())
    };
    conductor.board.set(Step::Through);
    conductor.leg("live", Step::Live, feeds * u64::from(all - pushed), sent)?;
    conductor.stress();
    // What was published last is on its way.
    conductor.linger(LINGER)?;
    conductor.weigh("rss_end_bytes");
    Ok(())
}
