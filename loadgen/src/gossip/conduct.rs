//! Replication through a pub: in, out, and through.

use std::sync::Arc;

use anyhow::ensure;

use super::board::{Board, Marks, Step};
use super::conductor::Conductor;
use super::site::Site;
use crate::feed::Corpus;
use crate::framework::{Lost, Size};
use crate::plan::{Protocol, Settings};
use crate::record::outcome::Outcome;
use crate::scenario::Stage;

/// How many messages go through at full speed while all follow: a share of those that were pushed.
const THROUGH_SHARE: u32 = 4;

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
    let conductor = Conductor::new(&site, (&corpus, &board), settings, protocol, stage.patience);
    let mut outcome = conductor.run(|conductor| lead(conductor, settings));
    if let (Some(alone), Some(ingest)) = (alone, outcome.figures.get("ingest_per_second").copied()) {
        outcome.figure("verify_alone_per_second", alone);
        outcome.figure("ingest_of_verification", ingest / alone);
    }
    outcome.figure("body_bytes_mean", corpus.bytes_mean());
    if outcome.errors == 0 {
        let Settings { peers, feeds, .. } = settings;
        outcome.remarks.push(format!(
            "{peers} peers ended with {feeds} feeds of {} signed messages each, byte for byte and in order",
            marks.all
        ));
    }
    Ok(outcome)
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

/// The phases.
fn lead(conductor: &mut Conductor<'_>, settings: &Settings) -> Result<(), Lost> {
    let (feeds, peers) = (u64::from(settings.feeds), u64::from(settings.peers));
    let Marks { pushed, through, all } = conductor.board.marks;
    conductor.ready("connecting", 1)?;
    conductor.weigh("rss_start_bytes");
    conductor.leg("ingest", Step::Push, feeds * u64::from(pushed), |board| {
        (board.witnessed.count() == feeds).then(|| board.witnessed.last())
    })?;
    conductor.weigh("rss_pushed_bytes");
    conductor.board.set(Step::Arrive);
    conductor.ready("connecting", 2)?;
    let have = |times: u64| {
        move |board: &Board| (board.reached.count() == times * peers).then(|| board.reached.last())
    };
    conductor.leg("fanout", Step::Pull, feeds * u64::from(pushed) * peers, have(1))?;
    conductor.stress();
    conductor.weigh("rss_pulled_bytes");
    conductor.board.set(Step::Follow);
    conductor.ready("asking for what is to come", 3)?;
    conductor.leg("through", Step::Through, feeds * u64::from(through - pushed) * peers, have(2))?;
    if all > through {
        conductor.leg("live", Step::Live, feeds * u64::from(all - through) * peers, have(3))?;
    }
    conductor.weigh("rss_end_bytes");
    Ok(())
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
