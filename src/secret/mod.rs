//! Who a peer is, and a line to it that nobody else can read: keys, addresses, secret-handshake and box-stream.
//!
//! Pure machines over buffers: no socket, no clock, no randomness; seeds are arguments. No cipher is written here.
//!
//! Contract: secrets are zeroised on drop and never printed; a length in the clear allocates nothing; every failure of a
//! handshake or a box-stream is final.

#![forbid(unsafe_code)]

mod keys;

pub use self::keys::{KEY_BYTES, Keypair, NetworkKey, PublicKey};
