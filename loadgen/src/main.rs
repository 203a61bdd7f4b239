//! Load generator for push-mux.
//!
//! Reading order: [`cli`] for what it does, [`row`] for what comes out, [`load`] and [`server`] for the two sides of
//! `replicate`, `mux`, `idle` and `storm`, [`scenario`] and [`compare`] for the comparison with other multiplexers.

#![forbid(unsafe_code)]

mod cli;
mod compare;
mod feed;
mod latency;
mod load;
mod machine;
mod measure;
mod netns;
mod payload;
mod process;
mod progress;
mod row;
mod scenario;
mod server;
mod table;
mod usage;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, PeerSide};
use crate::compare::peers::Limits;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Replicate(options) => load::replicate(&options),
        Command::Mux(options) => load::mux(&options),
        Command::Idle(options) => load::idle(&options),
        Command::Storm(options) => load::storm(&options),
        Command::Server(options) => server::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Compare(options) => compare::run(&options),
        Command::Peer { side: PeerSide::Serve(options) } => Ok(compare::peers::serve(&options)),
        Command::Peer { side: PeerSide::Drive { peer, port, server_process, patience, deadline } } => {
            let limits = Limits { patience, deadline };
            Ok(compare::peers::drive(&peer, port, server_process, limits))
        }
        Command::Namespace { congestion } => netns::prepare(&congestion).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("loadgen: {error:#}");
        // A run that broke off is as wrong as one with wrong messages; anything else never was a run.
        if error.is::<load::Lost>() { ExitCode::FAILURE } else { ExitCode::from(2) }
    })
}
