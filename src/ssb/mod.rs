//! Secure Scuttlebutt on top of calls: signed messages, the feeds they form, the store that keeps them, and the pub that
//! replicates them with other peers.
//!
//! [`message`], [`ebt`], [`graph`] and [`wants`] are pure: no socket, file, clock or randomness. [`store`] does blocking I/O and
//! knows nothing of shards. `node` joins them on each shard; the plugins beside it are the methods that peers call.
//! Knows nothing of the command line.
//!
//! Contract: what is stored has been verified, once in the whole process, and every stored feed is a prefix of what its author
//! signed; a message that does not verify costs its sender that feed, and nothing else.

mod calls;
pub mod ebt;
pub mod graph;
mod id;
pub mod keeper;
pub mod message;
pub mod metrics;
mod node;
mod options;
mod server;
pub mod store;
pub mod wants;

pub use self::{
    id::{BlobId, IdError, MessageId},
    options::PubOptions,
    server::{Pub, PubError},
};
