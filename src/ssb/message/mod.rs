//! Classic feed messages: their canonical text as V8 prints it, ids, signatures, and what makes one valid.
//!
//! Pure. Contract: `Unchecked::parse` then `Verifier::verify` accept exactly what npm `ssb-validate` 4 with libsodium accepts, message by
//! message, whatever the batch; `check_link` is the rule that joins messages to a feed. Stricter in three things that no peer sends:
//! `previous` is never an array of one id, `timestamp` is a number in every message and not only in the first, as `ssb-classic` has it,
//! and the text is UTF-8, within [`TEXT_BYTES_MAX`] and [`DEPTH_MAX`].

mod batch;
mod canonical;
mod contact;
mod create;
mod edwards;
mod error;
mod link;
mod member;
mod peek;
mod reader;
mod reorder;
mod shape;
mod unchecked;
mod verifier;

pub use self::{
    contact::contact,
    create::create,
    error::MessageError,
    link::{LinkError, check_link},
    member::Member,
    peek::{Peeked, peek},
    unchecked::Unchecked,
    verifier::Verifier,
};

use super::MessageId;
use crate::PublicKey;
use bytes::Bytes;

/// The most UTF-16 units that the canonical text of a message may have, signature included.
pub const UNITS_MAX: usize = 8192;

/// The longest text that is read as a message. The longest canonical text, with every unit spelled as an escape, is 48 KiB; what a
/// peer adds to that is white space, which it could otherwise have us skip without end.
pub const TEXT_BYTES_MAX: usize = 64 << 10;

/// How deep arrays and objects may stand in each other: their indents alone leave a message of the size allowed no room for more than
/// 63. A text without end of opening brackets would otherwise overflow the stack.
pub const DEPTH_MAX: usize = 128;

/// The key of a network whose signatures are over an HMAC (`caps.sign`): messages of one network do not verify in another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HmacKey(pub [u8; 32]);

impl std::fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HmacKey(..)")
    }
}

/// A message that has been checked, alone: its shape, size, id and signature are right.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The feed.
    pub author: PublicKey,
    /// Its place in the feed, from 1.
    pub sequence: u32,
    /// The id of the message before it; `None` for the first.
    pub previous: Option<MessageId>,
    /// Its own id.
    pub id: MessageId,
    /// The author's clock, milliseconds since 1970.
    pub timestamp: f64,
    /// The value as `JSON.stringify` prints it without spaces: what is stored and sent.
    pub value: Bytes,
}

impl Message {
    /// The content, compact JSON: a part of [`value`](Self::value).
    #[must_use]
    pub fn content(&self) -> &[u8] {
        contact::content(&self.value)
    }
}
