use crate::ssb::BlobId;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::{fmt, io::Write};

/// Bytes that an entry takes at the most: comma, quotes, 52 of the id, colon, twenty digits.
pub(super) const ENTRY_BYTES_MAX: usize = 1 + 54 + 1 + 20;

/// A frame of `blobs.createWants` that is no JSON object.
#[derive(Debug, thiserror::Error)]
#[error("no wants: {0}")]
pub struct FrameError(#[from] serde_json::Error);

/// Reads `{"&...=.sha256":n,...}`: a negative number is a want from so many steps away, a positive one the size of a blob that the
/// peer has. Keys that are no blobs and values that are no integers are ignored, as JavaScript does.
pub(super) fn read(frame: &[u8], mut each: impl FnMut(BlobId, i64)) -> Result<(), FrameError> {
    let mut json = serde_json::Deserializer::from_slice(frame);
    json.deserialize_map(Frame(&mut each))?;
    Ok(json.end()?)
}

/// The blobs that a frame asks for: those whose size [`Wants::handle_frame`](super::Wants::handle_frame) will want to know.
///
/// # Errors
/// [`FrameError`].
pub fn asked(frame: &[u8]) -> Result<Vec<BlobId>, FrameError> {
    let mut blobs = Vec::new();
    read(frame, |blob, number| {
        if number < 0 {
            blobs.push(blob);
        }
    })?;
    Ok(blobs)
}

/// Appends an entry; the caller writes the braces.
pub(super) fn write(blob: &BlobId, number: i64, frame: &mut Vec<u8>) {
    let comma = if frame.last() == Some(&b'{') { "" } else { "," };
    // Writing to a vector cannot fail.
    let _ = write!(frame, "{comma}\"{blob}\":{number}");
}

struct Frame<F>(F);

impl<'de, F: FnMut(BlobId, i64)> Visitor<'de> for Frame<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of blobs and numbers")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(blob)) = map.next_key()? {
            match blob {
                Some(blob) => {
                    if let Number(Some(number)) = map.next_value()? {
                        (self.0)(blob, number);
                    }
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// A key, if it is a blob.
struct Key(Option<BlobId>);

impl<'de> de::Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E>(self, text: &str) -> Result<Key, E> {
                Ok(Key(text.parse().ok()))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// A value, if it is an integer. Numbers past 2^53 are none to JavaScript.
struct Number(Option<i64>);

impl<'de> de::Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value: &serde_json::value::RawValue = de::Deserialize::deserialize(deserializer)?;
        let number: Option<f64> = value.get().parse().ok();
        let is_integer = |number: &f64| number.fract() == 0.0 && number.abs() < 9e15;
        #[expect(clippy::cast_possible_truncation, reason = "an integer within the bounds of the type")]
        let number = number.filter(is_integer).map(|number| number as i64);
        Ok(Self(number))
    }
}
