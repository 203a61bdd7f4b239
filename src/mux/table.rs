use super::stream::Stream;
use slab::Slab;
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// Names a stream of one session. A key outlives its stream safely: the slot's next tenant has another id, and ids
/// are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamKey {
    index: u32,
    id: i32,
}

impl StreamKey {
    #[cfg(test)]
    pub(crate) const fn new(index: u32, id: i32) -> Self {
        Self { index, id }
    }

    /// The slot, small and dense: for tables kept beside the session's.
    #[must_use]
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// The stream's id from our point of view: positive when we opened it.
    #[must_use]
    pub const fn id(self) -> i32 {
        self.id
    }
}

/// Spreads ids over a hash table. A peer that picks its ids to collide slows the look-up of its own few open streams
/// and nobody else's, so a keyed hash would buy nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_i32(i32::from(*byte));
        }
    }

    fn write_i32(&mut self, id: i32) {
        let mixed = (self.0 ^ u64::from(id.cast_unsigned())).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

pub(crate) type IdMap<T> = HashMap<i32, T, BuildHasherDefault<IdHasher>>;

/// The streams of a session, by slot and by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    slab: Slab<Stream>,
    by_id: IdMap<u32>,
    /// The stream found last; bursts belong to one stream.
    last: Option<StreamKey>,
    /// Streams that the peer opened.
    peer_opened: usize,
}

impl Table {
    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) const fn peer_opened(&self) -> usize {
        self.peer_opened
    }

    #[inline]
    pub(crate) fn get(&self, key: StreamKey) -> Option<&Stream> {
        self.slab.get(key.index()).filter(|stream| stream.id == key.id)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: StreamKey) -> Option<&mut Stream> {
        self.slab.get_mut(key.index()).filter(|stream| stream.id == key.id)
    }

    #[inline]
    pub(crate) fn find(&mut self, id: i32) -> Option<StreamKey> {
        if let Some(key) = self.last
            && key.id == id
        {
            return Some(key);
        }
        let index = *self.by_id.get(&id)?;
        self.last = Some(StreamKey { index, id });
        self.last
    }

    /// Adds a stream whose id is not in the table. `None` when slots have run out (after four billion).
    pub(crate) fn insert(&mut self, stream: Stream) -> Option<StreamKey> {
        let id = stream.id;
        let index = u32::try_from(self.slab.vacant_key()).ok()?;
        self.peer_opened += usize::from(id < 0);
        self.slab.insert(stream);
        self.by_id.insert(id, index);
        Some(StreamKey { index, id })
    }

    pub(crate) fn remove(&mut self, key: StreamKey) -> Option<Stream> {
        self.get(key)?;
        self.by_id.remove(&key.id);
        self.last = self.last.filter(|last| *last != key);
        self.peer_opened -= usize::from(key.id < 0);
        self.slab.try_remove(key.index())
    }

    pub(crate) fn keys(&self) -> Vec<StreamKey> {
        self.iter().map(|(key, _)| key).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (StreamKey, &Stream)> {
        self.slab.iter().map(|(index, stream)| {
            // `insert` let no index past `u32`.
            (StreamKey { index: u32::try_from(index).unwrap_or(u32::MAX), id: stream.id }, stream)
        })
    }
}
