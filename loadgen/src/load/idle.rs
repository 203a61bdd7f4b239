//! `loadgen mux --scenario idle`: what a stream costs while nothing happens on it.

use std::process::ExitCode;
use std::time::Duration;

use futures_lite::FutureExt;
use glommio::timer::sleep;
use push_mux::{Client, RecvStream, SendStream};
use serde::{Deserialize, Serialize};

use super::bench::{Bench, Lost, Size};
use super::trial;
use crate::cli::{MuxOptions, word};
use crate::machine::Machine;
use crate::row::Ends;
use crate::table::counted;
use crate::usage::{grown, resident};

/// Streams on the connection when nothing is said.
const STREAMS: u32 = 10_000;

/// What a stream may cost in one process, in bytes.
const BYTES_MAX: u64 = 1024;

/// Streams that are opened and closed before memory is looked at for the first time, so that code, buffers and rings that
/// every connection needs once are not counted.
const WARM_UP: usize = 4;

/// How long both processes may take to be at rest.
const REST: Duration = Duration::from_millis(300);

/// How long opening all streams may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// What came out; the object that `--json` prints.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Idle {
    scenario: String,
    peer: String,
    transport: String,
    connections: u32,
    /// Of each connection.
    streams: u32,
    runs: u32,
    /// Resident bytes that each stream added.
    rss_bytes_per_stream: Ends<u64>,
    rss_bytes_per_stream_max: u64,
    errors: u64,
}

/// Runs it.
pub(crate) fn run(options: &MuxOptions) -> anyhow::Result<ExitCode> {
    let size = Size::new(&options.common, 1, STREAMS);
    let mut found = if options.runs == 1 {
        once(options, size)?
    } else {
        let line = trial::arguments(options, "idle", size);
        let runs = (0..options.runs).map(|_| trial::run(options, &line));
        middle(&runs.collect::<anyhow::Result<Vec<Idle>>>()?)
    };
    found.runs = options.runs;
    if options.common.json {
        println!("{}", serde_json::to_string(&found)?);
        return Ok(trial::verdict(found.errors));
    }
    let Idle { streams, connections, runs, rss_bytes_per_stream: Ends { server, client }, .. } = found;
    println!("{}", Machine::here());
    let (streams, connections) = (counted(streams, "idle duplex stream"), counted(connections, "connection"));
    println!("{streams} on each of {connections}, median of {}", counted(runs, "run"));
    println!("bytes of resident memory for each stream: server {server}, client {client}");
    let is_met = server.max(client) <= BYTES_MAX;
    println!("at most {BYTES_MAX} are wanted: {}", if is_met { "met" } else { "not met" });
    Ok(trial::verdict(found.errors))
}

fn middle(runs: &[Idle]) -> Idle {
    let median =
        |pick: fn(&Idle) -> u64| trial::median(runs.iter().map(|run| pick(run) as f64)).round() as u64;
    let ends = Ends {
        server: median(|run| run.rss_bytes_per_stream.server),
        client: median(|run| run.rss_bytes_per_stream.client),
    };
    Idle { rss_bytes_per_stream: ends, errors: runs.iter().map(|run| run.errors).sum(), ..runs[0].clone() }
}

fn once(options: &MuxOptions, size: Size) -> anyhow::Result<Idle> {
    let bench = Bench::start(&options.common, size, None)?;
    let grown = push_mux::block_on(async {
        let mut clients = Vec::new();
        for _ in 0..size.connections {
            clients.push(bench.dial.client().await?);
        }
        bench.connected();
        let stuck = async {
            sleep(PATIENCE).await;
            Err(Lost(format!("the streams are not open after {} s", PATIENCE.as_secs())).into())
        };
        measure(&clients, size, bench.server()).or(stuck).await
    })??;
    let each = |bytes: u64| bytes / u64::from(size.connections) / u64::from(size.streams);
    Ok(Idle {
        scenario: "idle".to_owned(),
        peer: "push-mux".to_owned(),
        transport: word(options.common.transport),
        connections: size.connections,
        streams: size.streams,
        runs: 1,
        rss_bytes_per_stream: Ends { server: each(grown.server), client: each(grown.client) },
        rss_bytes_per_stream_max: BYTES_MAX,
        errors: 0,
    })
}

type Halves = (SendStream, RecvStream);

/// Opens the streams; by how much the two processes grew.
async fn measure(clients: &[Client], size: Size, server: u32) -> anyhow::Result<Ends<u64>> {
    for client in clients {
        for _ in 0..WARM_UP {
            let mut stream = client.duplex("echo", [(); 0]).await?;
            exchange(&mut stream).await?;
        }
    }
    sleep(REST).await;
    let before = resident(server);
    let mut held: Vec<Halves> = Vec::new();
    held.reserve_exact(clients.len() * size.streams as usize);
    for client in clients {
        for _ in 0..size.streams {
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
        if open < size.streams as usize {
            return Err(Lost(format!("only {open} of {} streams are open", size.streams)).into());
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
