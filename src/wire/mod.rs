//! The wire: nine header bytes, a body, and a decoder from chunks to frames.
//!
//! Knows nothing of streams opening or closing: it reads and writes frames one by one. What JavaScript calls a packet
//! is a *frame* here. Contract: a length is checked against the limit before any byte of its body is kept; no
//! input panics; bodies are slices of the chunk they came in, except a frame that straddles two chunks, which is
//! joined by one copy.
//!
//! Source of the format: `packet-stream-codec` 1.2.0.

#![forbid(unsafe_code)]

mod body;
mod decoder;
mod header;
mod run;

pub use self::{
    body::{Body, BodyKind},
    decoder::{Decoder, Frame, Item, WireError},
    header::{GOODBYE, HEADER_BYTES, Header, Headline},
    run::Run,
};

/// Turns an id as one side counts into the same id as the other side counts: positive is "opened by me".
///
/// `i32::MIN` has no mirror image and is not a legal id; [`Decoder`] refuses it, so here it maps to itself.
#[must_use]
pub const fn mirror(id: i32) -> i32 {
    id.wrapping_neg()
}
