//! B8, of streams: what one costs while nothing happens on it.

use std::time::Duration;

use futures_lite::FutureExt;
use glommio::timer::sleep;
use push_mux::{Client, RecvStream, SendStream};

use super::{Abilities, Scenario, Stage};
use crate::framework::{Lost, Size};
use crate::plan::{ClientKind, Settings};
use crate::record::outcome::Outcome;
use crate::record::usage::{Sample, grown, resident};
use crate::report::row::Ends;

/// Streams that are opened and closed before memory is looked at for the first time, so that code, buffers and rings that
/// every connection needs once are not counted.
const WARM_UP: usize = 4;

/// How long both processes may take to be at rest.
const REST: Duration = Duration::from_millis(300);

/// How long opening all streams may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Streams that stand and say nothing.
#[derive(Debug)]
pub(super) struct IdleStreams;

impl Scenario for IdleStreams {
    fn name(&self) -> &'static str {
        "idle-streams"
    }

    fn workload(&self) -> &'static str {
        "B8"
    }

    fn about(&self) -> [&'static str; 2] {
        [
            "Opens --streams duplex streams on each connection with the framework's client and weighs both processes.",
            "Shows the resident memory that a stream costs each end, its handler's task included.",
        ]
    }

    fn defaults(&self) -> Settings {
        Settings { streams: 10_000, client: ClientKind::Framework, warmup: 0.0, ..Settings::base() }
    }

    fn abilities(&self) -> Abilities {
        Abilities { framework_only: true, ..Abilities::default() }
    }

    fn drive(&self, stage: &Stage) -> anyhow::Result<Outcome> {
        let Settings { connections, streams, .. } = stage.settings;
        let bench = stage.bench(Size { connections: 0, streams: 0 })?;
        let (server, client) = (bench.server(), std::process::id());
        let before = Sample::take(server, client);
        let grown = push_mux::block_on(async {
            let mut clients = Vec::new();
            for _ in 0..connections {
                clients.push(bench.dial.client().await?);
            }
            bench.connected();
            let stuck = async {
                sleep(PATIENCE).await;
                Err(Lost(format!("the streams are not open after {} s", PATIENCE.as_secs())).into())
            };
            measure(&clients, streams, server).or(stuck).await
        })??;
        let after = Sample::take(server, client);
        let mut outcome =
            Outcome { cpu_seconds: after.cpu_since(&before), rss_bytes: after.rss(), ..Outcome::default() };
        let each = |bytes: u64| bytes as f64 / f64::from(connections) / f64::from(streams);
        outcome.figure("server_bytes_per_stream", each(grown.server));
        outcome.figure("client_bytes_per_stream", each(grown.client));
        Ok(outcome)
    }
}

type Halves = (SendStream, RecvStream);

/// Opens the streams; by how much the two processes grew.
async fn measure(clients: &[Client], streams: u32, server: u32) -> anyhow::Result<Ends<u64>> {
    for client in clients {
        for _ in 0..WARM_UP {
            let mut stream = client.duplex("echo", [(); 0]).await?;
            exchange(&mut stream).await?;
        }
    }
    sleep(REST).await;
    let before = resident(server);
    let mut held: Vec<Halves> = Vec::new();
    held.reserve_exact(clients.len() * streams as usize);
    for client in clients {
        for _ in 0..streams {
            held.push(client.duplex("echo", [(); 0]).await?);
        }
        // A stream opened last and answered says that all before it are open.
        if let Some(last) = held.last_mut() {
            exchange(last).await?;
        }
    }
    sleep(REST).await;
    let after = resident(server);
    for client in clients {
        let open = client.connection().inspect(push_mux::mux::Session::streams_open);
        if open < streams as usize {
            return Err(Lost(format!("only {open} of {} streams are open", streams)).into());
        }
    }
    drop(held);
    Ok(grown(before, after))
}

async fn exchange((tx, rx): &mut Halves) -> anyhow::Result<()> {
    tx.send("ping").await?;
    match rx.next().await {
        Some(body) => anyhow::ensure!(body?.bytes == "ping", "the echo is another"),
        None => anyhow::bail!("the echo ended"),
    }
    Ok(())
}
