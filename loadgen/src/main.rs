//! Load generator for push-mux.
//!
//! Reading order: [`cli`] for what it does, [`scenario`] for what can be run, [`plan`] for what a run is, [`light`] for the client
//! that drives it and [`framework`] for the other one, [`gossip`] for peers of a pub, [`server`] for what is driven; [`record`] for what is measured,
//! [`report`] for what comes out; [`compare`] for other multiplexers.

#![forbid(unsafe_code)]

mod cli;
mod compare;
mod delay;
mod feed;
mod framework;
mod gossip;
mod light;
mod machine;
mod measure;
mod netns;
mod payload;
mod plan;
mod process;
mod progress;
mod record;
mod report;
mod run;
mod scenario;
mod server;
mod verification;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, PeerSide};
use crate::compare::peers::Limits;

fn main() -> ExitCode {
    obey(Cli::parse().command).unwrap_or_else(|error| {
        eprintln!("loadgen: {error:#}");
        ExitCode::from(2)
    })
}

fn obey(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List => run::list(),
        Command::Run(options) => return run::run(&options),
        Command::Replicate(options) => return run::run(&(*options).into()),
        Command::Compare(options) => return compare::run(&options),
        Command::Verify(options) => return verification::run(&options),
        Command::Diff(options) => return report::diff::run(&options),
        Command::Serve { options } => server::run(&serde_json::from_str(&options)?)?,
        Command::Drive { job } => return run::drive(&job),
        Command::Relay { options } => delay::relay(serde_json::from_str(&options)?)?,
        Command::Peer { side: PeerSide::Serve(options) } => return Ok(compare::peers::serve(&options)),
        Command::Peer { side: PeerSide::Drive { peer, port, server_process, patience, deadline } } => {
            return Ok(compare::peers::drive(&peer, port, server_process, Limits { patience, deadline }));
        }
        Command::Namespace { congestion } => netns::prepare(&congestion)?,
    }
    Ok(ExitCode::SUCCESS)
}
