//! B3: messages there and back.

use super::{Abilities, Scenario, Stage};
use crate::framework::streams;
use crate::light::{ConnPlan, Work};
use crate::plan::{ClientKind, Settings};
use crate::record::outcome::Outcome;

/// A duplex stream that echoes.
#[derive(Debug)]
pub(super) struct PingPong;

impl Scenario for PingPong {
    fn name(&self) -> &'static str {
        "ping-pong"
    }

    fn workload(&self) -> &'static str {
        "B3"
    }

    fn about(&self) -> [&'static str; 2] {
        [
            "Every message of a duplex stream comes back the same; --depth of them are on their way on each stream.",
            "Shows the round trip; with --rate the times are free of coordinated omission.",
        ]
    }

    fn defaults(&self) -> Settings {
        Settings::base()
    }

    fn timed(&self) -> &'static str {
        "round trip"
    }

    fn abilities(&self) -> Abilities {
        Abilities { rate: true, messages: true, framework: true, ..Abilities::default() }
    }

    fn drive(&self, stage: &Stage) -> anyhow::Result<Outcome> {
        let settings = &stage.settings;
        if settings.client == ClientKind::Framework {
            return Ok(stage.framework(settings.streams, streams::duplexes)?.outcome);
        }
        let messages = settings.messages.map(|messages| u32::try_from(messages).unwrap_or(u32::MAX));
        let work = Work::Pings { streams: settings.streams, depth: settings.depth, messages };
        let mut driven = stage.light_alike(&ConnPlan::of(vec![work]))?;
        if let Some(each) = messages {
            let due = u64::from(each) * u64::from(settings.streams) * u64::from(settings.connections);
            driven.outcome.missing(due);
        }
        Ok(driven.outcome)
    }
}
