//! B9: streams that come and go.

use super::{Abilities, Scenario, Stage};
use crate::light::{ConnPlan, Work};
use crate::plan::Settings;
use crate::record::outcome::Outcome;

/// Open, one message, end.
#[derive(Debug)]
pub(super) struct Churn;

impl Scenario for Churn {
    fn name(&self) -> &'static str {
        "churn"
    }

    fn workload(&self) -> &'static str {
        "B9"
    }

    fn about(&self) -> [&'static str; 2] {
        [
            "Streams of one message each: opened, served, ended and confirmed, --depth of them open at once.",
            "Shows what opening and ending cost, and whether anything of an ended stream is left behind.",
        ]
    }

    fn defaults(&self) -> Settings {
        Settings { depth: 64, ..Settings::base() }
    }

    fn timed(&self) -> &'static str {
        "stream"
    }

    fn abilities(&self) -> Abilities {
        Abilities { rate: true, messages: true, ..Abilities::default() }
    }

    fn drive(&self, stage: &Stage) -> anyhow::Result<Outcome> {
        let settings = &stage.settings;
        let work = Work::Churn { depth: settings.depth, messages: settings.messages };
        let mut driven = stage.light_alike(&ConnPlan::of(vec![work]))?;
        if let Some(each) = settings.messages {
            driven.outcome.missing(each * u64::from(settings.connections));
        }
        Ok(driven.outcome)
    }
}
