//! From the options in effect to a server that runs.

use super::resolve::Resolved;
use push_mux::{
    Address,
    runtime::{Credentials, TlsAcceptor, identity_file},
    ssb::{
        Pub,
        metrics::{Board, MetricsServer},
    },
};
use std::{io::Write, sync::Arc};

/// Runs the server until it is told to stop.
pub(crate) fn start(mut resolved: Resolved) -> Result<(), String> {
    load_keys(&mut resolved)?;
    let listeners = resolved.listeners();
    let server = Pub::bind(resolved.options.clone(), &listeners).map_err(|error| error.to_string())?;
    let _metrics = serve_metrics(&resolved, &server.board())?;
    announce(&server.addresses())?;
    server.serve().map_err(|error| error.to_string())
}

/// Loads the identity, which is made at the first start, and the certificate.
fn load_keys(resolved: &mut Resolved) -> Result<(), String> {
    let path = resolved.secret();
    let is_new = !path.exists();
    let identity = identity_file::load_or_create(&path, identity_file::draw_seed);
    let identity = identity.map_err(|error| error.to_string())?;
    if is_new {
        tracing::info!(id = %identity.public(), file = %path.display(), "made a new identity");
    }
    resolved.options.serve.credentials =
        Some(Credentials { identity: Arc::new(identity), network: resolved.network.clone() });
    if let (Some(certificate), Some(key)) = (&resolved.tls_certificate, &resolved.tls_key) {
        let tls = TlsAcceptor::from_pem(certificate, key).map_err(|error| error.to_string())?;
        resolved.options.serve.tls = Some(tls);
    }
    Ok(())
}

/// Answers whoever watches, where that is wanted. Shards put what they count on the board.
fn serve_metrics(resolved: &Resolved, board: &Board) -> Result<Option<MetricsServer>, String> {
    let Some(address) = resolved.metrics else { return Ok(None) };
    let (pages, health) = (board.clone(), board.clone());
    let server = MetricsServer::start(address, move || pages.render(), move || health.health())
        .map_err(|error| format!("cannot serve metrics on {address}: {error}"))?;
    tracing::info!(address = %server.address(), "metrics are served");
    Ok(Some(server))
}

/// One line for each listener: what peers dial, and nothing else. Whoever started us waits for these.
fn announce(addresses: &[Address]) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    let written = addresses.iter().try_for_each(|address| writeln!(out, "{address}"));
    written.and_then(|()| out.flush()).map_err(|error| format!("standard output: {error}"))
}
