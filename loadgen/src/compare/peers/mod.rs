//! The multiplexers that are compared, one file or folder each.
//!
//! A peer is a [`Peer`] and a line in [`all`]. Its server and its client run in processes of their own, so nothing
//! needs to be shut down with care; the server must live until the client is gone, because the client samples it.

mod common;
mod h2;
mod js;
mod push_mux;
mod quinn;
mod request;
mod streams;
mod tcp;
mod yamux;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;

use super::failure::Failure;
use super::work::{Windows, Work};
use crate::cli::PeerOptions;
use crate::machine;
use crate::measure::{Measured, Meter};
use crate::process;
use crate::record::outcome::Outcome;

/// One implementation of the work that is compared.
///
/// Each message is numbered in its first four bytes and is sent by one call of the implementation's API.
/// - Source: the client opens `streams` streams and asks on each for `each` messages, and checks them by
///   [`Check`](super::verify::Check).
/// - Sink: the client sends `each` messages on each of `streams` streams. The server checks them in the same way and
///   answers at the end what it saw; that is what the client reports, with the missing ones as errors.
/// - Ping-pong: the client keeps `depth` messages on their way on each of `streams` streams, and checks that each comes
///   back as it was; each has a latency.
/// - Async: the client makes `each` calls, `depth` of them in flight, with a numbered body, and checks the reply, which
///   is the same bytes; each has a latency.
pub(crate) trait Peer: Sync {
    /// What `--peer` takes and rows bear.
    fn name(&self) -> &'static str;

    /// Runtime, windows and buffers at those windows: what a reader must know to call the comparison fair. One line.
    fn settings(&self, windows: Windows) -> String;

    /// Why it cannot do this work on this machine, if it cannot.
    fn refuses(&self, _work: &Work) -> Option<String> {
        None
    }

    /// Listens on a loopback port chosen by the system, announces it by
    /// [`Ready::announce`](super::trial::Ready::announce) and serves one connection.
    ///
    /// Called on a thread that is pinned already. Stays until the client disconnects, or for ever.
    fn serve(&self, work: &Work) -> anyhow::Result<()>;

    /// Connects, starts the meter, does the work and finishes the meter at the last message.
    fn drive(&self, work: &Work, server: SocketAddr, meter: &Meter) -> anyhow::Result<Measured>;
}

/// Every peer, in the order of the tables.
pub(crate) fn all() -> &'static [&'static dyn Peer] {
    &[
        &push_mux::PLAIN,
        &push_mux::SHS,
        &tcp::PLAIN,
        &tcp::COALESCED,
        &h2::H2,
        &yamux::Yamux,
        &quinn::Quinn,
        &js::PUSH_MUX,
        &js::MUXRPC,
        &js::MUXRPC_SHS,
    ]
}

/// Room for the streams of all common work, for peers that must be told a limit.
const MOST_STREAMS: u32 = 16_384;

/// Of one stream, where windows are equal.
const STREAM_WINDOW: u32 = 1 << 20;

/// Of all streams of a connection together, where windows are equal.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// A server that may use any loopback port.
const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// Runs the server's side of a run.
pub(crate) fn serve(options: &PeerOptions) -> ExitCode {
    process::die_with_parent();
    match prepare(options).and_then(|(peer, work)| peer.serve(&work)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// How long a client waits, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// For the next message.
    pub(crate) patience: f64,
    /// For the whole run.
    pub(crate) deadline: f64,
}

/// Runs the client's side of a run and prints an outcome, or a failure.
pub(crate) fn drive(options: &PeerOptions, port: u16, server_process: u32, limits: Limits) -> ExitCode {
    process::die_with_parent();
    let outcome = prepare(options).and_then(|(peer, work)| {
        let patience = Duration::try_from_secs_f64(limits.patience).context("--patience is not a time")?;
        let deadline = Duration::try_from_secs_f64(limits.deadline).context("--deadline is not a time")?;
        let meter = Meter::new(server_process, patience, deadline);
        let measured = peer.drive(&work, SocketAddr::from((Ipv4Addr::LOCALHOST, port)), &meter)?;
        Ok(serde_json::to_string(&Outcome::from(measured))?)
    });
    match outcome {
        Ok(outcome) => {
            println!("{outcome}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let failure = error.downcast().unwrap_or_else(|error| Failure::broken(format_args!("{error:#}")));
            failure.print();
            ExitCode::FAILURE
        }
    }
}

fn prepare(options: &PeerOptions) -> anyhow::Result<(&'static dyn Peer, Work)> {
    let peer = all().iter().find(|peer| peer.name() == options.peer).context("no such peer")?;
    if let Some(core) = options.core {
        machine::pin(core)?;
    }
    Ok((*peer, options.work))
}

/// A runtime that stays on the thread that runs it.
fn one_thread() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}
