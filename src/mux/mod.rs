//! The session: frames and commands in, frames and events out.
//!
//! A [`Session`] is the state of one connection and no more: no socket, no task, no clock. Its driver feeds it what
//! the [decoder](crate::wire::Decoder) yields and the time, and drains what it wants to send. It knows nothing of what
//! the bodies of calls mean.
//!
//! # Contract
//!
//! The methods of [`Session`] are of four kinds:
//!
//! - *input* from outside: [`handle_item`](Session::handle_item), [`handle_timeout`](Session::handle_timeout),
//!   [`handle_rtt`](Session::handle_rtt), [`handle_closed`](Session::handle_closed);
//! - *commands* of the application: [`open`](Session::open), [`accept`](Session::accept), [`send`](Session::send),
//!   [`recv`](Session::recv), [`finish`](Session::finish), [`fail`](Session::fail), [`cancel`](Session::cancel),
//!   [`release`](Session::release), [`request`](Session::request), [`reply`](Session::reply), and so on;
//! - *output*: [`poll_event`](Session::poll_event), [`poll_transmit`](Session::poll_transmit),
//!   [`next_timeout`](Session::next_timeout);
//! - *questions*, which change nothing.
//!
//! **After any input or command drain both outputs until they yield nothing**, then ask for the next timeout. Time is
//! whatever the driver says, and must not run backwards. An `Err` of an input is final: the session is dead, and
//! the driver writes what is left and closes the connection.
//!
//! Invariants: a data frame leaves only while `sent < limit + overdraft`; grants never fall; what was taken from a
//! budget is given back when the stream is freed, however it ended; a frame of a closed id never opens a stream.

#![forbid(unsafe_code)]

mod backlog;
mod bucket;
mod config;
mod control;
mod counters;
mod error;
mod event;
mod ids;
mod limits;
mod outgoing;
mod output;
mod path;
mod schedule;
mod send_queue;
mod session;
mod spares;
mod stream;
mod table;
mod time;

pub use self::{
    config::{
        Config, ControlMode, Credit, WINDOW_BYTES_MAX, WINDOW_BYTES_MAX_FOREIGN, WINDOW_BYTES_MIN,
        WINDOW_BYTES_START,
    },
    control::CONTROL_ID,
    counters::Counters,
    error::{Blame, End, RefusedSend, SessionError, error_body},
    event::{Event, InboundRequest},
    limits::Limits,
    outgoing::Outgoing,
    output::Output,
    schedule::QUANTUM_BYTES,
    send_queue::GATHER_BYTES_MIN,
    session::{OPENINGS_UNSENT_MAX, Received, Sent, Session},
    spares::Spares,
    stream::Halves,
    table::StreamKey,
    time::Time,
};

#[cfg(feature = "runtime")]
pub(crate) use self::{bucket::Bucket, table::IdMap};
