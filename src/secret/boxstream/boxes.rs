use super::{BoxKey, HEADER_BOX_BYTES, HEADER_BYTES, KEY_BYTES, MAC_BYTES, NONCE_BYTES};
use dryoc::classic::{
    crypto_box::{crypto_box_detached_afternm_inplace, crypto_box_open_detached_afternm_inplace},
    crypto_core::crypto_core_hsalsa20,
    crypto_onetimeauth::{crypto_onetimeauth, crypto_onetimeauth_verify},
};
use salsa20::{
    SalsaCore,
    cipher::{KeyIvInit, StreamCipherCore, consts::U10},
};
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop, optimization_barrier};

/// The nonce bytes that select the subkey of XSalsa20; the other eight count.
const PREFIX_BYTES: usize = 16;
/// Poly1305's key is the beginning of the key stream; the text follows it.
const AUTH_KEY_BYTES: usize = 32;
/// A block of Salsa20. A header and its Poly1305 key fit in one.
const BLOCK_BYTES: usize = 64;

/// Salsa20 with ten double rounds, a block at a time.
type Salsa20 = SalsaCore<U10>;

/// The secretboxes of one direction: a key, and a nonce of 24 bytes that goes up by one, big-endian, with each box.
///
/// XSalsa20 derives a subkey from the key and the first 16 bytes of the nonce, which stay the same for 2^64 boxes. For
/// bodies the library derives it each time. Headers come one to a body and are so short that this would be a third of
/// their cost, so their boxes are put together from the same primitives with the subkey kept.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Boxes {
    key: [u8; KEY_BYTES],
    subkey: [u8; KEY_BYTES],
    prefix: [u8; PREFIX_BYTES],
    counter: u64,
}

impl Boxes {
    pub(super) fn new(start: &BoxKey) -> Self {
        let nonce = u128_and_u64(&start.nonce);
        let mut boxes =
            Self { key: start.key, subkey: [0; KEY_BYTES], prefix: nonce.0.to_be_bytes(), counter: nonce.1 };
        boxes.derive_subkey();
        boxes
    }

    /// Encrypts a body in place.
    pub(super) fn seal_body(&mut self, body: &mut [u8]) -> [u8; MAC_BYTES] {
        let mut mac = [0; MAC_BYTES];
        // The box of NaCl once its keys are agreed on is the secretbox; only under this name is it offered in place.
        crypto_box_detached_afternm_inplace(body, &mut mac, &self.nonce(), &self.key);
        self.advance();
        mac
    }

    /// Decrypts a body in place; `false`, and the body as it was, when the MAC is wrong.
    #[must_use]
    pub(super) fn open_body(&mut self, body: &mut [u8], mac: &[u8; MAC_BYTES]) -> bool {
        let is_genuine =
            crypto_box_open_detached_afternm_inplace(body, mac, &self.nonce(), &self.key).is_ok();
        self.advance();
        is_genuine
    }

    /// What the next header is sealed or opened with.
    pub(super) fn next_header(&mut self) -> HeaderKey {
        let mut key = HeaderKey([0; BLOCK_BYTES]);
        Salsa20::new(&self.subkey.into(), &self.counter.to_be_bytes().into())
            .write_keystream_block((&mut key.0).into());
        self.advance();
        key
    }

    fn nonce(&self) -> [u8; NONCE_BYTES] {
        let mut nonce = [0; NONCE_BYTES];
        let (prefix, counter) = nonce.split_at_mut(PREFIX_BYTES);
        prefix.copy_from_slice(&self.prefix);
        counter.copy_from_slice(&self.counter.to_be_bytes());
        nonce
    }

    fn advance(&mut self) {
        self.counter = self.counter.wrapping_add(1);
        if self.counter == 0 {
            self.prefix = u128::from_be_bytes(self.prefix).wrapping_add(1).to_be_bytes();
            self.derive_subkey();
        }
    }

    fn derive_subkey(&mut self) {
        crypto_core_hsalsa20(&mut self.subkey, &self.prefix, &self.key, None);
    }
}

/// Prints no key.
impl fmt::Debug for Boxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Boxes").finish_non_exhaustive()
    }
}

fn u128_and_u64(nonce: &[u8; NONCE_BYTES]) -> (u128, u64) {
    let fold = |bytes: &[u8]| bytes.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    let (prefix, counter) = nonce.split_at(PREFIX_BYTES);
    (fold(prefix), counter.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// The first block of XSalsa20's key stream under one nonce: all that a header box needs.
pub(super) struct HeaderKey([u8; BLOCK_BYTES]);

impl HeaderKey {
    pub(super) fn seal(&self, header: &[u8; HEADER_BYTES]) -> [u8; HEADER_BOX_BYTES] {
        let (auth_key, stream) = self.split();
        let mut sealed = [0; HEADER_BOX_BYTES];
        let (mac, text) = sealed.split_at_mut(MAC_BYTES);
        text.iter_mut().zip(header).zip(stream).for_each(|((sealed, plain), key)| *sealed = plain ^ key);
        let mut computed = [0; MAC_BYTES];
        crypto_onetimeauth(&mut computed, text, auth_key);
        mac.copy_from_slice(&computed);
        sealed
    }

    /// `None` when the MAC is wrong; compares in constant time.
    pub(super) fn open(&self, sealed: &[u8; HEADER_BOX_BYTES]) -> Option<[u8; HEADER_BYTES]> {
        let (mac, text) = sealed.split_first_chunk::<MAC_BYTES>()?;
        let (auth_key, stream) = self.split();
        crypto_onetimeauth_verify(mac, text, auth_key).ok()?;
        let mut header = [0; HEADER_BYTES];
        header.iter_mut().zip(text).zip(stream).for_each(|((plain, sealed), key)| *plain = sealed ^ key);
        Some(header)
    }

    /// The key of Poly1305, and the key stream for the text.
    fn split(&self) -> (&[u8; AUTH_KEY_BYTES], &[u8; AUTH_KEY_BYTES]) {
        let (halves, _) = self.0.as_chunks::<AUTH_KEY_BYTES>();
        (&halves[0], &halves[1])
    }
}

/// All at once, since byte by byte would take as long as half a cipher block.
impl Drop for HeaderKey {
    fn drop(&mut self) {
        self.0 = [0; BLOCK_BYTES];
        optimization_barrier(&self.0);
    }
}
