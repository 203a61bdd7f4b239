//! Many signatures at once, with an answer that is each one's own.
//!
//! The equation that is checked is a random combination of those of the signatures. In a group of prime order it holds only if all of
//! them do, but for a chance of 2^-128. The curve's group has eight times that order: points may have a part of order 8, parts of several
//! signatures may cancel out, and libsodium would refuse each. So keys and points in a batch are first shown to have no such part.

use curve25519_dalek::{
    EdwardsPoint, Scalar,
    constants::ED25519_BASEPOINT_POINT,
    traits::{Identity, VartimeMultiscalarMul},
};
use sha2::{Digest, Sha512};

/// How many random sums of the points of a batch must be free of a part of small order. A point that is not gets past one with a chance
/// of a half at most. All that its author would gain is a feed that we have and others do not, and each try costs a feed.
const TORSION_ROUNDS: usize = 40;
/// Points whose sums are tabled together: 16 sums are made of four.
const BLOCK: usize = 4;

/// A signature in a batch, its equation being R = sB - hA.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) r: EdwardsPoint,
    pub(super) s: Scalar,
    pub(super) h: Scalar,
    /// Which of the batch's keys is A.
    pub(super) key: usize,
    /// Where in the batch it stands.
    pub(super) place: usize,
}

/// Bytes that nobody can foresee who does not know the seed.
#[derive(Clone)]
pub(super) struct Draw {
    seed: [u8; 32],
    drawn: u64,
}

impl Draw {
    pub(super) const fn new(seed: [u8; 32]) -> Self {
        Self { seed, drawn: 0 }
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 63);
        while bytes.len() < len {
            let hash = Sha512::new_with_prefix(self.seed).chain_update(self.drawn.to_le_bytes());
            bytes.extend_from_slice(&hash.finalize());
            self.drawn += 1;
        }
        bytes.truncate(len);
        bytes
    }
}

/// Whether a point is of the group of prime order: whether its multiple by that order is nothing.
pub(super) fn is_torsion_free(point: &EdwardsPoint) -> bool {
    let but_once = EdwardsPoint::vartime_double_scalar_mul_basepoint(&-Scalar::ONE, point, &Scalar::ZERO);
    but_once == -point
}

/// Whether all points are of the group of prime order, but for a chance of 2^-40.
pub(super) fn are_torsion_free(claims: &[Claim], draw: &mut Draw) -> bool {
    let mut sums = [EdwardsPoint::identity(); TORSION_ROUNDS];
    for block in claims.chunks(BLOCK) {
        let mut table = [EdwardsPoint::identity(); 1 << BLOCK];
        let mut filled = 1;
        for claim in block {
            let (without, with) = table.split_at_mut(filled);
            with.iter_mut().zip(without).for_each(|(with, without)| *with = *without + claim.r);
            filled *= 2;
        }
        let choices = draw.bytes(TORSION_ROUNDS / 2);
        let choices = choices.iter().flat_map(|byte| [byte & 15, byte >> 4]);
        for (sum, choice) in sums.iter_mut().zip(choices) {
            // In a block that is not full the choice of points that are not there has no meaning.
            if let Some(subset) = table.get(usize::from(choice) % filled).filter(|_| choice != 0) {
                *sum += subset;
            }
        }
    }
    sums.iter().all(is_torsion_free)
}

/// Whether the equations of all claims hold, given that their keys and points are of the group of prime order.
pub(super) fn do_hold(claims: &[Claim], keys: &[EdwardsPoint], draw: &mut Draw) -> bool {
    let mut of_base = Scalar::ZERO;
    let mut of_keys = vec![Scalar::ZERO; keys.len()];
    let mut scalars = Vec::with_capacity(claims.len() + keys.len() + 1);
    let weights = draw.bytes(16 * claims.len());
    let (weights, _) = weights.as_chunks::<16>();
    for (claim, weight) in claims.iter().zip(weights) {
        let weight = Scalar::from(u128::from_le_bytes(*weight));
        of_base -= weight * claim.s;
        if let Some(of_key) = of_keys.get_mut(claim.key) {
            *of_key += weight * claim.h;
        }
        scalars.push(weight);
    }
    scalars.extend(of_keys);
    scalars.push(of_base);
    let points =
        claims.iter().map(|claim| claim.r).chain(keys.iter().copied()).chain([ED25519_BASEPOINT_POINT]);
    EdwardsPoint::vartime_multiscalar_mul(&scalars, points) == EdwardsPoint::identity()
}
