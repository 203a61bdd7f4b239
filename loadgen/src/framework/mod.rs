//! Load by the framework's own client, as an application would use it.
//!
//! [`mod@bench`] starts the server in a process of its own and shares the cores out; it serves the light client too. [`fleet`]
//! runs clients, an executor on each core, and measures; [`streams`] are the work that they do. [`crowd`] makes many connections
//! that call once.

pub(crate) mod bench;
pub(crate) mod crowd;
pub(crate) mod fleet;
mod ledger;
pub(crate) mod streams;

pub(crate) use self::bench::{Bench, Lost, Size};
