use crate::PublicKey;
use std::collections::HashMap;

/// What every shard knows of every feed: how far it is stored, and whether it is wanted. Fed by arrivals and by the graph's shard.
#[derive(Default)]
pub(crate) struct Feeds {
    feeds: HashMap<PublicKey, Feed>,
}

#[derive(Default)]
struct Feed {
    sequence: u32,
    /// Distance in the follow graph, if the feed is to be replicated.
    hops: Option<u8>,
}

impl Feeds {
    /// The sequence of the last message stored; 0 without one.
    pub(crate) fn sequence(&self, feed: &PublicKey) -> u32 {
        self.feeds.get(feed).map_or(0, |feed| feed.sequence)
    }

    pub(crate) fn hops(&self, feed: &PublicKey) -> Option<u8> {
        self.feeds.get(feed)?.hops
    }

    pub(crate) fn is_wanted(&self, feed: &PublicKey) -> bool {
        self.hops(feed).is_some()
    }

    pub(crate) fn wanted(&self) -> impl Iterator<Item = &PublicKey> {
        self.feeds.iter().filter(|(_, feed)| feed.hops.is_some()).map(|(key, _)| key)
    }

    /// Feeds that are stored or wanted: id, last sequence, distance.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&PublicKey, u32, Option<u8>)> {
        self.feeds.iter().map(|(key, feed)| (key, feed.sequence, feed.hops))
    }

    /// Messages were stored.
    pub(crate) fn advance(&mut self, key: &PublicKey, sequence: u32) {
        let feed = self.feeds.entry(*key).or_default();
        feed.sequence = feed.sequence.max(sequence);
    }

    pub(crate) fn set_hops(&mut self, key: &PublicKey, hops: Option<u8>) {
        if hops.is_some() {
            self.feeds.entry(*key).or_default().hops = hops;
        } else if let Some(feed) = self.feeds.get_mut(key) {
            feed.hops = None;
            self.drop_if_nothing(key);
        }
    }

    /// A feed was deleted.
    pub(crate) fn delete(&mut self, key: &PublicKey) {
        if let Some(feed) = self.feeds.get_mut(key) {
            feed.sequence = 0;
            self.drop_if_nothing(key);
        }
    }

    fn drop_if_nothing(&mut self, key: &PublicKey) {
        let is_nothing = |feed: &Feed| feed.sequence == 0 && feed.hops.is_none();
        if self.feeds.get(key).is_some_and(is_nothing) {
            self.feeds.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PublicKey = PublicKey([1; 32]);

    #[test]
    fn a_feed_is_known_as_long_as_it_is_stored_or_wanted() {
        let mut feeds = Feeds::default();
        feeds.set_hops(&A, Some(1));
        assert!(feeds.is_wanted(&A));
        feeds.advance(&A, 3);
        feeds.advance(&A, 2);
        assert_eq!(feeds.sequence(&A), 3);
        feeds.set_hops(&A, None);
        assert_eq!(feeds.all().collect::<Vec<_>>(), [(&A, 3, None)]);
        feeds.delete(&A);
        assert_eq!(feeds.all().count(), 0);
    }
}
