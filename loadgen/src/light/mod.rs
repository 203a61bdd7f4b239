//! The generator's own client: frames without a session, one thread and one epoll set for all connections of a core.
//!
//! It exists so that the server, not the generator, decides how fast a run is, and so that what measures shares as little as
//! can be with what is measured: of the framework it uses the nine header bytes, the ciphers, and the rule by which windows
//! grow. It checks every message, keeps its own books of credit, and grants and obeys credit as a peer of ours does.
//!
//! A [`mod@line`] is a socket, plain or sealed. A [`conn`] has [`stream`]s and calls on it; [`produce`] starts messages, closed
//! loop or on [schedule](crate::plan::schedule), [`receive`] takes what arrives, [`control`] negotiates and grants. The [`engine`] moves
//! the connections of one thread on, a [`worker`]; [`mod@drive`] starts the threads, [watches](watch) them and sums up. A [`caller`] is a
//! connection for one call.

mod caller;
mod conn;
mod control;
mod drive;
mod engine;
mod gauge;
mod ids;
mod line;
mod open;
mod produce;
mod receive;
mod stream;
mod tape;
#[cfg(test)]
mod tests;
mod watch;
mod worker;

pub(crate) use self::caller::Caller;
pub(crate) use self::drive::{Driven, Run, drive};
pub(crate) use self::engine::{Action, Step};
pub(crate) use self::line::{Dial, dial_raw};
pub(crate) use self::open::{ConnPlan, Work};
