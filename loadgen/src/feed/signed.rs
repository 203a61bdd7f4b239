//! Feeds that their authors have signed: what a pub takes in. The same for the same seed, identities, clocks and all.

use std::collections::HashMap;
use std::thread;

use bytes::Bytes;
use push_mux::ssb::MessageId;
use push_mux::ssb::message::create;
use push_mux::{Keypair, PublicKey};

use super::made_up::{Chance, EPOCH_MS, WORDS};

/// Characters of a post's text: what makes a value 600 bytes long, a hundred more or less.
const TEXT_MIN: u64 = 165;
const TEXT_SPREAD: u64 = 200;

/// One text in so many holds letters that are not of ASCII.
const FOREIGN_EVERY: u64 = 5;

/// Whose key pair is drawn: each kind has a row of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Holder {
    /// The author of a feed.
    Author = 1,
    /// A peer that brings feeds.
    Pusher,
    /// A peer that fetches them.
    Puller,
    /// The peer that sees when they are stored.
    Witness,
    /// Whose pub it is.
    Server,
}

/// The key pair of one of them.
pub(crate) fn keypair(seed: u64, holder: Holder, number: u32) -> Keypair {
    let mut chance = Chance::new(seed ^ (holder as u64) << 56 ^ u64::from(number) << 20);
    Keypair::from_seed(&chance.bytes())
}

/// A feed, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedFeed {
    /// Whose.
    pub(crate) author: PublicKey,
    /// The value of each message, in their order.
    pub(crate) values: Vec<Bytes>,
}

/// All feeds of a run.
#[derive(Debug)]
pub(crate) struct Corpus {
    /// By number.
    pub(crate) feeds: Vec<SignedFeed>,
    numbers: HashMap<PublicKey, usize>,
}

impl Corpus {
    /// Signs so many feeds of so many messages each, on all cores that there are.
    ///
    /// # Errors
    /// When a message that was made up is none; the sizes here rule that out.
    pub(crate) fn sign(feeds: u32, messages: u32, seed: u64) -> anyhow::Result<Self> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let all: Vec<u32> = (0..feeds).collect();
        let signed = thread::scope(|scope| {
            let workers: Vec<_> = all
                .chunks(all.len().div_ceil(threads).max(1))
                .map(|numbers| {
                    scope.spawn(move || {
                        numbers.iter().map(|number| sign(*number, messages, seed)).collect::<Vec<_>>()
                    })
                })
                .collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect::<Vec<_>>()
        });
        let feeds = signed.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        let numbers = feeds.iter().enumerate().map(|(number, feed)| (feed.author, number)).collect();
        Ok(Self { feeds, numbers })
    }

    /// The number of an author's feed.
    pub(crate) fn number(&self, author: &PublicKey) -> Option<usize> {
        self.numbers.get(author).copied()
    }

    /// The mean size of a value.
    pub(crate) fn bytes_mean(&self) -> f64 {
        let values = || self.feeds.iter().flat_map(|feed| &feed.values);
        values().map(|value| value.len() as f64).sum::<f64>() / values().count().max(1) as f64
    }
}

fn sign(number: u32, messages: u32, seed: u64) -> anyhow::Result<SignedFeed> {
    let keypair = keypair(seed, Holder::Author, number);
    let mut chance = Chance::new(seed.rotate_left(32) ^ u64::from(number));
    let mut clock = EPOCH_MS;
    let mut head: Option<(u32, MessageId)> = None;
    let mut values = Vec::with_capacity(messages as usize);
    for _ in 0..messages {
        clock += 1000 + chance.below(3_600_000);
        let content = format!(r#"{{"type":"post","text":"{}"}}"#, text(&mut chance));
        let message = create(&keypair, head, clock as f64, content.as_bytes(), None)?;
        head = Some((message.sequence, message.id));
        values.push(message.value);
    }
    Ok(SignedFeed { author: keypair.public(), values })
}

fn text(chance: &mut Chance) -> String {
    let size = usize::try_from(TEXT_MIN + chance.below(TEXT_SPREAD)).unwrap_or_default();
    // The last word is the one that is not of ASCII.
    let plain = WORDS.len() as u64 - 1;
    let mut text = String::with_capacity(size + 16);
    if chance.below(FOREIGN_EVERY) == 0 {
        text.push_str(WORDS[WORDS.len() - 1]);
    }
    while text.len() < size {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(WORDS[chance.below(plain) as usize]);
    }
    text
}

#[cfg(test)]
mod tests {
    use push_mux::ssb::message::{Unchecked, check_link};

    use super::*;

    #[test]
    fn every_message_verifies_and_follows_the_one_before() {
        let corpus = Corpus::sign(3, 20, 7).expect("it can be signed");
        for (number, feed) in corpus.feeds.iter().enumerate() {
            assert_eq!((corpus.number(&feed.author), feed.values.len()), (Some(number), 20));
            let mut head = None;
            for value in &feed.values {
                let message = Unchecked::parse(value, None).expect("a message").verify().expect("signed");
                assert_eq!((message.author, &message.value), (feed.author, value));
                check_link(head, &message).expect("the next of its feed");
                head = Some((message.sequence, message.id));
            }
        }
        let mean = Corpus::sign(1, 500, 1).expect("it can be signed").bytes_mean();
        assert!((580.0..620.0).contains(&mean), "{mean}");
    }

    #[test]
    fn a_seed_makes_the_same_feeds_and_another_makes_others() {
        let feeds = |seed| Corpus::sign(2, 3, seed).expect("it can be signed").feeds;
        assert_eq!(feeds(7), feeds(7));
        assert_ne!(feeds(7), feeds(8));
        assert_eq!(feeds(7)[1].author, keypair(7, Holder::Author, 1).public());
        assert_ne!(keypair(7, Holder::Pusher, 1).public(), keypair(7, Holder::Puller, 1).public());
    }
}
