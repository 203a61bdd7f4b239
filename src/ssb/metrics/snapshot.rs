use super::Histogram;
use crate::{PublicKey, mux::Counters, rpc::Kind};
use std::{collections::BTreeMap, time::Duration};

/// Peers named in a snapshot. Stops a crowd of peers from making a label each; those that owe less are summed.
pub const PEERS_MAX: usize = 64;

/// What one shard has counted, or several together; see [`merge`](Self::merge).
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The shards it is of.
    pub shards: Vec<ShardFigures>,
    /// By method.
    pub methods: BTreeMap<String, MethodFigures>,
    /// Calls refused before a handler saw them.
    pub calls_refused: u64,
    /// What happened in sessions.
    pub sessions: Counters,
    /// Connections refused, dropped or cut off, by reason.
    pub limits: BTreeMap<&'static str, u64>,
    /// Messages of feeds.
    pub messages: MessageFigures,
    /// Messages that peers have told to have and not sent yet, those that owe most first; [`PEERS_MAX`] at the most.
    pub lag: Vec<(PublicKey, u64)>,
    /// The same of all other peers together.
    pub lag_of_others: u64,
    /// The store, as the shard that looks after it sees it.
    pub store: Option<StoreFigures>,
    /// The blobs, likewise.
    pub blobs: Option<BlobFigures>,
}

/// What tells shards apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardFigures {
    /// Which one, from 0.
    pub index: usize,
    /// How many there are.
    pub count: usize,
    /// Connections.
    pub connections: usize,
    /// Received bytes that nobody has taken yet.
    pub received_bytes: u64,
    /// Feeds it looks after.
    pub feeds: u64,
    /// Time its thread has had of its CPU.
    pub busy: Duration,
    /// How long ago this was.
    pub age: Duration,
}

/// The calls of a method.
#[derive(Clone, Debug, PartialEq)]
pub struct MethodFigures {
    /// The method's kind.
    pub kind: Kind,
    /// Calls that began.
    pub begun: u64,
    /// Calls that ended well.
    pub answered: u64,
    /// Calls that ended with an error.
    pub failed: u64,
    /// Calls that were given up, or lost with their connection.
    pub dropped: u64,
    /// Bytes sent by calls that ended.
    pub sent_bytes: u64,
    /// Bytes received by calls that ended.
    pub received_bytes: u64,
    /// How long async calls took. Streams live as long as they are wanted, which says nothing.
    pub latency: Histogram,
}

/// Messages of feeds, counted where they pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageFigures {
    /// Checked and found right.
    pub verified: u64,
    /// Stored.
    pub stored: u64,
    /// Sent to peers.
    pub sent: u64,
    /// Received though they were here already.
    pub duplicates: u64,
    /// Refused, by reason.
    pub refused: BTreeMap<&'static str, u64>,
}

/// The state of the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreFigures {
    /// Bytes it occupies.
    pub bytes: u64,
    /// Messages in it.
    pub messages: u64,
    /// Feeds in it.
    pub feeds: u64,
    /// Bytes free in its file system.
    pub free_bytes: u64,
    /// Whether it refuses to write.
    pub is_full: bool,
}

/// The state of the blobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlobFigures {
    /// Blobs held.
    pub count: u64,
    /// Bytes they occupy.
    pub bytes: u64,
    /// Blobs that we look for.
    pub wanted: u64,
}

impl MethodFigures {
    /// Nothing yet.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            begun: 0,
            answered: 0,
            failed: 0,
            dropped: 0,
            sent_bytes: 0,
            received_bytes: 0,
            latency: Histogram::default(),
        }
    }

    /// Calls under way.
    #[must_use]
    pub const fn open(&self) -> u64 {
        self.begun.saturating_sub(self.answered + self.failed + self.dropped)
    }

    fn merge(&mut self, other: &Self) {
        self.begun += other.begun;
        self.answered += other.answered;
        self.failed += other.failed;
        self.dropped += other.dropped;
        self.sent_bytes += other.sent_bytes;
        self.received_bytes += other.received_bytes;
        self.latency.merge(&other.latency);
    }
}

impl Snapshot {
    /// Adds what other shards have counted. Of store and blobs, which a process has once, the first seen is kept.
    pub fn merge(&mut self, other: &Self) {
        self.shards.extend(other.shards.iter().cloned());
        for (name, figures) in &other.methods {
            match self.methods.get_mut(name) {
                Some(own) => own.merge(figures),
                None => drop(self.methods.insert(name.clone(), figures.clone())),
            }
        }
        self.calls_refused += other.calls_refused;
        self.sessions.add(&other.sessions);
        add_all(&mut self.limits, &other.limits);
        self.messages.verified += other.messages.verified;
        self.messages.stored += other.messages.stored;
        self.messages.sent += other.messages.sent;
        self.messages.duplicates += other.messages.duplicates;
        add_all(&mut self.messages.refused, &other.messages.refused);
        let lag = self.lag.drain(..).chain(other.lag.iter().copied()).collect();
        self.lag_of_others += other.lag_of_others;
        self.add_lag(lag);
        self.store = self.store.or(other.store);
        self.blobs = self.blobs.or(other.blobs);
    }

    /// Sets what peers owe: those that owe most by name, the rest in one. A peer with two connections counts for both.
    pub fn add_lag(&mut self, lag: Vec<(PublicKey, u64)>) {
        let mut by_peer = BTreeMap::<PublicKey, u64>::new();
        for (peer, messages) in lag.into_iter().chain(self.lag.drain(..)) {
            let sum = by_peer.entry(peer).or_default();
            *sum = sum.saturating_add(messages);
        }
        let mut lag: Vec<_> = by_peer.into_iter().collect();
        lag.sort_by_key(|(_, messages)| std::cmp::Reverse(*messages));
        let rest = lag.split_off(lag.len().min(PEERS_MAX));
        let rest = rest.iter().fold(0_u64, |sum, (_, messages)| sum.saturating_add(*messages));
        self.lag_of_others = self.lag_of_others.saturating_add(rest);
        self.lag = lag;
    }
}

fn add_all(own: &mut BTreeMap<&'static str, u64>, others: &BTreeMap<&'static str, u64>) {
    for (name, count) in others {
        *own.entry(name).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_add_up() {
        let mut one = Snapshot { calls_refused: 1, ..Snapshot::default() };
        one.shards.push(ShardFigures { index: 0, count: 2, connections: 3, ..ShardFigures::default() });
        one.methods.insert(
            "a".to_owned(),
            MethodFigures { begun: 5, answered: 2, ..MethodFigures::new(Kind::Async) },
        );
        one.limits.insert("connections_full", 1);
        one.messages.refused.insert("signature", 2);
        one.store = Some(StoreFigures { bytes: 7, ..StoreFigures::default() });
        one.sessions.stalls = 4;
        let mut other = one.clone();
        other.methods.insert("b".to_owned(), MethodFigures::new(Kind::Source));
        other.store = None;
        one.merge(&other);
        assert_eq!(one.shards.len(), 2);
        assert_eq!(one.methods.len(), 2);
        let a = &one.methods["a"];
        assert_eq!((a.begun, a.answered, a.open()), (10, 4, 6));
        assert_eq!((one.calls_refused, one.sessions.stalls), (2, 8));
        assert_eq!(one.limits["connections_full"], 2);
        assert_eq!(one.messages.refused["signature"], 4);
        assert_eq!(one.store.map(|store| store.bytes), Some(7), "there is one store");
    }

    #[test]
    fn peers_that_owe_most_are_named_and_none_is_lost() {
        let lag =
            |from: u8, to: u8| (from..to).map(|n| (PublicKey([n; 32]), u64::from(n))).collect::<Vec<_>>();
        let mut one = Snapshot::default();
        one.add_lag(lag(0, 100));
        let mut other = Snapshot::default();
        other.add_lag(lag(50, 200));
        one.merge(&other);
        assert_eq!(one.lag.len(), PEERS_MAX);
        assert_eq!(one.lag[0], (PublicKey([199; 32]), 199));
        let sum: u64 = one.lag.iter().map(|(_, messages)| messages).sum();
        let all: u64 = (0..100_u64).sum::<u64>() + (50..200_u64).sum::<u64>();
        assert_eq!(sum + one.lag_of_others, all);
    }
}
