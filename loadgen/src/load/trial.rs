//! Runs of this very program as a whole, so that each begins with fresh processes; and their medians.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde::de::DeserializeOwned;

use super::bench::{Lost, Size};
use crate::cli::{CommonOptions, MuxOptions, word};
use crate::compare::summary::Spread;
use crate::process::{Silence, Worker};
use crate::progress::Progress;

/// How long a run may take beyond its own time.
const SLACK: Duration = Duration::from_secs(60);

/// What runs of a scenario have in common on the command line.
pub(crate) fn arguments(options: &MuxOptions, scenario: &str, size: Size) -> Vec<String> {
    let CommonOptions { shards, credit, credit_mode, receive_max, transport, congestion, .. } =
        &options.common;
    let mut line: Vec<String> =
        ["mux", "--json", "--runs", "1", "--scenario", scenario].map(str::to_owned).into();
    let mut option = |name: &str, value: String| line.extend([format!("--{name}"), value]);
    option("body", options.body.to_string());
    option("connections", size.connections.to_string());
    option("streams", size.streams.to_string());
    option("shards", shards.to_string());
    option("credit", credit.to_string());
    option("credit-mode", credit_mode.to_string());
    option("transport", word(*transport));
    match options.messages {
        Some(messages) => option("messages", messages.to_string()),
        None => option("seconds", options.seconds.to_string()),
    }
    if let Some(bytes) = receive_max {
        option("receive-max", bytes.to_string());
    }
    if let Some(name) = congestion {
        option("congestion", name.clone());
    }
    line.extend(options.common.fault.then(|| "--fault".to_owned()));
    line
}

/// Runs it and reads the object that it prints.
pub(crate) fn run<T: DeserializeOwned>(options: &MuxOptions, line: &[String]) -> anyhow::Result<T> {
    run_within(SLACK + Duration::from_secs_f64(options.seconds), line)
}

/// The same for a run that may take so long. One with errors prints its object too, and counts them in it.
pub(crate) fn run_within<T: DeserializeOwned>(deadline: Duration, line: &[String]) -> anyhow::Result<T> {
    let mut worker = Worker::again(line)?;
    match worker.line(deadline) {
        Ok(line) => serde_json::from_str(&line).with_context(|| format!("a run said {line:?}")),
        Err(Silence::Ended) => Err(Lost(format!("a run failed: {}", worker.end())).into()),
        Err(Silence::TimedOut) => {
            let seconds = deadline.as_secs();
            Err(Lost(format!("a run was not done after {seconds} s: {}", worker.end())).into())
        }
    }
}

/// Runs two command lines in turns, the first one first in every other round.
pub(crate) fn alternate<T: DeserializeOwned>(
    options: &MuxOptions,
    lines: [(&str, Vec<String>); 2],
) -> anyhow::Result<[Vec<T>; 2]> {
    let progress = Progress::new(u64::from(options.runs) * 2);
    let mut results = [Vec::new(), Vec::new()];
    for round in 0..options.runs as usize {
        for turn in 0..2 {
            let at = (round + turn) % 2;
            let (name, line) = &lines[at];
            progress.say(name);
            results[at].push(run(options, line)?);
            progress.advance(1);
        }
    }
    Ok(results)
}

/// The spread of figures of runs, of which there is at least one.
pub(crate) fn spread(figures: impl IntoIterator<Item = f64>) -> Spread {
    Spread::of(figures).unwrap_or(Spread { median: 0.0, min: 0.0, max: 0.0 })
}

/// The figure in the middle.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    spread(figures).median
}

/// The exit status of runs with so many wrong messages.
pub(crate) fn verdict(errors: u64) -> ExitCode {
    if errors == 0 {
        return ExitCode::SUCCESS;
    }
    eprintln!("loadgen: {errors} messages are wrong or missing");
    ExitCode::FAILURE
}
