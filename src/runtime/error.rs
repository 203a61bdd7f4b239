use super::{cpus::CpuError, doctor::Unfit};
use crate::secret::AddressError;
use crate::{
    mux::{RefusedSend, SessionError},
    wire::Body,
};
use std::io;

/// Why a server or client could not start or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The machine lacks something; says what, and the remedy.
    #[error("{0}")]
    Unfit(#[from] Unfit),
    /// No such set of CPUs.
    #[error("{0}")]
    Cpus(#[from] CpuError),
    /// An address that cannot be read.
    #[error("{0}")]
    Address(#[from] AddressError),
    /// A socket could not be opened or bound.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// What came of it.
        error: io::Error,
    },
    /// An executor could not be made, or died.
    #[error("the runtime failed: {0}")]
    Runtime(String),
    /// A connection is asked for outside a shard and outside [`block_on`](crate::block_on).
    #[error("there is no runtime here: connect from a handler, or inside `push_mux::block_on`")]
    NoRuntime,
    /// The handshake with the peer failed.
    #[error("the handshake with {address} failed: {reason}")]
    Handshake {
        /// Who was dialled.
        address: String,
        /// What came of it.
        reason: String,
    },
    /// An address asks for what the options lack.
    #[error("{0}")]
    Options(String),
    /// The session ended.
    #[error("{0}")]
    Session(#[from] SessionError),
}

impl Error {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::Io { what, error }
    }
}

/// Short for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a body was not sent. The stream is over after any of these but the first two.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct SendError(#[from] pub RefusedSend);

/// Why no further body will come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// The peer ended the stream with this error body.
    #[error("the peer ended the stream with an error")]
    Peer(Body),
    /// The session ended before the stream did.
    #[error("{0}")]
    Session(#[from] SessionError),
}
