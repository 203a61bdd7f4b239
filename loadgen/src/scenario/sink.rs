//! B2: one-way streams to the server.

use super::{Abilities, Scenario, Stage};
use crate::framework::streams;
use crate::light::{ConnPlan, Work};
use crate::plan::{ClientKind, Settings};
use crate::record::outcome::Outcome;
use crate::server::Stats;

/// Client to server.
#[derive(Debug)]
pub(super) struct Sink;

impl Scenario for Sink {
    fn name(&self) -> &'static str {
        "sink"
    }

    fn workload(&self) -> &'static str {
        "B2"
    }

    fn about(&self) -> [&'static str; 2] {
        [
            "The client sends numbered messages on every stream, as fast as the server grants; the server checks them.",
            "With --rate, times are from when a message was due until credit let it go: back pressure as latency.",
        ]
    }

    fn defaults(&self) -> Settings {
        Settings::base()
    }

    fn abilities(&self) -> Abilities {
        Abilities { rate: true, messages: true, framework: true, ..Abilities::default() }
    }

    fn drive(&self, stage: &Stage) -> anyhow::Result<Outcome> {
        let settings = &stage.settings;
        if settings.client == ClientKind::Framework {
            let mut ran = stage.framework(settings.streams, streams::sinks)?;
            let sent = ran.tally.messages;
            check(&mut ran.outcome, sent, ran.server);
            return Ok(ran.outcome);
        }
        let messages = settings.messages.map(|messages| u32::try_from(messages).unwrap_or(u32::MAX));
        let work = Work::Sinks { streams: settings.streams, messages };
        let driven = stage.light_alike(&ConnPlan::of(vec![work]))?;
        let mut outcome = driven.outcome;
        check(&mut outcome, driven.sent, driven.stats);
        Ok(outcome)
    }
}

/// What can be checked only when all is done: the server counted what was sent.
fn check(outcome: &mut Outcome, sent: u64, server: Stats) {
    if outcome.failed.is_some() {
        return;
    }
    outcome.wrong(sent.abs_diff(server.messages), || {
        format!("the server collected {} of {sent} messages", server.messages)
    });
    outcome.wrong(server.errors, || "messages reached the server changed or out of order".to_owned());
}
