//! Epidemic broadcast trees, version 3: what two peers tell each other of their feeds, so that each message crosses each
//! connection once at the most.
//!
//! An [`Exchange`] is one connection's state; [`Requests`] decides, for the feeds of a shard, which connection is asked for which. Both are
//! pure machines after npm `epidemic-broadcast-trees` 9: whoever drives them reads frames and feeds, and says what time it is.
//! Knows nothing of what a message is but its feed and sequence.
//!
//! Contract: a message that crossed a connection, either way, is not sent on it again unless the peer first let go of the feed (−1); a
//! feed is asked of one connection at a time; what is kept of a peer is bounded by the feeds wanted here plus
//! [`ExchangeLimits`].

mod clock;
mod exchange;
mod hold;
mod limits;
mod local;
mod note;
mod requests;
mod row;

pub use self::{
    clock::{Clock, ClockError},
    exchange::{Arrival, Claim, Exchange, Role},
    limits::ExchangeLimits,
    local::Local,
    note::{Note, NoteError},
    requests::{Decision, Requests},
};
