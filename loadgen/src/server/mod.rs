//! The server of `replicate`, `mux`, `idle` and `storm`: a process of its own, so that its time and memory can be told apart.
//!
//! Prints `{"address":…}` once it listens, and serves until it is killed.

mod fault;
mod history;
mod methods;

use std::io::Write;
use std::sync::Arc;

use anyhow::Context;
use push_mux::mux::{Config, Limits};
use push_mux::runtime::{Credentials, HandshakeLimits, ServeOptions};
use push_mux::{Router, Server};
use serde::{Deserialize, Serialize};

use self::fault::Fault;
use self::history::History;
pub(crate) use self::methods::Stats;
use crate::cli::ServerOptions;
use crate::{machine, process};

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
    let history = if options.feeds { History::new(options.feed.load()?) } else { History::default() };
    let history = Arc::new(history);
    let server = Server::bind_all(std::slice::from_ref(&options.address))?.options(serve_options(options)?);
    let address = server.addresses().first().context("the server listens nowhere")?.to_string();
    println!("{}", serde_json::to_string(&Listening { address })?);
    std::io::stdout().flush()?;
    let fault = Fault::new(options.fault);
    let build = move |_shard: &push_mux::Shard| router(&history, &fault);
    Ok(server.serve(build)?)
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
    Ok(ServeOptions {
        shards: (options.shards > 0).then_some(options.shards),
        session: Config {
            credit: options.credit,
            control: options.credit_mode.control(),
            limits,
            ..Config::default()
        },
        congestion: options.congestion.clone(),
        connections_max: options.connections_max,
        receive_bytes_max: options.receive_shard_max,
        // Asked for by those that shake hands, and drawn anew for each server: clients learn it from the address.
        credentials: Some(Credentials::anonymous()?),
        // All load comes from one address.
        handshake: HandshakeLimits { rate_per_source_max: 0, ..HandshakeLimits::default() },
        ..ServeOptions::default()
    })
}
