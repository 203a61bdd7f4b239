use crate::{PublicKey, ssb::store::Stored};
use std::collections::{HashMap, VecDeque};

/// Bytes of messages kept in memory after they were stored (16 MiB a shard; the bytes are shared between shards). Who follows
/// live reads from here; who is further behind reads the store.
const TAIL_BYTES_MAX: usize = 16 << 20;

/// Bytes that a message costs besides its value.
const OVERHEAD_BYTES: usize = 160;

/// The messages that arrived last.
pub(crate) struct Tail {
    feeds: HashMap<PublicKey, VecDeque<Stored>>,
    /// Whose message goes next when there is no room.
    order: VecDeque<PublicKey>,
    bytes: usize,
    bytes_max: usize,
}

impl Default for Tail {
    fn default() -> Self {
        Self { feeds: HashMap::new(), order: VecDeque::new(), bytes: 0, bytes_max: TAIL_BYTES_MAX }
    }
}

impl Tail {
    pub(crate) fn push(&mut self, message: Stored) {
        self.bytes += cost(&message);
        self.order.push_back(message.author);
        let feed = self.feeds.entry(message.author).or_default();
        if feed.back().is_some_and(|last| last.sequence + 1 != message.sequence) {
            // The feed was deleted and begins anew: what is before says nothing any more.
            self.bytes -= feed.drain(..).map(|old| cost(&old)).sum::<usize>();
        }
        feed.push_back(message);
        while self.bytes > self.bytes_max {
            let Some(author) = self.order.pop_front() else { break };
            self.drop_oldest(&author);
        }
    }

    fn drop_oldest(&mut self, author: &PublicKey) {
        let Some(feed) = self.feeds.get_mut(author) else { return };
        if let Some(oldest) = feed.pop_front() {
            self.bytes -= cost(&oldest);
        }
        if feed.is_empty() {
            self.feeds.remove(author);
        }
    }

    pub(crate) fn forget(&mut self, author: &PublicKey) {
        if let Some(feed) = self.feeds.remove(author) {
            self.bytes -= feed.iter().map(cost).sum::<usize>();
        }
    }

    /// Messages of a feed from `from` on, at the most so many; none when `from` is not here.
    pub(crate) fn range(&self, author: &PublicKey, from: u32, messages_max: usize) -> Vec<Stored> {
        let Some(feed) = self.feeds.get(author) else { return Vec::new() };
        let first = feed.front().map_or(u32::MAX, |message| message.sequence);
        let Some(skip) = from.checked_sub(first) else { return Vec::new() };
        feed.iter().skip(skip as usize).take(messages_max).cloned().collect()
    }
}

fn cost(message: &Stored) -> usize {
    message.value.len() + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssb::MessageId;

    fn message(author: u8, sequence: u32) -> Stored {
        Stored {
            id: MessageId([0; 32]),
            author: PublicKey([author; 32]),
            sequence,
            received_ms: 0.0,
            value: vec![0; 100].into(),
        }
    }

    fn sequences(tail: &Tail, author: u8, from: u32) -> Vec<u32> {
        tail.range(&PublicKey([author; 32]), from, 100).iter().map(|message| message.sequence).collect()
    }

    #[test]
    fn the_oldest_go_first_and_ranges_have_no_holes() {
        let mut tail = Tail { bytes_max: 5 * (100 + OVERHEAD_BYTES), ..Tail::default() };
        for sequence in 1..=4 {
            tail.push(message(1, sequence));
        }
        tail.push(message(2, 9));
        assert_eq!(sequences(&tail, 1, 3), [3, 4]);
        tail.push(message(2, 10));
        assert!(sequences(&tail, 1, 1).is_empty(), "the first is gone, so a range from it is not here");
        assert_eq!(sequences(&tail, 1, 2), [2, 3, 4]);
        assert_eq!(sequences(&tail, 2, 9), [9, 10]);
        assert!(sequences(&tail, 2, 11).is_empty());
    }

    #[test]
    fn a_feed_that_begins_anew_has_no_past() {
        let mut tail = Tail::default();
        tail.push(message(1, 7));
        tail.push(message(1, 1));
        assert_eq!(sequences(&tail, 1, 1), [1]);
        tail.forget(&PublicKey([1; 32]));
        assert!(sequences(&tail, 1, 1).is_empty());
        assert_eq!(tail.bytes, 0);
        for _ in 0..3 {
            tail.push(message(2, 1));
        }
        assert_eq!(tail.bytes, 100 + OVERHEAD_BYTES);
    }
}
