//! Many clients that dial a server at once, beside connections that say nothing; and what a handshake costs it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use push_mux::CreditMode;

use super::dialers::dial_all;
use super::{Abilities, Scenario, Stage};
use crate::framework::{Bench, Size};
use crate::light::dial_raw;
use crate::machine;
use crate::plan::{Settings, Transport};
use crate::record::noise::Listener;
use crate::record::outcome::Outcome;
use crate::record::usage::Sample;

/// Files of this process besides those of connections.
const RESERVE: u64 = 64;

/// A storm of clients.
#[derive(Debug)]
pub(super) struct Storm;

impl Scenario for Storm {
    fn name(&self) -> &'static str {
        "storm"
    }

    fn workload(&self) -> &'static str {
        ""
    }

    fn about(&self) -> [&'static str; 2] {
        [
            "--connections clients dial, --depth at once, shake hands and call once, beside --silent that say nothing.",
            "Shows how long the last one waits when a pub comes back, and what a handshake costs the server.",
        ]
    }

    fn defaults(&self) -> Settings {
        crowd_settings(Settings {
            connections: 1000,
            depth: 1_000_000,
            silent: 200,
            transport: Transport::Shs,
            warmup: 0.0,
            ..Settings::base()
        })
    }

    fn timed(&self) -> &'static str {
        "dial to first reply"
    }

    fn abilities(&self) -> Abilities {
        Abilities { plain_line: true, ..Abilities::default() }
    }

    fn drive(&self, stage: &Stage) -> anyhow::Result<Outcome> {
        let settings = &stage.settings;
        let Settings { silent, connections, .. } = *settings;
        let all = connections.saturating_add(silent);
        let limit = machine::raise_open_files()?;
        let room = u32::try_from(limit.saturating_sub(u64::from(silent) + RESERVE)).unwrap_or(u32::MAX);
        ensure!(room > 0, "the limit of open files leaves no room for clients");
        let bench = Bench::start(settings, Size { connections: all, streams: 1 }, None)?;
        let way = stage.way(&bench)?;
        let held = (0..silent).map(|_| dial_raw(&way)).collect::<anyhow::Result<Vec<_>>>();
        let held = held.context("cannot open the silent connections")?;
        let mut outcome = dial(stage, &bench, connections.min(room), settings.depth, None)?;
        drop(held);
        if room < connections {
            outcome.remarks.push(format!("{room} clients: the limit of open files leaves room for no more"));
        }
        let seconds = outcome.seconds;
        outcome.figure("last_served_seconds", seconds);
        Ok(outcome)
    }
}

/// Lets clients dial and measures both processes meanwhile.
pub(super) fn dial(
    stage: &Stage,
    bench: &Bench,
    clients: u32,
    at_once: u32,
    until: Option<Duration>,
) -> anyhow::Result<Outcome> {
    machine::keep_to(&bench.cores)?;
    let (server, client) = (bench.server(), std::process::id());
    let samples = Mutex::new(Vec::new());
    let sample = || {
        let mut samples = samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.push((Sample::take(server, client), Listener::start()));
    };
    let served = dial_all(&stage.way(bench)?, clients, at_once, until, sample)?;
    bench.connected();
    let samples = samples.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (Some((before, listener)), Some((after, _))) = (samples.first(), samples.last()) else {
        anyhow::bail!("nobody dialled");
    };
    let cpu_seconds = after.cpu_since(before);
    let mut outcome = Outcome {
        messages: served.served,
        seconds: until.map_or(served.seconds, |until| served.seconds.max(until.as_secs_f64())),
        latency: served.latency,
        cpu_seconds,
        rss_bytes: after.rss(),
        noise: listener.noise(cpu_seconds.server + cpu_seconds.client),
        ..Outcome::default()
    };
    outcome.wrong(served.failed, || served.complaint.unwrap_or_default());
    outcome.figure("handshakes_per_server_cpu_second", outcome.messages as f64 / cpu_seconds.server);
    Ok(outcome)
}

/// Settings of scenarios that are about connections: nobody asks about flow control, which would be a call of its own.
pub(super) fn crowd_settings(settings: Settings) -> Settings {
    Settings { credit_mode: CreditMode::Respond, ..settings }
}
