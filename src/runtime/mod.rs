//! Sockets, shards and tasks: what drives sessions.
//!
//! One glommio executor runs per core (a *shard*). A connection lives on one shard from accept to close; its *driver*
//! is the one task that joins its socket and its session. Nothing on the path of a message is shared between
//! shards: no lock, no atomic. Knows nothing of methods, manifests or feeds: what the peer opens is handed to a
//! [`Service`].
//!
//! Contract: a peer's fault costs that peer its connection, never the shard; a handler that panics costs its
//! connection; every task started here has ended, and every descriptor is closed, when a shard ends.
//!
//! `unsafe` stands in `io`, `doctor` and `cpus` only.

mod admission;
mod answer;
mod bells;
mod blocklist;
mod clock;
mod connect;
mod connection;
pub mod cpus;
pub mod doctor;
mod driver;
mod error;
mod establish;
mod halves;
pub mod identity_file;
mod io;
mod link;
mod listener;
mod mailbox;
mod mesh;
mod options;
mod peer;
mod reception;
mod requests;
mod scratch;
mod serve;
mod shard;
mod shutdown;
mod socks;
mod tasks;
mod ticket;
mod transport;
mod wakers;
mod worker;

#[cfg(feature = "ssb")]
pub(crate) use self::clock::Clock;
pub use self::{
    admission::HandshakeLimits,
    blocklist::Blocklist,
    connect::connect,
    connection::Connection,
    error::{Error, RecvError, Result, SendError},
    establish::Credentials,
    halves::{RecvStream, SendStream},
    io::{Backend, BackendChoice},
    mesh::Mesh,
    options::{ConnectOptions, ServeOptions},
    peer::{Grant, Peer},
    serve::{Bound, bind, run_shards},
    shard::{Shard, block_on},
    shutdown::Shutdown,
    tasks::Work,
    transport::{TlsAcceptor, TlsConnector, TlsError},
    worker::Worker,
};

#[cfg(feature = "ssb")]
pub(crate) use self::clock::wall_ms;
use crate::{
    mux::{InboundRequest, StreamKey},
    wire::Body,
};

/// What answers the peer of one connection. Called by the driver, between reading and writing: it must not
/// block, and starts a task for whatever has to wait.
pub trait Service: 'static {
    /// A peer has proved who it is, or has come where no proof is asked. `None` refuses: a peer that shakes hands hears
    /// nothing more, not even the end of the handshake.
    fn authorise(&self, _peer: &Peer) -> Option<Grant> {
        Some(std::rc::Rc::new(()))
    }

    /// A connection begins: the first thing it is told, before anything the peer says.
    fn handle_connected(&self, _connection: &Connection) {}

    /// The peer asks. Answer with [`Connection::reply`] or [`Connection::reply_error`].
    fn handle_request(&self, connection: &Connection, request: InboundRequest, body: Body);

    /// The peer opened a stream. Answer with [`Connection::accept`] or [`Connection::refuse`].
    fn handle_opened(&self, connection: &Connection, key: StreamKey, body: Body);
}
