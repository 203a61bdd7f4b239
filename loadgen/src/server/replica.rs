//! The pub that signed feeds are replicated through: the real one, with its store in a directory of the run.

use std::path::Path;

use anyhow::Context;
use push_mux::runtime::Credentials;
use push_mux::ssb::{Pub, PubOptions};

use super::{ServerOptions, announce, serve_options};
use crate::feed::{Holder, keypair};

/// Serves until stopped.
pub(super) fn run(options: &ServerOptions, dir: &Path) -> anyhow::Result<()> {
    let settings = &options.settings;
    let mut serve = serve_options(options)?;
    serve.credentials = Some(Credentials::new(keypair(settings.seed, Holder::Server, 0)));
    let authors = (0..settings.feeds).map(|number| keypair(settings.seed, Holder::Author, number).public());
    let wanted = PubOptions { serve, replicate: authors.collect(), ..PubOptions::new(dir) };
    let server = Pub::bind(wanted, &[options.address.parse()?])?;
    announce(server.addresses().first().context("the pub listens nowhere")?.to_string())?;
    Ok(server.serve()?)
}
