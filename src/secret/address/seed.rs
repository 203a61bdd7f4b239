use crate::secret::{KEY_BYTES, Keypair};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// What determines a key pair; an invite carries one. Wiped on drop, and never shown by [`Debug`].
#[derive(Clone, PartialEq, Eq, Hash, Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; KEY_BYTES]);

impl Seed {
    /// Takes the bytes; the caller wipes its copy.
    #[must_use]
    pub const fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Reads padded base64; `None` when it is not 32 bytes of it in canonical form.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        // The decoder counts a group of four characters as three bytes, padding too.
        let mut decoded = Zeroizing::new([0; KEY_BYTES + 1]);
        let length = STANDARD.decode_slice(text, decoded.as_mut()).ok()?;
        decoded.get(..length)?.try_into().ok().map(Self)
    }

    /// Padded base64, wiped on drop.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0))
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// The key pair that it determines.
    #[must_use]
    pub fn keypair(&self) -> Keypair {
        Keypair::from_seed(&self.0)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}
