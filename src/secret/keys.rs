use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::SigningKey;
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of a public key, a seed and a network key.
pub const KEY_BYTES: usize = 32;

/// An Ed25519 public key: who a peer is. Any 32 bytes; whether they are a point of the curve shows when they are used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; KEY_BYTES]);

impl PublicKey {
    /// Padded base64 without sigil and suffix, as addresses have it.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }
}

/// The classic form, `@...=.ed25519`.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}.ed25519", self.to_base64())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An Ed25519 key pair: who we are. The secret half is zeroised on drop and never printed.
#[derive(Clone)]
pub struct Keypair(SigningKey);

impl Keypair {
    /// The key pair that a seed determines.
    #[must_use]
    pub fn from_seed(seed: &[u8; KEY_BYTES]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The key pair of a 64-byte secret key as NaCl writes it, seed and public key; `None` when the two do not belong
    /// together.
    #[must_use]
    pub fn from_secret(secret: &[u8; 2 * KEY_BYTES]) -> Option<Self> {
        SigningKey::from_keypair_bytes(secret).ok().map(Self)
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// The 64-byte secret key as NaCl writes it. The caller wipes its copy.
    #[must_use]
    pub fn to_secret(&self) -> [u8; 2 * KEY_BYTES] {
        self.0.to_keypair_bytes()
    }

    pub(crate) const fn signing(&self) -> &SigningKey {
        &self.0
    }
}

impl fmt::Debug for Keypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keypair").field(&self.public()).finish()
    }
}

/// What separates networks from each other: two peers understand each other only if both know the same 32 bytes.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct NetworkKey([u8; KEY_BYTES]);

impl NetworkKey {
    /// The main network of Secure Scuttlebutt, `1KHLiKZvAvjbY1ziZEHMXawbCEIM6qwjCDm3VYRan/s=` (npm `ssb-caps`).
    pub const MAIN: Self = Self([
        0xd4, 0xa1, 0xcb, 0x88, 0xa6, 0x6f, 0x02, 0xf8, 0xdb, 0x63, 0x5c, 0xe2, 0x64, 0x41, 0xcc, 0x5d, 0xac,
        0x1b, 0x08, 0x42, 0x0c, 0xea, 0xac, 0x23, 0x08, 0x39, 0xb7, 0x55, 0x84, 0x5a, 0x9f, 0xfb,
    ]);

    /// A network of its own.
    #[must_use]
    pub const fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Reads padded base64; `None` when it is not 32 bytes of it.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl Default for NetworkKey {
    fn default() -> Self {
        Self::MAIN
    }
}

impl fmt::Debug for NetworkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::MAIN { "NetworkKey(main)" } else { "NetworkKey(..)" })
    }
}
