//! B4: async calls at a depth.

use super::{Abilities, Scenario, Stage};
use crate::framework::streams;
use crate::light::{ConnPlan, Work};
use crate::plan::{ClientKind, Settings};
use crate::record::outcome::Outcome;

/// Calls, answered once each.
#[derive(Debug)]
pub(super) struct Calls;

impl Scenario for Calls {
    fn name(&self) -> &'static str {
        "async"
    }

    fn workload(&self) -> &'static str {
        "B4"
    }

    fn about(&self) -> [&'static str; 2] {
        [
            "Calls with an argument of --body bytes, --depth of them in flight on each connection; the reply is the same.",
            "Shows what a call costs; with --rate the times are free of coordinated omission.",
        ]
    }

    fn defaults(&self) -> Settings {
        Settings { depth: 64, ..Settings::base() }
    }

    fn timed(&self) -> &'static str {
        "call"
    }

    fn abilities(&self) -> Abilities {
        Abilities { rate: true, messages: true, framework: true, foreign: true, ..Abilities::default() }
    }

    fn drive(&self, stage: &Stage) -> anyhow::Result<Outcome> {
        let settings = &stage.settings;
        if settings.server.is_some() {
            return stage.foreign(false);
        }
        if settings.client == ClientKind::Framework {
            return Ok(stage.framework(settings.depth, streams::calls)?.outcome);
        }
        let work = Work::Calls { depth: settings.depth, messages: settings.messages };
        let mut driven = stage.light_alike(&ConnPlan::of(vec![work]))?;
        if let Some(each) = settings.messages {
            driven.outcome.missing(each * u64::from(settings.connections));
        }
        Ok(driven.outcome)
    }
}
