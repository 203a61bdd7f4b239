//! B10: a peer that misbehaves, and one beside it that does not.

use super::interactive::{alternate, two_phases};
use super::{Abilities, Scenario, Stage};
use crate::framework::Size;
use crate::light::{Action, ConnPlan, Work};
use crate::plan::{Attack, Settings};
use crate::record::outcome::Outcome;

/// Turns of the two phases in a run.
const TURNS: u32 = 4;

/// Part of a turn alone that is let go by, while the server works off what it was flooded with.
const SETTLE: f64 = 0.5;

/// An attacker beside a victim.
#[derive(Debug)]
pub(super) struct Flood;

impl Scenario for Flood {
    fn name(&self) -> &'static str {
        "flood"
    }

    fn workload(&self) -> &'static str {
        "B10"
    }

    fn about(&self) -> [&'static str; 2] {
        [
            "Round trips on schedule on one connection, in turns alone and beside one that floods the server (--attack).",
            "Shows what the victim notices, and whether the server cuts the attacker: opens, requests, grants, tiny, ends.",
        ]
    }

    fn defaults(&self) -> Settings {
        Settings { rate: Some(1000.0), depth: 64, ..Settings::base() }
    }

    fn timed(&self) -> &'static str {
        "victim's round trip"
    }

    fn abilities(&self) -> Abilities {
        Abilities { rate: true, ..Abilities::default() }
    }

    fn drive(&self, stage: &Stage) -> anyhow::Result<Outcome> {
        let settings = &stage.settings;
        let bench = stage.bench(Size { connections: 1, streams: 0 })?;
        let pings = Work::Pings { streams: settings.streams, depth: settings.depth, messages: None };
        let mut plans = vec![ConnPlan::of(vec![pings]); settings.connections as usize];
        let attacker = plans.len();
        // Replies that nobody reads are the point of that one.
        let is_deaf = settings.attack == Attack::Requests;
        plans.push(ConnPlan { works: Vec::new(), is_expendable: true, is_deaf });
        let on = vec![(attacker, Action::Begin(Work::Flood(settings.attack)))];
        let off = vec![(attacker, Action::Calm)];
        let mut driven = stage.light(&bench, plans, alternate(settings, TURNS, SETTLE, on, off))?;
        two_phases(&mut driven.outcome, &driven.phases);
        driven.outcome.figure("attacker_cut", driven.cuts as f64);
        driven.outcome.figure("attack_megabytes", driven.attacks as f64 * 16.0 * 1024.0 / 1e6);
        Ok(driven.outcome)
    }
}
