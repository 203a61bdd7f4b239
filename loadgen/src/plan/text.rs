//! Values that files and results hold as the text that the command line has for them, and lists that may be one value.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

pub(super) fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

pub(super) fn deserialize<'de, T: FromStr<Err = String>, D: Deserializer<'de>>(
    from: D,
) -> Result<T, D::Error> {
    NumberOrText::deserialize(from)?.to_string().parse().map_err(D::Error::custom)
}

/// The same for something that need not be there.
pub(super) fn option<'de, T: FromStr<Err = String>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    deserialize(from).map(Some)
}

/// The same for one or several.
pub(super) fn many<'de, T: FromStr<Err = String>, D: Deserializer<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    let values: Vec<NumberOrText> = one_or_many(from)?;
    values.iter().map(|value| value.to_string().parse().map_err(D::Error::custom)).collect()
}

/// `x` or `[x, y]`.
pub(super) fn one_or_many<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either<T> {
        Many(Vec<T>),
        One(T),
    }
    Ok(match Either::deserialize(from)? {
        Either::Many(values) => values,
        Either::One(value) => vec![value],
    })
}

/// `65536` or `"64KiB"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum NumberOrText {
    Number(u64),
    Text(String),
}

impl Display for NumberOrText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}
