use crate::PublicKey;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::{fmt, io::Write};

/// Highest sequence that fits a note: JavaScript shifts in 32 bits.
const SEQUENCE_MAX: u32 = (1 << 30) - 1;

/// What one peer says of one feed: −1, "keep it to yourself", or how far it has the feed and whether it wants to be sent more.
///
/// On the wire a JSON number: −1, or `sequence << 1`, plus one when nothing is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Note(i32);

impl Note {
    /// The feed is not replicated.
    pub const NONE: Self = Self(-1);

    /// A feed known up to `sequence`. Sequences past 2^30 - 1 cannot be said and are said as that.
    #[must_use]
    pub const fn new(sequence: u32, receive: bool) -> Self {
        let sequence = if sequence > SEQUENCE_MAX { SEQUENCE_MAX } else { sequence };
        Self(sequence.cast_signed() << 1 | !receive as i32)
    }

    /// Reads the number on the wire. All that no peer should send, negative or past 31 bits, says what −1 says.
    #[must_use]
    pub fn from_number(number: i64) -> Self {
        i32::try_from(number).ok().filter(|number| *number >= 0).map_or(Self::NONE, Self)
    }

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    /// How far the peer has the feed; `None` when it does not replicate it.
    #[must_use]
    pub const fn sequence(self) -> Option<u32> {
        if self.0 < 0 { None } else { Some(self.0.cast_unsigned() >> 1) }
    }

    /// Whether messages past [`sequence`](Self::sequence) are to be sent.
    #[must_use]
    pub const fn receive(self) -> bool {
        self.0 >= 0 && self.0 & 1 == 0
    }

    /// Reads a frame of notes, `{"@...=.ed25519":n,...}`, or that object within `{"clock":{...}}`. As npm
    /// `epidemic-broadcast-trees` does: keys that are no feeds are ignored, values that are no integers say −1.
    ///
    /// # Errors
    /// The frame is no JSON object, or names more than `entries_max` feeds.
    pub fn read_all(frame: &[u8], entries_max: usize) -> Result<Vec<(PublicKey, Self)>, NoteError> {
        let mut notes = Notes { entries: Vec::new(), entries_max, is_over: false, is_inner: false };
        let mut json = serde_json::Deserializer::from_slice(frame);
        let read = json.deserialize_map(&mut notes).and_then(|()| json.end());
        if notes.is_over {
            return Err(NoteError::TooMany { entries_max });
        }
        read.map_err(NoteError::Json)?;
        Ok(notes.entries)
    }

    /// Appends an entry to a frame that is being written; the caller writes the braces.
    pub(super) fn write(self, feed: &PublicKey, frame: &mut Vec<u8>) {
        let comma = if frame.last() == Some(&b'{') { "" } else { "," };
        // Writing to a vector cannot fail.
        let _ = write!(frame, "{comma}\"{feed}\":{}", self.0);
    }
}

/// Why a frame is no notes.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// It is no JSON object.
    #[error("no notes: {0}")]
    Json(serde_json::Error),
    /// It names too many feeds.
    #[error("notes of more than {entries_max} feeds in one frame")]
    TooMany {
        /// How many would have been taken.
        entries_max: usize,
    },
}

/// Collects the entries of an object as they are read, without a tree of values in between.
struct Notes {
    entries: Vec<(PublicKey, Note)>,
    entries_max: usize,
    is_over: bool,
    /// Within `clock`, where another `clock` means nothing.
    is_inner: bool,
}

impl<'de> Visitor<'de> for &mut Notes {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of feeds and numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut is_wrapped = false;
        while let Some(key) = map.next_key_seed(KeySeed)? {
            let value: &RawValue = map.next_value()?;
            match key {
                Key::Feed(feed) if !is_wrapped => {
                    if self.entries.len() >= self.entries_max {
                        self.is_over = true;
                        return Err(de::Error::custom("too many feeds"));
                    }
                    self.entries.push((feed, number(value)));
                }
                Key::Clock if !self.is_inner && value.get().starts_with('{') => {
                    // What stands beside a clock belongs to protocols to come.
                    is_wrapped = true;
                    self.is_inner = true;
                    self.entries.clear();
                    let mut json = serde_json::Deserializer::from_str(value.get());
                    json.deserialize_map(&mut *self).map_err(de::Error::custom)?;
                    self.is_inner = false;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

enum Key {
    Feed(PublicKey),
    Clock,
    Other,
}

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, text: &str) -> Result<Key, E> {
        Ok(match text {
            "clock" => Key::Clock,
            // Addresses and URIs name keys too, but no feeds here.
            _ if text.starts_with('@') => text.parse().map_or(Key::Other, Key::Feed),
            _ => Key::Other,
        })
    }
}

/// A value as it stands. What is no integer says −1; `4.0` is one in JavaScript.
fn number(value: &RawValue) -> Note {
    let number: Option<f64> = value.get().parse().ok();
    let is_integer = |number: &f64| number.fract() == 0.0 && (0.0..=f64::from(i32::MAX)).contains(number);
    #[expect(clippy::cast_possible_truncation, reason = "an integer within the bounds of the type")]
    number.filter(is_integer).map_or(Note::NONE, |number| Note(number as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(byte: u8) -> PublicKey {
        PublicKey([byte; 32])
    }

    fn read(text: &str) -> Vec<(PublicKey, i32)> {
        let notes = Note::read_all(text.as_bytes(), 10).expect("notes");
        notes.into_iter().map(|(feed, note)| (feed, note.number())).collect()
    }

    #[test]
    fn the_number_says_sequence_and_bit() {
        for (number, sequence, receive) in
            [(-1, None, false), (0, Some(0), true), (1, Some(0), false), (450, Some(225), true)]
        {
            let note = Note::from_number(number);
            assert_eq!((note.sequence(), note.receive()), (sequence, receive), "{number}");
            assert_eq!(i64::from(note.number()), number);
            assert_eq!(sequence.map_or(Note::NONE, |sequence| Note::new(sequence, receive)), note);
        }
        assert_eq!(Note::from_number(-7), Note::NONE);
        assert_eq!(Note::from_number(1 << 31), Note::NONE);
        assert_eq!(Note::new(u32::MAX, false).number(), i32::MAX);
    }

    #[test]
    fn values_are_read_as_javascript_reads_them() {
        let a = feed(1);
        for (value, number) in [
            ("4", 4),
            ("4.0", 4),
            ("4e0", 4),
            ("-1", -1),
            ("0.5", -1),
            ("1e99", -1),
            ("-0.0", 0),
            ("\"4\"", -1),
            ("null", -1),
            ("true", -1),
            ("[[4]]", -1),
            ("{\"clock\":{}}", -1),
        ] {
            assert_eq!(read(&format!("{{\"{a}\":{value}}}")), [(a, number)], "{value}");
        }
    }

    #[test]
    fn a_clock_may_be_wrapped_and_strange_keys_mean_nothing() {
        let (a, b) = (feed(1), feed(2));
        assert_eq!(read("{}"), []);
        assert_eq!(read(&format!("{{\"x\":[1],\"{a}\":2,\"@no\":3}}")), [(a, 2)]);
        assert_eq!(read(&format!("{{\"{a}\":2,\"clock\":{{\"{b}\":3}},\"{a}\":5}}")), [(b, 3)]);
        assert_eq!(read(&format!("{{\"{a}\":2,\"clock\":7}}")), [(a, 2)]);
        assert_eq!(read(&format!("{{\"clock\":{{\"clock\":{{\"{a}\":1}},\"{b}\":3}}}}")), [(b, 3)]);
        let escaped = format!("{{\"{a}\":2}}").replace('@', "\\u0040");
        assert_eq!(read(&escaped), [(a, 2)]);
    }

    #[test]
    fn what_is_no_object_or_too_much_is_refused() {
        for wrong in ["", "[]", "1", "null", "{", "{}{}", "{\"a\"}"] {
            assert!(matches!(Note::read_all(wrong.as_bytes(), 10), Err(NoteError::Json(_))), "{wrong}");
        }
        let mut frame = b"{".to_vec();
        (0..11).for_each(|byte| Note::new(1, true).write(&feed(byte), &mut frame));
        frame.push(b'}');
        assert!(matches!(Note::read_all(&frame, 10), Err(NoteError::TooMany { entries_max: 10 })));
        assert_eq!(Note::read_all(&frame, 11).expect("it fits").len(), 11);
    }
}
