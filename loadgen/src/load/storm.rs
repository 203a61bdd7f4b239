//! `loadgen storm`: many clients that dial a server at once, beside connections that say nothing; and what a handshake
//! costs it.

use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use push_mux::Address;
use push_mux::secret::Transport;
use serde::{Deserialize, Serialize};

use super::bench::{Bench, Size};
use super::crowd::{self, Crowd, FirstCall, WARM_UP};
use super::trial;
use crate::cli::{StormOptions, word};
use crate::machine::{self, Machine};
use crate::row::{Ends, Latency};
use crate::table::{counted, short};
use crate::usage::Sample;

/// How long a run may take.
const RUN_MAX: Duration = Duration::from_secs(600);

/// What came out; the object that `--json` prints.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Storm {
    scenario: String,
    peer: String,
    transport: String,
    /// Clients of each run.
    connections: u32,
    /// Those that were asked for: more, when the limit of open files is too low for them.
    connections_wanted: u32,
    /// Clients that dial at the same time.
    in_flight: u32,
    /// Connections that say nothing.
    silent: u32,
    runs: u32,
    /// Clients that were served, in all runs together.
    connected: u64,
    /// Clients that were not, in all runs together.
    failed: u64,
    /// From the first dial to the last reply.
    seconds: f64,
    /// Clients of a run served, over `seconds`.
    handshakes_per_second: f64,
    /// From dial to first reply.
    latency_us: Option<Latency>,
    /// Processor time of each process from the first dial to the last outcome.
    cpu_seconds: Ends<f64>,
    /// Processor time for each client served, its connection and one call included.
    cpu_us_per_handshake: Ends<f64>,
    /// What the server could do on a core of its own that is never idle.
    handshakes_per_server_cpu_second: f64,
    /// Largest resident size of each process.
    rss_bytes: Ends<u64>,
    errors: u64,
}

/// Runs it.
pub(crate) fn run(options: &StormOptions) -> anyhow::Result<ExitCode> {
    // Before this process is kept to some of its cores.
    let machine = Machine::here();
    let mut found = if options.runs == 1 {
        once(options)?
    } else {
        let runs = (0..options.runs).map(|_| trial::run_within(RUN_MAX, &options.arguments()));
        middle(&runs.collect::<anyhow::Result<Vec<Storm>>>()?)
    };
    found.runs = options.runs;
    if options.json {
        println!("{}", serde_json::to_string(&found)?);
    } else {
        print(&found, &machine);
    }
    if found.errors > 0 {
        eprintln!("loadgen: {} clients were not served", found.errors);
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn middle(runs: &[Storm]) -> Storm {
    let median = |pick: &dyn Fn(&Storm) -> f64| trial::median(runs.iter().map(pick));
    let sum = |pick: fn(&Storm) -> u64| runs.iter().map(pick).sum();
    let percentile = |pick: fn(&Latency) -> f64| {
        trial::median(runs.iter().filter_map(|run| run.latency_us.as_ref().map(pick)))
    };
    let is_timed = runs.iter().any(|run| run.latency_us.is_some());
    Storm {
        connected: sum(|run| run.connected),
        failed: sum(|run| run.failed),
        errors: sum(|run| run.errors),
        seconds: median(&|run| run.seconds),
        handshakes_per_second: median(&|run| run.handshakes_per_second),
        latency_us: is_timed.then(|| Latency {
            p50: percentile(|latency| latency.p50),
            p90: percentile(|latency| latency.p90),
            p99: percentile(|latency| latency.p99),
            p999: percentile(|latency| latency.p999),
            max: percentile(|latency| latency.max),
        }),
        cpu_seconds: Ends {
            server: median(&|run| run.cpu_seconds.server),
            client: median(&|run| run.cpu_seconds.client),
        },
        cpu_us_per_handshake: Ends {
            server: median(&|run| run.cpu_us_per_handshake.server),
            client: median(&|run| run.cpu_us_per_handshake.client),
        },
        handshakes_per_server_cpu_second: median(&|run| run.handshakes_per_server_cpu_second),
        rss_bytes: Ends {
            server: median(&|run| run.rss_bytes.server as f64) as u64,
            client: median(&|run| run.rss_bytes.client as f64) as u64,
        },
        ..runs[0].clone()
    }
}

fn once(options: &StormOptions) -> anyhow::Result<Storm> {
    let silent = options.silent();
    let all = options.connections.saturating_add(silent).saturating_add(WARM_UP);
    let bench = Bench::start(&options.common(), Size { connections: all, streams: 1 }, None)?;
    machine::keep_to(&bench.cores)?;
    let (server, client) = (bench.server(), std::process::id());
    push_mux::block_on(async {
        let warm = crowd::warm_up(&bench).await?;
        let connections = options.connections.min(warm.room.saturating_sub(silent));
        anyhow::ensure!(connections > 0, "the limit of open files leaves no room for clients");
        let held = (0..silent).map(|_| say_nothing(&bench.dial.address)).collect::<anyhow::Result<Vec<_>>>();
        let held = held.context("cannot open the silent connections")?;
        let before = Sample::take(server, client);
        let crowd = crowd::connect(&bench.dial, connections, options.in_flight(), FirstCall::Hello).await;
        let after = Sample::take(server, client);
        bench.connected();
        drop((held, warm));
        let ran = Ran { connections, cpu: after.cpu_since(&before), rss: after.rss() };
        Ok(found(options, &crowd, &ran))
    })?
}

struct Ran {
    connections: u32,
    cpu: Ends<f64>,
    rss: Ends<u64>,
}

fn found(options: &StormOptions, crowd: &Crowd, ran: &Ran) -> Storm {
    if let Some(why) = &crowd.complaint {
        eprintln!("loadgen: the first client that was not served: {why}");
    }
    let connected = crowd.clients.len() as f64;
    let each = |seconds: f64| if connected == 0.0 { 0.0 } else { seconds * 1e6 / connected };
    Storm {
        scenario: "storm".to_owned(),
        peer: "push-mux".to_owned(),
        transport: word(options.transport),
        connections: ran.connections,
        connections_wanted: options.connections,
        in_flight: options.in_flight().min(ran.connections),
        silent: options.silent(),
        runs: 1,
        connected: crowd.clients.len() as u64,
        failed: u64::from(crowd.failed),
        seconds: crowd.seconds,
        handshakes_per_second: crowd.per_second(),
        latency_us: crowd.latency.latency(),
        cpu_seconds: ran.cpu,
        cpu_us_per_handshake: Ends { server: each(ran.cpu.server), client: each(ran.cpu.client) },
        handshakes_per_server_cpu_second: connected / ran.cpu.server.max(1e-9),
        rss_bytes: ran.rss,
        errors: u64::from(crowd.failed),
    }
}

/// A connection that stands and on which nothing is ever said.
fn say_nothing(address: &Address) -> anyhow::Result<OwnedFd> {
    let endpoint = address.endpoints().first().context("the server listens nowhere")?;
    Ok(match &endpoint.transport {
        Transport::Net { host, port } | Transport::Ws { host, port, .. } => {
            TcpStream::connect((host.as_str(), *port))?.into()
        }
        Transport::Unix(path) => UnixStream::connect(path)?.into(),
        other => bail!("cannot dial {other:?} and say nothing"),
    })
}

fn print(found: &Storm, machine: &Machine) {
    let Storm { connections, connections_wanted, in_flight, silent, transport, runs, .. } = found;
    println!("{machine}");
    println!(
        "{} over {transport}, {in_flight} at a time, beside {}; medians of {}",
        counted(*connections, "client"),
        counted(*silent, "silent connection"),
        counted(*runs, "run")
    );
    if connections < connections_wanted {
        println!("of {connections_wanted} wanted: the limit of open files leaves room for no more");
    }
    println!("connected {}, failed {}, the last after {:.3} s", found.connected, found.failed, found.seconds);
    if let Some(Latency { p50, p99, max, .. }) = found.latency_us {
        let [p50, p99, max] = [p50, p99, max].map(|micros| micros / 1e3);
        println!("dial to first reply: p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.2} ms");
    }
    let busy = |seconds: f64| 100.0 * seconds / found.seconds.max(1e-9);
    let Ends { server, client } = found.cpu_seconds;
    println!(
        "{} handshakes/s; processor time: server {server:.3} s ({:.0} % of a core), client {client:.3} s ({:.0} %)",
        short(found.handshakes_per_second),
        busy(server),
        busy(client)
    );
    let Ends { server, client } = found.cpu_us_per_handshake;
    println!(
        "processor time of each: server {server:.1} us, client {client:.1} us; {} handshakes per second of server time",
        short(found.handshakes_per_server_cpu_second)
    );
}
