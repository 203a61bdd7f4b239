//! B9, of connections: dial, one call, close.

use std::time::Duration;

use super::storm::{crowd_settings, dial};
use super::{Abilities, Scenario, Stage};
use crate::framework::{Bench, Size};
use crate::plan::{Settings, Transport};
use crate::record::outcome::Outcome;

/// Connections that come and go.
#[derive(Debug)]
pub(super) struct Reconnect;

impl Scenario for Reconnect {
    fn name(&self) -> &'static str {
        "reconnect"
    }

    fn workload(&self) -> &'static str {
        "B9"
    }

    fn about(&self) -> [&'static str; 2] {
        [
            "Clients that dial, shake hands, call once and leave, --depth of them at the same time.",
            "Shows what a connection costs the server from accept to close.",
        ]
    }

    fn defaults(&self) -> Settings {
        crowd_settings(Settings { transport: Transport::Shs, depth: 16, warmup: 0.0, ..Settings::base() })
    }

    fn timed(&self) -> &'static str {
        "dial to first reply"
    }

    fn abilities(&self) -> Abilities {
        Abilities { plain_line: true, ..Abilities::default() }
    }

    fn drive(&self, stage: &Stage) -> anyhow::Result<Outcome> {
        let settings = &stage.settings;
        let at_once = settings.depth;
        let bench =
            Bench::start(settings, Size { connections: at_once.saturating_mul(64), streams: 1 }, None)?;
        let until = Duration::from_secs_f64(settings.duration);
        dial(stage, &bench, u32::MAX, at_once, Some(until))
    }
}
