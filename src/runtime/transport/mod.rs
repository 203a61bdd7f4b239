//! What may lie between the socket and the session: TLS and WebSocket, as machines over buffers.
//!
//! A [`Stage`] turns bytes of the line below it into bytes of the line above it and back. Stages hold no socket, start
//! no task and read no clock; whoever drives a connection stacks them and bounds how long their handshakes may take.
//!
//! Contract: payload is handed up as it arrives, so a length in the clear allocates nothing, and a stage at rest
//! between two frames or records holds no payload buffer (TLS keeps one of 4 KiB).

mod frames;
mod stage;
mod tls;
mod tls_config;
mod trust;
mod upgrade;
mod ws;

#[cfg(test)]
mod tests;

#[cfg(test)]
use self::tls_config::{client_config, server_config};
pub(crate) use self::{
    stage::{Incoming, Stage, StageError},
    tls::TlsStage,
    ws::{WsLimits, WsStage},
};
pub use self::{
    tls_config::TlsError,
    trust::{TlsAcceptor, TlsConnector},
};
