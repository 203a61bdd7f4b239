//! Messages for whoever has no feed file: of the right shape and of plausible sizes, but signed by nobody.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;

use super::{Feed, FeedSet, Message};

/// The longest message that the classic format allows.
const LONGEST: usize = 8192;

/// Where the clock of the first message stands, in milliseconds: the first day of 2024.
pub(super) const EPOCH_MS: u64 = 1_704_067_200_000;

/// Messages of one author, unless fewer are wanted in all.
const FEED_LENGTH: u64 = 1000;

pub(super) const WORDS: [&str; 32] = [
    "the", "a", "of", "and", "to", "in", "is", "that", "boat", "harbour", "signal", "garden", "network",
    "friend", "tide", "message", "gossip", "offline", "morning", "butter", "wind", "island", "pub", "room",
    "solar", "mast", "weather", "bread", "quiet", "letter", "rope", "café",
];

/// Makes up so many messages, the same for the same seed.
pub(crate) fn make_up(messages: u64, seed: u64) -> FeedSet {
    let mut chance = Chance::new(seed);
    let mut left = messages;
    let mut feeds = Vec::new();
    while left > 0 {
        let length = left.min(FEED_LENGTH);
        feeds.push(feed(length, &mut chance));
        left -= length;
    }
    FeedSet { feeds }
}

fn feed(length: u64, chance: &mut Chance) -> Feed {
    let author = format!("@{}.ed25519", chance.base64::<32>());
    let mut previous = "null".to_owned();
    let mut clock = EPOCH_MS;
    let mut messages = Vec::new();
    for sequence in 1..=length {
        clock += 1000 + chance.below(3_600_000);
        let text = text(chance);
        let signature = chance.base64::<64>();
        let value = format!(
            concat!(
                r#"{{"previous":{previous},"author":"{author}","sequence":{sequence},"timestamp":{clock},"#,
                r#""hash":"sha256","content":{{"type":"post","text":"{text}"}},"signature":"{signature}.sig.ed25519"}}"#
            ),
            previous = previous,
            author = author,
            sequence = sequence,
            clock = clock,
            text = text,
            signature = signature,
        );
        debug_assert!(value.len() <= LONGEST, "{} bytes", value.len());
        let key = format!(r#""%{}.sha256""#, chance.base64::<32>());
        messages.push(message(sequence, &key, &value, clock));
        previous = key;
    }
    Feed { author, messages }
}

/// Stores a message; its parts share the bytes of the whole.
fn message(sequence: u64, key: &str, value: &str, clock: u64) -> Message {
    const BEFORE_KEY: &str = r#"{"key":"#;
    const BEFORE_VALUE: &str = r#","value":"#;
    let stored = Bytes::from(format!(r#"{BEFORE_KEY}{key}{BEFORE_VALUE}{value},"timestamp":{clock}}}"#));
    let key_end = BEFORE_KEY.len() + key.len();
    let value_start = key_end + BEFORE_VALUE.len();
    Message {
        sequence,
        value: stored.slice(value_start..value_start + value.len()),
        key: Some(stored.slice(BEFORE_KEY.len()..key_end)),
        stored: Some(stored),
    }
}

/// Half of all posts are a line or two, a few are essays.
fn text(chance: &mut Chance) -> String {
    let size = match chance.below(100) {
        0..50 => 20 + chance.below(180),
        50..85 => 200 + chance.below(800),
        85..97 => 1000 + chance.below(2000),
        _ => 3000 + chance.below(4000),
    };
    let size = usize::try_from(size).unwrap_or(LONGEST);
    let mut text = String::with_capacity(size + 16);
    while text.len() < size {
        if !text.is_empty() {
            text.push_str(if chance.below(40) == 0 { "\\n" } else { " " });
        }
        text.push_str(WORDS[chance.below(WORDS.len() as u64) as usize]);
    }
    text
}

/// SplitMix64: small, seeded, and good enough for sizes and noise.
pub(super) struct Chance(u64);

impl Chance {
    /// The same seed gives the same numbers.
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `limit`; the bias of the remainder does not matter here.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// So many bytes.
    pub(super) fn bytes<const BYTES: usize>(&mut self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
        bytes
    }

    fn base64<const BYTES: usize>(&mut self) -> String {
        BASE64_STANDARD.encode(self.bytes::<BYTES>())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::feed::read;

    #[test]
    fn a_seed_makes_the_same_messages_and_another_makes_others() {
        assert_eq!(make_up(20, 7), make_up(20, 7));
        assert_ne!(make_up(20, 7), make_up(20, 8));
        assert_eq!(
            make_up(2500, 1).feeds.iter().map(|feed| feed.messages.len()).collect::<Vec<_>>(),
            [1000, 1000, 500]
        );
    }

    #[test]
    fn messages_have_the_shape_of_signed_ones() {
        let feed = &make_up(300, 3).feeds[0];
        assert_eq!((feed.author.len(), &feed.author[..1]), (53, "@"));
        for (at, message) in feed.messages.iter().enumerate() {
            assert!(message.value.len() <= LONGEST);
            let value: Value = serde_json::from_slice(&message.value).expect("JSON");
            assert_eq!(value["sequence"], at as u64 + 1);
            assert_eq!(value["author"], feed.author);
            assert_eq!(value["content"]["type"], "post");
            assert_eq!(value["signature"].as_str().map(str::len), Some(88 + ".sig.ed25519".len()));
            assert_eq!(value["previous"].is_null(), at == 0);
            assert_eq!(serde_json::to_vec(&value).expect("JSON").len(), message.value.len(), "compact");
        }
    }

    #[test]
    fn what_is_made_up_reads_back_as_a_file() {
        let set = make_up(1200, 5);
        let line = |message: &Message| [message.stored.as_deref().expect("a key"), b"\n"].concat();
        let lines: Vec<u8> = set.feeds.iter().flat_map(|feed| &feed.messages).flat_map(line).collect();
        assert_eq!(read(lines.as_slice(), None).expect("a feed file"), set);
    }
}
