//! `loadgen idle`: what a connection costs while nothing happens on it.

use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bench::{Bench, Size};
use super::crowd::{self, FirstCall, WARM_UP};
use super::trial;
use crate::cli::{IdleOptions, word};
use crate::machine::{self, Machine};
use crate::row::Ends;
use crate::table::{counted, short};
use crate::usage::{grown, resident};

/// Clients that connect at the same time.
const IN_FLIGHT: u32 = 256;

/// How long a run may take.
const RUN_MAX: Duration = Duration::from_secs(300);

/// What came out; the object that `--json` prints.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Idle {
    scenario: String,
    peer: String,
    transport: String,
    /// Those that were made.
    connections: u32,
    /// Those that were asked for: more, when the limit of open files is too low for them.
    connections_wanted: u32,
    runs: u32,
    /// Resident bytes that each connection added. What the kernel keeps for its socket is not in it.
    rss_bytes_per_connection: Ends<u64>,
    /// Descriptors that each connection takes.
    descriptors_per_connection: Ends<u64>,
    /// While connecting: handshake and one call each.
    connections_per_second: f64,
    /// Connections that did not answer at the end.
    errors: u64,
}

/// Runs it.
pub(crate) fn run(options: &IdleOptions) -> anyhow::Result<ExitCode> {
    // Before this process is kept to some of its cores.
    let machine = Machine::here();
    let mut found = if options.runs == 1 {
        once(options)?
    } else {
        let runs = (0..options.runs).map(|_| trial::run_within(RUN_MAX, &options.arguments()));
        middle(&runs.collect::<anyhow::Result<Vec<Idle>>>()?)
    };
    found.runs = options.runs;
    if options.json {
        println!("{}", serde_json::to_string(&found)?);
    } else {
        print(&found, &machine);
    }
    if found.errors > 0 {
        eprintln!("loadgen: {} connections no longer answer", found.errors);
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn middle(runs: &[Idle]) -> Idle {
    let median = |pick: fn(&Idle) -> f64| trial::median(runs.iter().map(pick));
    Idle {
        connections: runs.iter().map(|run| run.connections).min().unwrap_or_default(),
        rss_bytes_per_connection: Ends {
            server: median(|run| run.rss_bytes_per_connection.server as f64).round() as u64,
            client: median(|run| run.rss_bytes_per_connection.client as f64).round() as u64,
        },
        connections_per_second: median(|run| run.connections_per_second),
        errors: runs.iter().map(|run| run.errors).sum(),
        ..runs[0].clone()
    }
}

fn once(options: &IdleOptions) -> anyhow::Result<Idle> {
    let size = Size { connections: options.connections.saturating_add(WARM_UP), streams: 1 };
    let bench = Bench::start(&options.common(), size, None)?;
    machine::keep_to(&bench.cores)?;
    let server = bench.server();
    push_mux::block_on(async {
        let warm = crowd::warm_up(&bench).await?;
        let connections = options.connections.min(warm.room);
        anyhow::ensure!(connections > 0, "the limit of open files leaves no room for connections");
        let before = resident(server);
        let crowd = crowd::connect(&bench.dial, connections, IN_FLIGHT, FirstCall::Hello).await.whole()?;
        bench.connected();
        crowd::at_rest(server).await;
        let grown = grown(before, resident(server));
        let unanswered = crowd::unanswered(&warm.clients).await + crowd::unanswered(&crowd.clients).await;
        Ok(Idle {
            scenario: "idle-connections".to_owned(),
            peer: "push-mux".to_owned(),
            transport: word(options.transport),
            connections,
            connections_wanted: options.connections,
            runs: 1,
            rss_bytes_per_connection: Ends {
                server: grown.server / u64::from(connections),
                client: grown.client / u64::from(connections),
            },
            descriptors_per_connection: warm.descriptors,
            connections_per_second: crowd.per_second(),
            errors: unanswered,
        })
    })?
}

fn print(found: &Idle, machine: &Machine) {
    let Idle { connections, connections_wanted, transport, runs, .. } = found;
    let runs = counted(*runs, "run");
    println!("{machine}");
    println!("{} over {transport}, median of {runs}", counted(*connections, "idle connection"));
    let Ends { server, client } = found.descriptors_per_connection;
    println!("descriptors of each: server {server}, client {client}");
    if connections < connections_wanted {
        println!("of {connections_wanted} wanted: the limit of open files leaves room for no more");
    }
    let Ends { server, client } = found.rss_bytes_per_connection;
    println!("bytes of resident memory for each connection: server {server}, client {client}");
    println!("while connecting: {} connections/s", short(found.connections_per_second));
}
