//! Which blobs there are, which of them go first, and how many bytes they take. In memory; touches no file.

use super::BlobError;
use crate::ssb::BlobId;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// What a blob counts at the least: a block of a disk. So a quota bounds the number of blobs too, and with it this table.
const COUNTED_BYTES_MIN: u64 = 4_096;

/// Downloads that rest, at the most. Stops who begins blobs and never ends them from taking the quota.
const PARTIALS_MAX: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Index {
    quota_bytes: u64,
    blobs: HashMap<BlobId, Blob>,
    /// Blobs that are not pinned, the least recently used first.
    order: BTreeMap<u64, BlobId>,
    pins: HashSet<BlobId>,
    /// Downloads that rest, the oldest first, with what they count.
    partials: VecDeque<(BlobId, u64)>,
    /// Blobs that are being fetched.
    busy: HashSet<BlobId>,
    /// The next place in `order`.
    tick: u64,
    /// What all blobs count.
    stored_bytes: u64,
    /// What is being written or rests counts.
    pending_bytes: u64,
}

#[derive(Debug)]
struct Blob {
    bytes: u64,
    used: u64,
}

/// What a blob of so many bytes counts.
pub(super) const fn counted(bytes: u64) -> u64 {
    if bytes < COUNTED_BYTES_MIN { COUNTED_BYTES_MIN } else { bytes }
}

impl Index {
    pub(super) fn new(quota_bytes: u64, pins: HashSet<BlobId>) -> Self {
        Self { quota_bytes, pins, ..Self::default() }
    }

    /// Makes room for `bytes` more that are being written, and returns the blobs that have to go. None goes when that does not do.
    pub(super) fn reserve(&mut self, bytes: u64) -> Result<Vec<BlobId>, BlobError> {
        let (mut victims, mut freed) = (Vec::new(), 0);
        let wanted = self.bytes().saturating_add(bytes);
        let mut order = self.order.values();
        while wanted.saturating_sub(freed) > self.quota_bytes {
            let Some(id) = order.next() else {
                return Err(BlobError::Quota { quota_bytes: self.quota_bytes });
            };
            freed += self.blobs.get(id).map_or(0, |blob| counted(blob.bytes));
            victims.push(*id);
        }
        for id in &victims {
            self.remove(id);
        }
        self.pending_bytes += bytes;
        Ok(victims)
    }

    /// Blobs that have to go for the quota to be kept, as after it was lowered.
    pub(super) fn excess(&mut self) -> Vec<BlobId> {
        let mut victims = Vec::new();
        while self.bytes() > self.quota_bytes {
            let Some((_, id)) = self.order.first_key_value() else { break };
            victims.push(*id);
            self.remove(&victims[victims.len() - 1].clone());
        }
        victims
    }

    pub(super) fn release(&mut self, bytes: u64) {
        self.pending_bytes = self.pending_bytes.saturating_sub(bytes);
    }

    /// Adds a blob, as the most recently used.
    pub(super) fn add(&mut self, id: BlobId, bytes: u64) {
        self.remove(&id);
        self.stored_bytes += counted(bytes);
        self.blobs.insert(id, Blob { bytes, used: self.tick });
        if !self.pins.contains(&id) {
            self.order.insert(self.tick, id);
        }
        self.tick += 1;
    }

    pub(super) fn remove(&mut self, id: &BlobId) -> bool {
        let Some(blob) = self.blobs.remove(id) else { return false };
        self.order.remove(&blob.used);
        self.stored_bytes = self.stored_bytes.saturating_sub(counted(blob.bytes));
        true
    }

    /// Notes that a blob is used, and returns its size.
    pub(super) fn touch(&mut self, id: &BlobId) -> Option<u64> {
        let blob = self.blobs.get_mut(id)?;
        if self.order.remove(&blob.used).is_some() {
            self.order.insert(self.tick, *id);
        }
        blob.used = self.tick;
        self.tick += 1;
        Some(blob.bytes)
    }

    pub(super) fn size(&self, id: &BlobId) -> Option<u64> {
        self.blobs.get(id).map(|blob| blob.bytes)
    }

    pub(super) fn count(&self) -> usize {
        self.blobs.len()
    }

    pub(super) fn list(&self) -> Vec<(BlobId, u64)> {
        self.blobs.iter().map(|(id, blob)| (*id, blob.bytes)).collect()
    }

    /// What is stored, being written or rests counts so much.
    pub(super) fn bytes(&self) -> u64 {
        self.stored_bytes.saturating_add(self.pending_bytes)
    }

    pub(super) fn pin(&mut self, id: BlobId) {
        self.pins.insert(id);
        if let Some(blob) = self.blobs.get(&id) {
            self.order.remove(&blob.used);
        }
    }

    pub(super) fn unpin(&mut self, id: &BlobId) {
        if self.pins.remove(id)
            && let Some(blob) = self.blobs.get(id)
        {
            self.order.insert(blob.used, *id);
        }
    }

    pub(super) fn is_pinned(&self, id: &BlobId) -> bool {
        self.pins.contains(id)
    }

    /// Takes a blob for one writer. What it rested with counts on.
    pub(super) fn begin(&mut self, id: BlobId) -> Result<Option<u64>, BlobError> {
        if !self.busy.insert(id) {
            return Err(BlobError::Busy(id));
        }
        let at = self.partials.iter().position(|(partial, _)| *partial == id);
        Ok(at.and_then(|at| self.partials.remove(at)).map(|(_, bytes)| bytes))
    }

    pub(super) fn end(&mut self, id: &BlobId) {
        self.busy.remove(id);
    }

    /// Lets a download rest, which `bytes` are reserved for already. Returns one that has to go for it.
    pub(super) fn rest(&mut self, id: BlobId, bytes: u64) -> Option<BlobId> {
        self.partials.push_back((id, bytes));
        if self.partials.len() <= PARTIALS_MAX {
            return None;
        }
        let (oldest, bytes) = self.partials.pop_front()?;
        self.release(bytes);
        Some(oldest)
    }

    pub(super) fn is_resting(&self, id: &BlobId) -> bool {
        self.partials.iter().any(|(partial, _)| partial == id)
    }

    /// Counts a download that was found, whatever the quota.
    pub(super) fn count_pending(&mut self, bytes: u64) {
        self.pending_bytes += bytes;
    }
}
