//! `loadgen mux --scenario shards`: what a second shard costs the server for each message.

use std::process::ExitCode;

use serde::Serialize;

use super::bench::Size;
use super::trial::{self, median, spread};
use crate::cli::{MuxOptions, word};
use crate::compare::summary::Spread;
use crate::machine::{self, Machine};
use crate::row::Row;
use crate::table::{counted, short};

/// Connections when nothing is said: one for each shard.
const CONNECTIONS: u32 = 2;

/// How much more than with one shard a message may cost.
const RATIO_MAX: f64 = 1.1;

/// The object that `--json` prints.
#[derive(Debug, Serialize)]
struct Shards {
    scenario: &'static str,
    peer: &'static str,
    transport: String,
    connections: u32,
    streams: u32,
    body_bytes: u32,
    runs: u32,
    one: Side,
    two: Side,
    /// Server time for a message with two shards over that with one, over rounds.
    ratio: Spread,
    ratio_limit: f64,
    errors: u64,
}

/// Medians with one number of shards.
#[derive(Debug, Serialize)]
struct Side {
    server_cpu_us_per_message: f64,
    messages_per_second: f64,
}

impl Side {
    fn of(rows: &[Row]) -> Self {
        Self {
            server_cpu_us_per_message: median(rows.iter().map(|row| row.cpu_us_per_message().server)),
            messages_per_second: median(rows.iter().map(|row| row.messages_per_second)),
        }
    }
}

/// Runs it.
pub(crate) fn run(options: &MuxOptions) -> anyhow::Result<ExitCode> {
    let cores = machine::allowed_cores()?.len();
    anyhow::ensure!(cores >= 2, "two shards need two cores, and this process may use one");
    let size = Size::new(&options.common, CONNECTIONS, 1);
    let line = |shards: usize| {
        let mut options = options.clone();
        options.common.shards = shards;
        let mut line = trial::arguments(&options, "source", size);
        line.push("--light".to_owned());
        line
    };
    let [one, two] = trial::alternate::<Row>(options, [("one shard", line(1)), ("two shards", line(2))])?;
    let rounds = one.iter().zip(&two);
    let found = Shards {
        scenario: "shards",
        peer: "push-mux",
        transport: word(options.common.transport),
        connections: size.connections,
        streams: size.streams,
        body_bytes: options.body,
        runs: options.runs,
        one: Side::of(&one),
        two: Side::of(&two),
        ratio: spread(
            rounds.map(|(one, two)| two.cpu_us_per_message().server / one.cpu_us_per_message().server),
        ),
        ratio_limit: RATIO_MAX,
        errors: one.iter().chain(&two).map(|row| row.errors).sum(),
    };
    if options.common.json {
        println!("{}", serde_json::to_string(&found)?);
    } else {
        print(&found);
    }
    Ok(trial::verdict(found.errors))
}

fn print(found: &Shards) {
    let (streams, connections) = (counted(found.streams, "source"), counted(found.connections, "connection"));
    let (body, runs) = (found.body_bytes, counted(found.runs, "run"));
    println!("{}", Machine::here());
    println!("{streams} of {body}-byte messages on each of {connections}, medians of {runs}");
    for (what, side) in [("one shard", &found.one), ("two shards", &found.two)] {
        println!(
            "{what:10} {:.4} us of server time a message, {:>6} msg/s",
            side.server_cpu_us_per_message,
            short(side.messages_per_second)
        );
    }
    let Spread { median, min, max } = found.ratio;
    println!(
        "ratio {median:.3} (rounds: {min:.3} to {max:.3}), at most {RATIO_MAX:.2} is wanted: {}",
        if median <= RATIO_MAX { "met" } else { "not met" }
    );
}
