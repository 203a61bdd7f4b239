//! The `push-mux` command: a pub and what its operator needs, a demo server, a client for any muxrpc peer, our identity, and a
//! check of the machine.

#![forbid(unsafe_code)]

mod admin;
mod call;
mod demo;
mod keys;
mod options;
mod serve;
mod transport;
mod verify;

use clap::{Parser, Subcommand};
use push_mux::runtime::doctor::{Needs, examine};
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "push-mux",
    version,
    about = "A Secure Scuttlebutt pub, and a muxrpc server and client with flow control"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a pub.
    Serve(Box<serve::ServeArgs>),
    /// Make invites to a running pub.
    Invite(admin::InviteArgs),
    /// List whom a running pub is connected to.
    Peers(admin::PeersArgs),
    /// List the feeds that a running pub keeps, and how far behind they are.
    Feeds(admin::FeedsArgs),
    /// Say how a running pub is doing.
    Status(admin::StatusArgs),
    /// Have a running pub store messages from a file.
    Import(admin::ImportArgs),
    /// Print the messages of a running pub, one a line.
    Export(admin::ExportArgs),
    /// Have a running pub publish a message on its own feed, and print it.
    Publish(admin::PublishArgs),
    /// Have a running pub block a feed.
    Block(admin::FeedArgs),
    /// Take a block back.
    Unblock(admin::FeedArgs),
    /// Serve one method of each kind, to try any client against.
    Demo(demo::DemoArgs),
    /// Call a method of a peer.
    Call(call::CallArgs),
    /// Make an identity and print its id; refuses where one is.
    Keygen(keys::KeygenArgs),
    /// Print the id of our identity.
    Whoami(keys::WhoamiArgs),
    /// Verify a file of messages and how they follow each other, on one core.
    Verify(verify::VerifyArgs),
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
    let command = Cli::parse().command;
    // A server has options for its log.
    if !matches!(command, Command::Serve(_)) {
        let filter = tracing_subscriber::EnvFilter::try_from_env("PUSH_MUX_LOG");
        tracing_subscriber::fmt()
            .with_env_filter(filter.unwrap_or_else(|_| "push_mux=info".into()))
            .with_writer(std::io::stderr)
            .init();
    }
    let ended = match command {
        Command::Serve(args) => serve::run(&args),
        Command::Invite(args) => admin::invite(&args),
        Command::Peers(args) => admin::peers(&args),
        Command::Feeds(args) => admin::feeds(&args),
        Command::Status(args) => admin::status(&args),
        Command::Import(args) => admin::import(&args),
        Command::Export(args) => admin::export(&args),
        Command::Publish(args) => admin::publish(&args),
        Command::Block(args) => admin::block(&args),
        Command::Unblock(args) => admin::unblock(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Call(args) => call::run(&args),
        Command::Keygen(args) => keys::keygen(&args),
        Command::Whoami(args) => keys::whoami(&args),
        Command::Verify(args) => verify::run(&args),
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
