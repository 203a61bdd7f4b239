use crate::wire::{BodyKind, HEADER_BYTES, Run};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// Charged to the budgets for each run, besides its bytes: what the queue spends on it. Without it, frames of one byte
/// would cost a peer less credit than they cost us memory.
pub(crate) const RUN_OVERHEAD_BYTES: u64 = 64;

/// Unread runs from this length on stay in the buffer they arrived in: that holds at most a few times their bytes.
const KEEP_SHARED_BYTES_MIN: usize = 64 << 10;

/// A buffer shorter than this that has only just been emptied is kept for the next burst.
const KEEP_CAPACITY: usize = 8;

#[derive(Clone, Debug)]
struct Entry {
    run: Run,
    charge: u64,
    /// Whether the bytes are a slice of a receive buffer, which they keep alive as a whole.
    is_shared: bool,
}

/// Data frames that arrived and were not taken yet, in wire form.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backlog {
    entries: VecDeque<Entry>,
}

impl Backlog {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes charged for what is in here.
    pub(crate) fn charge(&self) -> u64 {
        self.entries.iter().map(|entry| entry.charge).sum()
    }

    /// Appends a run; yields what it is charged.
    pub(crate) fn push(&mut self, run: Run) -> u64 {
        let charge = run.cost() + RUN_OVERHEAD_BYTES;
        self.entries.push_back(Entry { run, charge, is_shared: true });
        charge
    }

    /// How the first frame's body is to be read, and how long it is.
    #[inline]
    pub(crate) fn front(&self) -> Option<(BodyKind, usize)> {
        self.entries.front()?.run.front()
    }

    /// Takes the first frame, of which [`front`](Self::front) has told the length; yields its body. [`shed`](Self::shed) follows.
    #[inline]
    pub(crate) fn cut(&mut self, body_bytes: usize) -> Bytes {
        self.entries.front_mut().map_or_else(Bytes::new, |entry| entry.run.cut(body_bytes))
    }

    /// Lets go of the first run if it has been read up; yields the charge that is over with it.
    #[inline]
    pub(crate) fn shed(&mut self) -> u64 {
        match self.entries.front() {
            Some(entry) if entry.run.wire.is_empty() => self.pop_front(),
            _ => 0,
        }
    }

    fn pop_front(&mut self) -> u64 {
        let charge = self.entries.pop_front().map_or(0, |entry| entry.charge);
        if self.entries.is_empty() && self.entries.capacity() > KEEP_CAPACITY {
            self.entries = VecDeque::new();
        }
        charge
    }

    /// Throws everything away; yields its cost and its charge.
    pub(crate) fn clear(&mut self) -> (u64, u64) {
        let entries = std::mem::take(&mut self.entries);
        let cost = entries.iter().map(|entry| entry.run.cost()).sum();
        (cost, entries.iter().map(|entry| entry.charge).sum())
    }

    /// Copies newly arrived small runs into memory of their own, as one run, so that a reader who keeps frames waiting
    /// does not keep whole receive buffers; yields the bytes copied and the charge saved.
    pub(crate) fn compact(&mut self) -> (u64, u64) {
        let shared = self.entries.iter().rev().take_while(|entry| entry.is_shared).count();
        let first = self.entries.len() - shared;
        let bytes: usize = self.entries.range(first..).map(|entry| entry.run.wire.len()).sum();
        if shared == 0 {
            return (0, 0);
        }
        if bytes >= KEEP_SHARED_BYTES_MIN {
            for entry in self.entries.range_mut(first..) {
                entry.is_shared = false;
            }
            return (0, 0);
        }
        let (mut joined, mut charge, mut id) = (BytesMut::with_capacity(bytes), 0, 0);
        for entry in self.entries.drain(first..) {
            joined.extend_from_slice(&entry.run.wire);
            charge += entry.charge;
            id = entry.run.id;
        }
        debug_assert!(joined.len() >= HEADER_BYTES, "a run is never empty");
        let run = Run { id, wire: Bytes::from(joined) };
        let kept = run.cost() + RUN_OVERHEAD_BYTES;
        self.entries.push_back(Entry { run, charge: kept, is_shared: false });
        (bytes as u64, charge.saturating_sub(kept))
    }
}
