//! Load on a server of our own: `loadgen replicate`, `mux`, `idle` and `storm`.
//!
//! [`mod@bench`] starts the server in a process of its own and shares the cores out; [`fleet`] runs the clients, an executor
//! on each core, and measures; [`mod@replicate`], [`streams`] and [`light`] are the work that they do. [`mod@idle`], [`mod@isolation`]
//! and [`mod@shards`] put several runs side by side, each in fresh processes ([`trial`]). [`idle_connections`] and [`mod@storm`] are about
//! the connections themselves, of which [`crowd`] makes many.

mod bench;
mod crowd;
mod fleet;
mod idle;
mod idle_connections;
mod isolation;
mod ledger;
mod light;
mod mux;
mod replicate;
mod report;
mod shards;
mod storm;
mod streams;
mod trial;

pub(crate) use self::bench::Lost;
pub(crate) use self::idle_connections::run as idle;
pub(crate) use self::mux::run as mux;
pub(crate) use self::replicate::run as replicate;
pub(crate) use self::storm::run as storm;
