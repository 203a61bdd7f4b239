//! The arithmetic of credit: what may be sent, what is granted, and how far ahead of reading a peer may run.
//!
//! Knows no frame, no stream and no clock: costs and times are numbers handed in. Credit is a *total*: all the cost a
//! sender may have spent on a stream since it opened, so grants are idempotent and never move backwards. Cost is
//! header plus body bytes of data frames; opening frames, ends, requests and the control stream are free (push-mux
//! SPEC, and `Sub.write` of push-mux 1.0.7).
//!
//! Contract: no operation overflows, and none lowers `sent`, `limit`, `arrived`, `consumed` or `advertised`.

#![forbid(unsafe_code)]

mod budget;
mod overdraft;
mod receiver;
mod round_trip;
mod sender;
mod tuner;

pub use self::{
    budget::{Budget, Pool},
    overdraft::Overdraft,
    receiver::{GRANT_STEP_BYTES_MIN, GrantRule, Receiver, Violation},
    round_trip::RoundTrip,
    sender::{CREDIT_MAX, Sender, credit_from_number},
    tuner::{Tuner, TunerSample},
};
