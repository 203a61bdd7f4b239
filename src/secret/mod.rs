//! Who a peer is, and a line to it that nobody else can read: keys, addresses, secret-handshake and box-stream.
//!
//! Pure machines over buffers: no socket, no clock, no randomness; seeds are arguments. No cipher is written here.
//!
//! Contract: secrets are zeroised on drop and never printed; a length in the clear allocates nothing; every failure of a
//! handshake or a box-stream is final.

#![forbid(unsafe_code)]

mod address;
mod boxstream;
mod curve;
mod error;
mod handshake;
mod keys;
mod reference;
mod secret_file;

pub use self::{
    address::{
        ADDRESS_BYTES_MAX, ALTERNATIVES_MAX, Address, AddressError, Auth, Endpoint, Protocol, Seed, Transport,
    },
    boxstream::{Opened, Opener, SEGMENT_BYTES_MAX, Sealer},
    error::{BoxStreamError, HandshakeError},
    handshake::{ACCEPT_BYTES, AUTH_BYTES, HELLO_BYTES, Handshake, Message, Outcome, Progress},
    keys::{KEY_BYTES, Keypair, NetworkKey, PublicKey},
    reference::PublicKeyError,
    secret_file::SecretFileError,
};
