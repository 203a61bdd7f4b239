use super::{
    HmacKey, Message, MessageError,
    canonical::{Canonical, Read, compact},
    edwards,
    shape::{Shape, shape},
};
use crate::{PublicKey, ssb::MessageId};
use bytes::Bytes;
use curve25519_dalek::Scalar;
use dryoc::classic::crypto_auth::{crypto_auth_final, crypto_auth_init, crypto_auth_update};
use sha2::{Digest, Sha256, Sha512};
use std::cell::RefCell;

thread_local! {
    /// Canonical texts are written and forgotten; the buffer stays.
    static SCRATCH: RefCell<Canonical> = RefCell::default();
}

/// What a signature is over, closing a text that ends with its content.
const SIGNED_END: &[u8] = b"\n}";

/// A message of which everything has been checked but its signature, and all that is needed to check that.
#[derive(Clone, Debug)]
pub struct Unchecked {
    pub(super) message: Message,
    pub(super) signature: [u8; 64],
    /// The hash of the signature's first half, the author and what is signed, as a scalar.
    pub(super) challenge: Scalar,
}

impl Unchecked {
    /// Reads the value of a message, JSON in any spelling, and holds it to every rule of npm `ssb-validate` that concerns it
    /// alone, but does not verify its signature. `hmac` is the key of networks that have one.
    ///
    /// # Errors
    /// [`MessageError`], the first that was found.
    pub fn parse(text: &Bytes, hmac: Option<&HmacKey>) -> Result<Self, MessageError> {
        SCRATCH.with_borrow_mut(|canonical| {
            let Read { value, is_compact } = canonical.write(text)?;
            let shape = shape(canonical)?;
            let value = if is_compact { text.slice(value) } else { compact(&canonical.text).into() };
            let id = id(&canonical.text);
            let signed = canonical.text.get(..shape.content_end).unwrap_or_default();
            let challenge = challenge(&shape.signature, &shape.author, signed, hmac);
            let Shape { previous, author, sequence, timestamp, signature, .. } = shape;
            let message = Message { author, sequence, previous, id, timestamp, value };
            Ok(Self { message, signature, challenge })
        })
    }

    /// The message, as it says it is.
    #[must_use]
    pub const fn message(&self) -> &Message {
        &self.message
    }

    /// Verifies the signature of this one message. [`Verifier`](super::Verifier) is faster for many.
    ///
    /// # Errors
    /// [`MessageError::Signature`].
    pub fn verify(self) -> Result<Message, MessageError> {
        let key = edwards::key(&self.message.author);
        let is_valid = key.is_some_and(|key| edwards::verify(&key, &self.signature, &self.challenge));
        if is_valid { Ok(self.message) } else { Err(MessageError::Signature) }
    }
}

/// What is really signed of a text that ends with its content: its HMAC in networks that have a key for it.
pub(super) fn authenticated(signed: &[u8], hmac: &HmacKey) -> [u8; 32] {
    let mut mac = [0; 32];
    let mut state = crypto_auth_init(&hmac.0);
    crypto_auth_update(&mut state, signed);
    crypto_auth_update(&mut state, SIGNED_END);
    crypto_auth_final(state, &mut mac);
    mac
}

fn challenge(signature: &[u8; 64], author: &PublicKey, signed: &[u8], hmac: Option<&HmacKey>) -> Scalar {
    let (r, _) = signature.split_at(32);
    let mut hash = Sha512::new();
    hash.update(r);
    hash.update(author.0);
    match hmac {
        None => {
            hash.update(signed);
            hash.update(SIGNED_END);
        }
        Some(key) => hash.update(authenticated(signed, key)),
    }
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

/// The hash of the low bytes of the canonical text's UTF-16 units, which are its bytes if it is ASCII.
pub(super) fn id(canonical: &[u8]) -> MessageId {
    if canonical.is_ascii() {
        return MessageId(Sha256::digest(canonical).into());
    }
    let mut low = Vec::with_capacity(canonical.len());
    for run in canonical.chunk_by(|one, next| one.is_ascii() == next.is_ascii()) {
        if run.is_ascii() {
            low.extend_from_slice(run);
        } else {
            low.extend(String::from_utf8_lossy(run).encode_utf16().map(|unit| unit.to_le_bytes()[0]));
        }
    }
    MessageId(Sha256::digest(low).into())
}
