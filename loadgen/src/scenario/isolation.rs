//! B5: what a stream that nobody reads takes from those beside it.

use super::interactive::alternate;
use super::stage::Script;
use super::{Scenario, Stage};
use crate::framework::Size;
use crate::light::{Action, ConnPlan, Step, Work};
use crate::plan::Settings;
use crate::record::outcome::Outcome;

/// Turns of the two phases in a run: many, so that a busy moment of the machine hits both; an odd number ends beside the
/// unread streams.
const TURNS: u32 = 9;

/// Part of a turn alone that is let go by.
const SETTLE: f64 = 0.1;

/// Bodies of the streams that nobody reads, and how many the server would send on each.
const UNREAD_BODY: u32 = 64 << 10;
const UNREAD_MESSAGES: u32 = 64;

/// The group of streams that nobody reads; the last turn's, which are read in the end.
const UNREAD: u8 = 1;
const RESUMED: u8 = 2;

/// Neighbours of a stalled stream.
#[derive(Debug)]
pub(super) struct Isolation;

impl Scenario for Isolation {
    fn name(&self) -> &'static str {
        "isolation"
    }

    fn workload(&self) -> &'static str {
        "B5"
    }

    fn about(&self) -> [&'static str; 2] {
        [
            "Small messages on --streams streams, in turns alone and beside --silent streams of 64 KiB that nobody reads.",
            "Shows what the neighbours lose; in the end the unread streams are read and must deliver every byte.",
        ]
    }

    fn defaults(&self) -> Settings {
        Settings { streams: 100, body: 100, silent: 1, ..Settings::base() }
    }

    fn refuses(&self, settings: &Settings) -> Option<String> {
        if settings.connections != 1 {
            return Some("isolation is about the streams of one connection: --connections 1".to_owned());
        }
        (settings.silent == 0).then(|| "isolation needs a stream that nobody reads: --silent 1".to_owned())
    }

    fn drive(&self, stage: &Stage) -> anyhow::Result<Outcome> {
        let settings = &stage.settings;
        let bench = stage.bench(Size { connections: 0, streams: 2 * settings.silent })?;
        let neighbours = Work::Sources {
            streams: settings.streams,
            messages: None,
            body: settings.body,
            group: 0,
            is_paused: false,
        };
        let plan = ConnPlan::of(vec![neighbours]);
        let mut driven = stage.light(&bench, vec![plan], script(settings))?;
        let [alone, beside] = [0, 1].map(|phase| driven.phases.get(phase).map_or(0.0, |phase| phase.rate()));
        let outcome = &mut driven.outcome;
        outcome.figure("alone_messages_per_second", alone);
        outcome.figure("beside_messages_per_second", beside);
        outcome.figure("loss", 1.0 - beside / alone);
        Ok(driven.outcome)
    }
}

fn script(settings: &Settings) -> Script {
    let unread = |group| {
        Action::Begin(Work::Sources {
            streams: settings.silent,
            messages: Some(UNREAD_MESSAGES),
            body: UNREAD_BODY,
            group,
            is_paused: true,
        })
    };
    let mut script =
        alternate(settings, TURNS, SETTLE, vec![(0, unread(UNREAD))], vec![(0, Action::End(UNREAD))]);
    let at = script.steps.last().map_or(0, |step| step.at);
    // Those of the last turn stay, to be read when everything else is over.
    if let Some(last) = script.steps.iter_mut().rfind(|step| matches!(step.action, Action::Begin(_))) {
        last.action = unread(RESUMED);
    }
    script.steps.push(Step { at, conn: 0, action: Action::Resume(RESUMED) });
    script
}
