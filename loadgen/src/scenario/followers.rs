//! Readers that are slower than what they follow.

use super::{Abilities, Scenario, Stage};
use crate::gossip;
use crate::plan::{ClientKind, Settings, Transport};
use crate::record::outcome::Outcome;

/// History streams read slowly.
#[derive(Debug)]
pub(super) struct Followers;

impl Scenario for Followers {
    fn name(&self) -> &'static str {
        "followers"
    }

    fn workload(&self) -> &'static str {
        ""
    }

    fn about(&self) -> [&'static str; 2] {
        [
            "--connections readers follow --streams of --feeds signed feeds, each reading --reads bytes a second.",
            "Shows whether the memory of a pub stays flat while messages arrive faster than they are read.",
        ]
    }

    fn defaults(&self) -> Settings {
        Settings {
            connections: 1000,
            streams: 10,
            feeds: 1000,
            peers: 1,
            messages: Some(20),
            rate: Some(1000.0),
            live: 20.0,
            reads: Some(1024),
            transport: Transport::Shs,
            client: ClientKind::Framework,
            warmup: 0.0,
            ..Settings::base()
        }
    }

    fn timed(&self) -> &'static str {
        "publish to arrival"
    }

    fn abilities(&self) -> Abilities {
        Abilities { rate: true, messages: true, framework_only: true, ..Abilities::default() }
    }

    fn refuses(&self, settings: &Settings) -> Option<String> {
        let is_shs = matches!(settings.transport, Transport::Shs | Transport::Ws);
        (!is_shs).then(|| "peers of a pub shake hands: use --transport shs or ws".to_owned())
    }

    fn drive(&self, stage: &Stage) -> anyhow::Result<Outcome> {
        gossip::follow(stage)
    }
}
