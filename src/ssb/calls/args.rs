//! Arguments as JavaScript peers write them.

use crate::PublicKey;
use serde::{Deserialize, Deserializer, de::Error};

pub(super) const fn yes() -> bool {
    true
}

/// A feed's id.
pub(super) fn feed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PublicKey, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    text.parse().map_err(D::Error::custom)
}

/// A number that counts: fractions are cut, what is negative is 0, as shifting does in JavaScript.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, which is what is meant"
)]
pub(super) const fn whole(number: f64) -> u32 {
    number as u32
}

/// How many are wanted at the most; `-1` and nothing mean all.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, which is what is meant"
)]
pub(super) fn limit(limit: Option<f64>) -> u64 {
    match limit {
        Some(limit) if limit >= 0.0 => limit as u64,
        _ => u64::MAX,
    }
}

/// A feed's id as an argument of its own.
#[derive(Clone, Copy, Deserialize)]
#[serde(transparent)]
pub(super) struct FeedArg(#[serde(deserialize_with = "feed")] pub(super) PublicKey);
