//! Box-stream: bytes in both directions that nobody else can read, change, reorder or cut off unnoticed.
//!
//! A segment is a header box of 34 bytes and a body of 1 to 4096 bytes. The header says how long the body is and what MAC
//! it has; header and body are secretboxes with consecutive nonces. A header of zeros is the goodbye.
//!
//! The two ends of a direction count nonces in step, so the first wrong byte ends the stream for good.

mod boxes;
mod open;
mod seal;

#[cfg(test)]
mod tests;

pub use self::{
    open::{Opened, Opener},
    seal::Sealer,
};
use super::KEY_BYTES;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The longest body of a segment, in bytes. Longer ones are refused, as all implementations refuse or never send them.
pub const SEGMENT_BYTES_MAX: usize = 4096;

const MAC_BYTES: usize = 16;
const NONCE_BYTES: usize = 24;
/// A header in the clear: length of the body (big-endian), MAC of the body.
const HEADER_BYTES: usize = 2 + MAC_BYTES;
/// A header box: its MAC, and the header encrypted.
const HEADER_BOX_BYTES: usize = MAC_BYTES + HEADER_BYTES;

/// The header that is a goodbye.
const GOODBYE: [u8; HEADER_BYTES] = [0; HEADER_BYTES];

/// Where one direction begins. Wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct BoxKey {
    pub(super) key: [u8; KEY_BYTES],
    pub(super) nonce: [u8; NONCE_BYTES],
}
