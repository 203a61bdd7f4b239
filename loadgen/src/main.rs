//! Load generator for push-mux.
//!
//! Reading order: [`cli`] for what it does, [`scenario`] and [`row`] for what goes in and what comes out,
//! [`compare`] for the comparison with other multiplexers.

#![forbid(unsafe_code)]

mod cli;
mod compare;
#[expect(dead_code, unused_imports, reason = "the replication workers read it")]
mod feed;
mod latency;
mod machine;
mod measure;
mod netns;
mod process;
mod progress;
mod row;
mod scenario;
mod table;
mod usage;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, PeerSide};
use crate::compare::peers::Limits;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Replicate(_) | Command::Mux(_) => {
            Err(anyhow::anyhow!("this mode is not part of this build"))
        }
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
        ExitCode::from(2)
    })
}
