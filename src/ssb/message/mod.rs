//! Classic feed messages: their canonical text as V8 prints it, ids, signatures, and what makes one valid.
//!
//! Pure. Contract: `Unchecked::parse` then `Verifier::verify` accept exactly what npm `ssb-validate` 4 with libsodium accepts, message by
//! message, whatever the batch; `check_link` is the rule that joins messages to a feed.

use super::MessageId;
use crate::PublicKey;
use bytes::Bytes;

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
