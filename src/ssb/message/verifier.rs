use super::{
    Message, MessageError, Unchecked,
    batch::{Claim, Draw, are_torsion_free, do_hold, is_torsion_free},
    edwards,
};
use crate::PublicKey;
use curve25519_dalek::EdwardsPoint;
use std::{collections::BTreeMap, fmt, mem};

/// Signatures that are checked as one. More are faster each, and later.
const BATCH_MAX: usize = 512;
/// With fewer signatures than this, one at a time is faster.
const BATCH_MIN: usize = 48;
/// Keys that are remembered as points, 1 MiB of them. Beyond, all are forgotten: whoever sends messages of ever new authors costs us
/// the time to look at their keys, and no memory.
const KEYS_MAX: usize = 4096;

/// A key that libsodium takes.
#[derive(Clone, Copy)]
struct Key {
    point: EdwardsPoint,
    /// Whether it can be one of a batch.
    is_torsion_free: bool,
}

/// Verifies signatures in batches, each exactly as libsodium's `crypto_sign_verify_detached` would alone: a batch that does not
/// hold is taken apart, and what cannot be in one is verified singly.
pub struct Verifier {
    draw: Draw,
    keys: BTreeMap<PublicKey, Option<Key>>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl Verifier {
    /// `seed` is random, and nobody else's: who knows it can have two wrong signatures cover up for each other.
    #[must_use]
    pub const fn new(seed: [u8; 32]) -> Self {
        Self { draw: Draw::new(seed), keys: BTreeMap::new() }
    }

    /// Verifies all signatures of the batch, which is empty afterwards. Answers in its order: the message, or
    /// [`MessageError::Signature`].
    ///
    /// Worth its while from 48 messages on, best with hundreds; those of one author cost less than those of many.
    pub fn verify(&mut self, batch: &mut Vec<Unchecked>) -> Vec<Result<Message, MessageError>> {
        let batch = mem::take(batch);
        let is_valid: Vec<bool> = batch.chunks(BATCH_MAX).flat_map(|chunk| self.chunk(chunk)).collect();
        let answer = |(unchecked, is_valid): (Unchecked, bool)| {
            if is_valid { Ok(unchecked.message) } else { Err(MessageError::Signature) }
        };
        batch.into_iter().zip(is_valid).map(answer).collect()
    }

    fn key(&mut self, author: &PublicKey) -> Option<Key> {
        if let Some(key) = self.keys.get(author) {
            return *key;
        }
        let key = edwards::key(author).map(|point| Key { point, is_torsion_free: is_torsion_free(&point) });
        if self.keys.len() >= KEYS_MAX {
            self.keys.clear();
        }
        self.keys.insert(*author, key);
        key
    }

    /// Whether each is valid.
    fn chunk(&mut self, chunk: &[Unchecked]) -> Vec<bool> {
        let mut is_valid = vec![false; chunk.len()];
        let mut points: Vec<EdwardsPoint> = Vec::new();
        let mut places: BTreeMap<PublicKey, usize> = BTreeMap::new();
        let mut claims: Vec<Claim> = Vec::with_capacity(chunk.len());
        for ((place, unchecked), is_valid) in chunk.iter().enumerate().zip(&mut is_valid) {
            let author = unchecked.message.author;
            let Some(key) = self.key(&author) else { continue };
            if !key.is_torsion_free || chunk.len() < BATCH_MIN {
                *is_valid = edwards::verify(&key.point, &unchecked.signature, &unchecked.challenge);
                continue;
            }
            let claim =
                edwards::halves(&unchecked.signature).and_then(|(r, s)| Some((edwards::point(&r)?, s)));
            let Some((r, s)) = claim else { continue };
            let key = *places.entry(author).or_insert_with(|| {
                points.push(key.point);
                points.len() - 1
            });
            claims.push(Claim { r, s, h: unchecked.challenge, key, place });
        }
        if claims.len() >= BATCH_MIN && are_torsion_free(&claims, &mut self.draw) {
            self.sift(&claims, &points, &mut is_valid);
        } else {
            singly(&claims, &points, &mut is_valid);
        }
        is_valid
    }

    /// Finds which claims hold, if their points can be in a batch.
    fn sift(&mut self, claims: &[Claim], keys: &[EdwardsPoint], is_valid: &mut [bool]) {
        let mut rest = claims;
        let mut does_hold = do_hold(rest, keys, &mut self.draw);
        while !does_hold && rest.len() >= BATCH_MIN {
            let (one, other) = rest.split_at(rest.len() / 2);
            match (do_hold(one, keys, &mut self.draw), do_hold(other, keys, &mut self.draw)) {
                (true, is_other) => {
                    accept(one, is_valid);
                    (rest, does_hold) = (other, is_other);
                }
                (false, true) => {
                    accept(other, is_valid);
                    rest = one;
                }
                // Were halves halved further, a batch of wrong signatures would cost more than each of them alone.
                (false, false) => break,
            }
        }
        if does_hold {
            accept(rest, is_valid);
        } else {
            singly(rest, keys, is_valid);
        }
    }
}

fn accept(claims: &[Claim], is_valid: &mut [bool]) {
    for claim in claims {
        if let Some(is_valid) = is_valid.get_mut(claim.place) {
            *is_valid = true;
        }
    }
}

fn singly(claims: &[Claim], keys: &[EdwardsPoint], is_valid: &mut [bool]) {
    for claim in claims {
        if let (Some(is_valid), Some(key)) = (is_valid.get_mut(claim.place), keys.get(claim.key)) {
            *is_valid = edwards::recover(key, &claim.s, &claim.h) == claim.r;
        }
    }
}
