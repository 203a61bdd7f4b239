//! Calls: kinds, handlers, the router, permissions, typed arguments, and the client.
//!
//! A call is one RPC by name. Its kind is as its *caller* sees it: `async` and `sync` are answered once, a `source` sends
//! to the caller, a `sink` listens, a `duplex` does both. Knows nothing of Secure Scuttlebutt.
//!
//! Contract: every call is answered. Unknown and forbidden methods, the wrong kind, arguments that do not fit and too many
//! calls get an error, in words that peers test for; silence never. The value that a handler returns is the end frame of its
//! stream; dropping a handler's future is cancelling it.

#![forbid(unsafe_code)]

mod call;
mod client;
mod credit_mode;
mod error;
mod handler;
mod manifest;
mod observe;
mod opening;
mod permissions;
mod reply;
mod router;
mod serve;
mod server;

pub use self::{
    call::Call,
    client::{Client, ClientOptions, SinkCall},
    credit_mode::CreditMode,
    error::{CallError, ErrorObject},
    handler::{AsyncHandler, DuplexHandler, SinkHandler, SourceHandler},
    manifest::Manifest,
    observe::{CallEnd, CallObserver, Observer, Outcome},
    opening::Kind,
    permissions::{Access, Permissions},
    reply::{IntoReply, Json},
    router::{Plugin, Router},
    server::Server,
};
#[cfg(feature = "ssb")]
pub(crate) use self::{serve::Dispatch, server::KEEPALIVE};
pub use crate::runtime::block_on;
