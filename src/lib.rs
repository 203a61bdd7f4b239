//! A thread-per-core muxrpc server framework with credit-based flow control.
//!
//! muxrpc multiplexes requests and streams over one connection; push-mux adds a credit per stream, so that a slow
//! reader costs its own stream and nothing else. The crate speaks both, byte for byte as the JavaScript `muxrpc` 8 and
//! `push-mux` 1.0.7 do. One glommio executor runs per core; a connection lives on one of them and handlers need
//! not be `Send`.
//!
#![cfg_attr(feature = "runtime", doc = "```no_run")]
#![cfg_attr(not(feature = "runtime"), doc = "```ignore")]
//! use push_mux::{Call, CallError, Router, Server};
//!
//! async fn hello(call: Call) -> Result<String, CallError> {
//!     let name: String = call.arg(0)?;
//!     Ok(format!("hello, {name}!"))
//! }
//!
//! fn main() -> push_mux::Result<()> {
//!     Server::bind("net:127.0.0.1:8008")?.serve(|_shard| Router::new().on_async("hello", hello))
//! }
//! ```
//!
//! The layers, each of which may name only itself and those before it: [`wire`], [`flow`], [`mux`], [`secret`] (pure: no
//! socket, clock or randomness; all that remains with `--no-default-features`), then [`runtime`], [`rpc`] and, for a pub,
//! `ssb`.

#![cfg_attr(not(feature = "runtime"), forbid(unsafe_code))]

pub mod flow;
pub mod mux;
pub mod secret;
pub mod wire;

#[cfg(feature = "runtime")]
pub mod rpc;
#[cfg(feature = "runtime")]
pub mod runtime;
#[cfg(feature = "ssb")]
pub mod ssb;
#[cfg(feature = "runtime")]
pub use crate::{
    rpc::{
        Access, AsyncHandler, Call, CallError, Client, ClientOptions, CreditMode, DuplexHandler, Json,
        Permissions, Plugin, Router, Server, SinkHandler, SourceHandler, block_on,
    },
    runtime::{Error, RecvError, RecvStream, Result, SendError, SendStream, Shard},
    secret::{Address, Keypair, PublicKey},
    wire::{Body, BodyKind},
};
