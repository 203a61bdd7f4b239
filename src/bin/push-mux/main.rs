//! The `push-mux` command: a demo server, a client for any muxrpc peer, our identity, and a check of the machine.

#![forbid(unsafe_code)]

mod call;
mod demo;
mod keys;
mod options;
mod transport;

use clap::{Parser, Subcommand};
use push_mux::runtime::doctor::{Needs, examine};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "push-mux", version, about = "A muxrpc server and client with flow control")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve one method of each kind, to try any client against.
    Demo(demo::DemoArgs),
    /// Call a method of a peer.
    Call(call::CallArgs),
    /// Make an identity and print its id; refuses where one is.
    Keygen(keys::KeygenArgs),
    /// Print the id of our identity.
    Whoami(keys::WhoamiArgs),
    /// Say what this machine lacks to run a server, and the remedy.
    Doctor(DoctorArgs),
}

#[derive(clap::Args)]
struct DoctorArgs {
    /// Shards the server shall have.
    #[arg(long)]
    shards: Option<usize>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("PUSH_MUX_LOG");
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| "push_mux=info".into()))
        .with_writer(std::io::stderr)
        .init();
    let ended = match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Call(args) => call::run(&args),
        Command::Keygen(args) => keys::keygen(&args),
        Command::Whoami(args) => keys::whoami(&args),
        Command::Doctor(args) => return doctor(&args),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn doctor(args: &DoctorArgs) -> ExitCode {
    let report = examine(&Needs { shards: args.shards, ..Needs::default() });
    if args.json {
        println!("{}", report.to_json());
    } else {
        print!("{report}");
    }
    ExitCode::from(report.exit_code())
}
