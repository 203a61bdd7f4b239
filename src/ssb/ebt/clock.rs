use super::Note;
use crate::PublicKey;
use std::collections::HashMap;

/// Bytes of an entry: a feed, a number.
const ENTRY_BYTES: usize = 36;

/// What a peer last said of each feed, kept from one connection to the next so that feeds in which nothing happened need
/// not be named again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clock(pub(super) HashMap<PublicKey, Said>);

/// The last words about a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// The peer's: how far it has the feed, `None` for −1.
    pub(super) theirs: Option<u32>,
    /// Ours were −1: the peer will not name the feed again until it hears otherwise.
    pub(super) is_refused: bool,
}

impl Clock {
    /// How many feeds it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How far the peer said it has a feed; `None` when it did not say, or said that it does not replicate it.
    #[must_use]
    pub fn sequence(&self, feed: &PublicKey) -> Option<u32> {
        self.0.get(feed)?.theirs
    }

    /// Text for the store: 36 bytes a feed, in the order of the feeds.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut entries: Vec<_> = self.0.iter().collect();
        entries.sort_unstable_by_key(|(feed, _)| **feed);
        let mut bytes = Vec::with_capacity(entries.len() * ENTRY_BYTES);
        for (feed, said) in entries {
            // The number is a note's, with the bit that says "do not send" telling of our own refusal.
            let number = match said.theirs {
                Some(sequence) => Note::new(sequence, !said.is_refused).number(),
                None => -1 - i32::from(said.is_refused),
            };
            bytes.extend_from_slice(&feed.0);
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// The length is none that a clock can have.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ClockError> {
        let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() {
            return Err(ClockError { bytes: bytes.len() });
        }
        let read = entries.iter().filter_map(|entry| {
            let (feed, number) = entry.split_first_chunk::<32>()?;
            let number = i32::from_be_bytes(number.try_into().ok()?);
            let said = match number {
                0.. => {
                    Said { theirs: Note::from_number(number.into()).sequence(), is_refused: number & 1 == 1 }
                }
                _ => Said { theirs: None, is_refused: number == -2 },
            };
            Some((PublicKey(*feed), said))
        });
        Ok(Self(read.collect()))
    }
}

/// Bytes that are no clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes are no clock, which has 36 for each feed")]
pub struct ClockError {
    /// How many they are.
    bytes: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_reads_back() {
        let said = [(Some(0), false), (Some(7), true), (None, false), (None, true)];
        let entries = said.into_iter().enumerate().map(|(at, (theirs, is_refused))| {
            (PublicKey([u8::try_from(at).expect("few"); 32]), Said { theirs, is_refused })
        });
        let clock = Clock(entries.collect());
        let bytes = clock.to_bytes();
        assert_eq!(bytes.len(), 4 * ENTRY_BYTES);
        assert_eq!(Clock::from_bytes(&bytes), Ok(clock));
        assert_eq!(Clock::from_bytes(&bytes[1..]), Err(ClockError { bytes: 143 }));
        assert!(Clock::from_bytes(&[]).expect("an empty one").is_empty());
    }
}
