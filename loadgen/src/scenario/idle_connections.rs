//! B8, of connections: what one costs while nothing happens on it.

use super::{Abilities, Scenario, Stage};
use crate::framework::crowd::{self, FirstCall, WARM_UP};
use crate::framework::{Bench, Size};
use crate::machine;
use crate::plan::{ClientKind, Settings, Transport};
use crate::record::outcome::Outcome;
use crate::record::usage::{Sample, grown, resident};

/// Connections that stand and say nothing.
#[derive(Debug)]
pub(super) struct IdleConnections;

impl Scenario for IdleConnections {
    fn name(&self) -> &'static str {
        "idle-connections"
    }

    fn workload(&self) -> &'static str {
        "B8"
    }

    fn about(&self) -> [&'static str; 2] {
        [
            "Opens --connections, --depth at the same time, calls once on each, and weighs both processes at rest.",
            "Shows the resident memory that a connection costs; the kernel's for its socket is not in it.",
        ]
    }

    fn defaults(&self) -> Settings {
        Settings {
            connections: 10_000,
            depth: 256,
            transport: Transport::Shs,
            client: ClientKind::Framework,
            warmup: 0.0,
            ..Settings::base()
        }
    }

    fn timed(&self) -> &'static str {
        "dial to first reply"
    }

    fn abilities(&self) -> Abilities {
        Abilities { framework_only: true, ..Abilities::default() }
    }

    fn drive(&self, stage: &Stage) -> anyhow::Result<Outcome> {
        let settings = &stage.settings;
        let size = Size { connections: settings.connections.saturating_add(WARM_UP), streams: 1 };
        let bench = Bench::start(settings, size, None)?;
        machine::keep_to(&bench.cores)?;
        let (server, client) = (bench.server(), std::process::id());
        push_mux::block_on(async {
            let warm = crowd::warm_up(&bench).await?;
            let connections = settings.connections.min(warm.room);
            anyhow::ensure!(connections > 0, "the limit of open files leaves no room for connections");
            let (before, start) = (resident(server), Sample::take(server, client));
            let crowd =
                crowd::connect(&bench.dial, connections, settings.depth, FirstCall::Hello).await.whole()?;
            let after = Sample::take(server, client);
            bench.connected();
            crowd::at_rest(server).await;
            let grown = grown(before, resident(server));
            let mut outcome = Outcome {
                messages: u64::from(connections),
                seconds: crowd.seconds,
                latency: crowd.latency.clone(),
                cpu_seconds: after.cpu_since(&start),
                rss_bytes: after.rss(),
                ..Outcome::default()
            };
            let each = |bytes: u64| bytes as f64 / f64::from(connections);
            outcome.figure("server_bytes_per_connection", each(grown.server));
            outcome.figure("client_bytes_per_connection", each(grown.client));
            outcome.figure("server_descriptors_per_connection", warm.descriptors.server as f64);
            outcome.figure("client_descriptors_per_connection", warm.descriptors.client as f64);
            let unanswered = crowd::unanswered(&warm.clients).await + crowd::unanswered(&crowd.clients).await;
            outcome.wrong(unanswered, || "connections no longer answer".to_owned());
            if connections < settings.connections {
                outcome
                    .remarks
                    .push(format!("{connections}: the limit of open files leaves room for no more"));
            }
            Ok(outcome)
        })?
    }
}
