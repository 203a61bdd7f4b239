//! The server that scenarios load: a process of its own, so that its time and memory can be told apart.
//!
//! Prints `{"address":…}` once it listens, and serves until it is killed.

mod fault;
mod history;
mod methods;
mod replica;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use push_mux::mux::{Config, Limits};
use push_mux::runtime::{Credentials, HandshakeLimits, ServeOptions};
use push_mux::{Router, Server};
use serde::{Deserialize, Serialize};

use self::fault::Fault;
use self::history::History;
pub(crate) use self::methods::Stats;
use crate::feed::FeedSet;
use crate::plan::Settings;
use crate::{machine, process};

/// What a server is told by the process that starts it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServerOptions {
    /// Where to listen.
    pub(crate) address: String,
    /// The cores it may use, one for each shard.
    pub(crate) cores: Vec<usize>,
    /// Connections of a shard.
    pub(crate) connections_max: usize,
    /// Streams of a connection, and calls in flight on it.
    pub(crate) streams_max: usize,
    /// Received and unread bytes of a connection.
    pub(crate) receive_max: u64,
    /// The same of a shard.
    pub(crate) receive_shard_max: u64,
    /// What the run is.
    pub(crate) settings: Settings,
    /// What to serve besides.
    pub(crate) feeds: Option<FeedSource>,
    /// Where a pub keeps what it stores, when a pub it is that is loaded.
    #[serde(default)]
    pub(crate) store: Option<PathBuf>,
}

/// Where feed messages come from; both ends of a replication load the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FeedSource {
    /// JSON lines of messages; made up when there is none.
    pub(crate) file: Option<PathBuf>,
    /// How many to take, or to make up.
    pub(crate) messages: Option<u64>,
    /// Seed of those that are made up.
    pub(crate) seed: u64,
}

/// Messages that are made up when neither a file nor a number is given.
const MESSAGES: u64 = 10_000;

impl FeedSource {
    /// The messages.
    pub(crate) fn load(&self) -> anyhow::Result<FeedSet> {
        match &self.file {
            Some(file) => crate::feed::load(file, self.messages),
            None => Ok(crate::feed::make_up(self.messages.unwrap_or(MESSAGES), self.seed)),
        }
    }
}

/// The line that a server prints once it listens.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Listening {
    /// Where, with the port that was chosen.
    pub(crate) address: String,
}

/// Serves until killed.
pub(crate) fn run(options: &ServerOptions) -> anyhow::Result<()> {
    process::die_with_parent();
    machine::raise_open_files()?;
    if !options.cores.is_empty() {
        machine::keep_to(&options.cores)?;
    }
    if let Some(dir) = &options.store {
        return replica::run(options, dir);
    }
    let history = match &options.feeds {
        Some(feeds) => History::new(feeds.load()?),
        None => History::default(),
    };
    let history = Arc::new(history);
    let server = Server::bind_all(&[options.address.parse()?])?.options(serve_options(options)?);
    let address = server.addresses().first().context("the server listens nowhere")?.to_string();
    announce(address)?;
    let fault = Fault::new(options.settings.fault);
    let build = move |_shard: &push_mux::Shard| router(&history, &fault);
    Ok(server.serve(build)?)
}

fn announce(address: String) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(&Listening { address })?);
    Ok(std::io::stdout().flush()?)
}

fn router(history: &Arc<History>, fault: &Fault) -> Router {
    let (served, listed, spoils) = (Arc::clone(history), Arc::clone(history), fault.clone());
    let router = Router::new()
        .on_source("createHistoryStream", async move |call, tx: &mut _| {
            history::serve(&served, &spoils, &call, tx).await
        })
        .on_async("feeds", async move |_call| Ok(listed.authors()));
    methods::register(router, fault)
}

fn serve_options(options: &ServerOptions) -> anyhow::Result<ServeOptions> {
    let limits = Limits {
        streams_open_max: options.streams_max,
        requests_in_max: options.streams_max,
        receive_bytes_max: options.receive_max,
        ..Limits::default()
    };
    let settings = &options.settings;
    Ok(ServeOptions {
        shards: Some(settings.shards as usize),
        session: Config {
            credit: settings.credit,
            control: settings.credit_mode.control(),
            limits,
            ..Config::default()
        },
        congestion: settings.congestion.clone(),
        connections_max: options.connections_max,
        receive_bytes_max: options.receive_shard_max,
        // Asked for by those that shake hands, and drawn anew for each server: clients learn it from the address.
        credentials: Some(Credentials::anonymous()?),
        // All load comes from one address.
        handshake: HandshakeLimits { rate_per_source_max: 0, ..HandshakeLimits::default() },
        ..ServeOptions::default()
    })
}
