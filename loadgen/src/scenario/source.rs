//! B1: one-way streams from the server.

use super::{Abilities, Scenario, Stage};
use crate::framework::streams;
use crate::light::{ConnPlan, Work};
use crate::plan::{ClientKind, Settings};
use crate::record::outcome::Outcome;

/// Server to client, as fast as it goes.
#[derive(Debug)]
pub(super) struct Source;

impl Scenario for Source {
    fn name(&self) -> &'static str {
        "source"
    }

    fn workload(&self) -> &'static str {
        "B1"
    }

    fn about(&self) -> [&'static str; 2] {
        [
            "The server sends numbered messages on every stream, one send for each, as fast as credit allows.",
            "Shows what a message costs the server; every message is checked.",
        ]
    }

    fn defaults(&self) -> Settings {
        Settings::base()
    }

    fn abilities(&self) -> Abilities {
        Abilities { messages: true, framework: true, foreign: true, ..Abilities::default() }
    }

    fn drive(&self, stage: &Stage) -> anyhow::Result<Outcome> {
        let settings = &stage.settings;
        if settings.server.is_some() {
            return stage.foreign(true);
        }
        if settings.client == ClientKind::Framework {
            return Ok(stage.framework(settings.streams, streams::sources)?.outcome);
        }
        let messages = settings.messages.map(|messages| u32::try_from(messages).unwrap_or(u32::MAX));
        let work = Work::Sources {
            streams: settings.streams,
            messages,
            body: settings.body,
            group: 0,
            is_paused: false,
        };
        let mut driven = stage.light_alike(&ConnPlan::of(vec![work]))?;
        if let Some(each) = messages {
            let due = u64::from(each) * u64::from(settings.streams) * u64::from(settings.connections);
            driven.outcome.missing(due);
        }
        Ok(driven.outcome)
    }
}
