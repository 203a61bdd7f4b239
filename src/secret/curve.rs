//! Curve25519 as the handshake needs it: agreement that refuses keys which agree with everybody.

use super::{KEY_BYTES, PublicKey};
use dryoc::classic::crypto_core::{crypto_scalarmult, crypto_scalarmult_base};
use ed25519_dalek::VerifyingKey;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A secret of 32 bytes: a scalar, a shared secret or a key. Wiped on drop.
pub(super) type Secret = Zeroizing<[u8; KEY_BYTES]>;

/// The X25519 key pair of one handshake.
#[derive(Clone)]
pub(super) struct Ephemeral {
    secret: Secret,
    pub(super) public: [u8; KEY_BYTES],
}

impl Ephemeral {
    pub(super) fn from_seed(seed: &[u8; KEY_BYTES]) -> Self {
        let mut public = [0; KEY_BYTES];
        crypto_scalarmult_base(&mut public, seed);
        Self { secret: Zeroizing::new(*seed), public }
    }

    /// What this key and another ephemeral key share; `None` when it is zero.
    pub(super) fn agree(&self, public: &[u8; KEY_BYTES]) -> Option<Secret> {
        agree(&self.secret, public)
    }

    /// What this key and a long-term key share; `None` when it is zero.
    ///
    /// The multiplication is done on the Edwards curve, where a long-term key lives: with vector instructions that
    /// takes less time than converting the key and then climbing the Montgomery ladder. The result is the same.
    pub(super) fn agree_with_identity(&self, key: &VerifyingKey) -> Option<Secret> {
        let product = Zeroizing::new(key.to_edwards().mul_clamped(*self.secret));
        let shared = Zeroizing::new(product.to_montgomery().to_bytes());
        let is_zero = bool::from(shared.ct_eq(&[0; KEY_BYTES]));
        (!is_zero).then_some(shared)
    }
}

/// X25519; `None` when the result is zero. The scalar need not be clamped.
pub(super) fn agree(scalar: &[u8; KEY_BYTES], public: &[u8; KEY_BYTES]) -> Option<Secret> {
    let mut shared = Zeroizing::new([0; KEY_BYTES]);
    crypto_scalarmult(&mut shared, scalar, public).ok()?;
    Some(shared)
}

/// The order of the field, 2^255 - 19, little-endian.
const P: [u8; KEY_BYTES] = with_ends(0xed, 0xff, 0x7f);

/// The first, the middle and the last bytes of a coordinate.
const fn with_ends(first: u8, middle: u8, last: u8) -> [u8; KEY_BYTES] {
    let mut bytes = [middle; KEY_BYTES];
    bytes[0] = first;
    bytes[KEY_BYTES - 1] = last;
    bytes
}

/// All encodings of points of order 1, 2, 4 and 8 on the curve and its twist, the unused top bit cleared: 0, 1, the two
/// of order 8, -1, and 0 and 1 again as p and p + 1.
const LOW_ORDER: [[u8; KEY_BYTES]; 7] = [
    [0; KEY_BYTES],
    with_ends(1, 0, 0),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
        0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04,
        0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    with_ends(0xec, 0xff, 0x7f),
    P,
    with_ends(0xee, 0xff, 0x7f),
];

/// Whether an X25519 public key shares zero with everybody.
pub(super) fn is_low_order(public: &[u8; KEY_BYTES]) -> bool {
    let mut masked = *public;
    masked[KEY_BYTES - 1] &= 0x7f;
    LOW_ORDER.contains(&masked)
}

/// The long-term key as a point: on the curve, of no low order, and in the one encoding it should have (a second
/// encoding would be a second name for the same peer).
pub(super) fn identity(key: &PublicKey) -> Option<VerifyingKey> {
    let mut y = key.0;
    y[KEY_BYTES - 1] &= 0x7f;
    // Little-endian, so the last byte weighs most.
    if y.iter().rev().ge(P.iter().rev()) {
        return None;
    }
    VerifyingKey::from_bytes(&key.0).ok().filter(|point| !point.is_weak())
}

#[cfg(test)]
mod tests {
    use super::*;
    use curve25519_dalek::constants::EIGHT_TORSION;
    use ed25519_dalek::SigningKey;

    #[test]
    fn every_key_of_low_order_is_known() {
        for point in EIGHT_TORSION {
            assert!(is_low_order(&point.to_montgomery().to_bytes()));
            assert!(identity(&PublicKey(point.compress().to_bytes())).is_none());
        }
        for mut public in LOW_ORDER {
            assert!(is_low_order(&public) && agree(&[7; 32], &public).is_none());
            public[31] |= 0x80;
            assert!(is_low_order(&public) && agree(&[7; 32], &public).is_none());
        }
        assert!(!is_low_order(&with_ends(9, 0, 0)));
        assert!(agree(&[7; 32], &with_ends(9, 0, 0)).is_some());
    }

    /// The values from p up to 2^255 are 0 to 18 once more.
    #[test]
    fn no_identity_has_two_encodings() {
        for first in 0xed..=0xff {
            for last in [0x7f, 0xff] {
                let key = PublicKey(with_ends(first, 0xff, last));
                assert!(identity(&key).is_none(), "{key}");
            }
        }
        let canonical = SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes();
        assert!(identity(&PublicKey(canonical)).is_some());
    }

    #[test]
    fn both_ways_to_agree_with_an_identity_are_the_same() {
        for seed in 0..20 {
            let ours = Ephemeral::from_seed(&[seed; 32]);
            let theirs = SigningKey::from_bytes(&[seed + 100; 32]);
            let on_edwards = ours.agree_with_identity(&theirs.verifying_key()).expect("honest keys");
            let on_ladder = ours.agree(&theirs.verifying_key().to_montgomery().to_bytes());
            assert_eq!(Some(&on_edwards), on_ladder.as_ref());
            assert_eq!(Some(on_edwards), agree(&theirs.to_scalar_bytes(), &ours.public));
        }
    }
}
