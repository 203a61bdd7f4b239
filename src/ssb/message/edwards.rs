//! The arithmetic of one signature, to the letter as libsodium's `crypto_sign_verify_detached` does it.

use crate::PublicKey;
use curve25519_dalek::{EdwardsPoint, Scalar, edwards::CompressedEdwardsY};

/// Whether the coordinate is less than the prime 2^255 - 19, the sign aside.
fn is_canonical(point: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = point;
    last & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff) || *first < 0xed
}

/// The point that a key is, if libsodium takes it: canonical, on the curve, not of small order.
pub(super) fn key(key: &PublicKey) -> Option<EdwardsPoint> {
    point(&key.0)
}

/// The point of an encoding that is canonical, on the curve and not of small order. libsodium does not say so of a signature's
/// first half, but compares it with bytes that have these properties.
pub(super) fn point(bytes: &[u8; 32]) -> Option<EdwardsPoint> {
    let point = is_canonical(bytes).then(|| CompressedEdwardsY(*bytes).decompress())??;
    (!point.is_small_order()).then_some(point)
}

/// The halves of a signature: a point not looked at yet, and a scalar that must be less than the group's order.
pub(super) fn halves(signature: &[u8; 64]) -> Option<([u8; 32], Scalar)> {
    let (r, s) = signature.split_at(32);
    let s = Option::from(Scalar::from_canonical_bytes(s.try_into().ok()?))?;
    Some((r.try_into().ok()?, s))
}

/// The point that the first half of a signature must be: sB - hA.
pub(super) fn recover(key: &EdwardsPoint, s: &Scalar, challenge: &Scalar) -> EdwardsPoint {
    EdwardsPoint::vartime_double_scalar_mul_basepoint(challenge, &-key, s)
}

/// Whether a signature is right, byte by byte.
pub(super) fn verify(key: &EdwardsPoint, signature: &[u8; 64], challenge: &Scalar) -> bool {
    let Some((r, s)) = halves(signature) else { return false };
    let found = recover(key, &s, challenge);
    found.compress().0 == r && !found.is_small_order()
}
