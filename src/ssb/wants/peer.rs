use super::{
    WantsLimits,
    frame::{self, ENTRY_BYTES_MAX},
};
use crate::{PublicKey, ssb::BlobId};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What is known of one connection's blobs.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) key: PublicKey,
    /// Blobs it wants.
    pub(super) wants: HashSet<BlobId>,
    /// Blobs it has, and their sizes.
    pub(super) haves: HashMap<BlobId, u64>,
    /// Those of them that are wanted, as far as is known without looking again.
    pub(super) offers: BTreeSet<BlobId>,
    /// Fetches under way.
    pub(super) fetches: usize,
    /// Sizes and wants it has not been told yet. A pushed blob may be in both, and both are news: that it is here, and that it is to be
    /// taken. So they go out in different frames.
    sizes: BTreeMap<BlobId, i64>,
    asks: BTreeMap<BlobId, i64>,
    is_hello_due: bool,
}

impl Peer {
    pub(super) fn new(key: PublicKey) -> Self {
        Self {
            key,
            wants: HashSet::new(),
            haves: HashMap::new(),
            offers: BTreeSet::new(),
            fetches: 0,
            sizes: BTreeMap::new(),
            asks: BTreeMap::new(),
            // A first frame is said even if it is empty, which tells the peer that we know the method.
            is_hello_due: true,
        }
    }

    pub(super) fn tell(&mut self, blob: BlobId, number: i64, limits: &WantsLimits) {
        let news = if number < 0 { &mut self.asks } else { &mut self.sizes };
        if news.len() < limits.peer_news_max || news.contains_key(&blob) {
            news.insert(blob, number);
        }
    }

    /// Takes back a want that nobody has any more, if it has not been told.
    pub(super) fn untell(&mut self, blob: &BlobId) {
        self.asks.remove(blob);
    }

    pub(super) fn poll_frame(&mut self, limits: &WantsLimits, out: &mut Vec<u8>) -> bool {
        let news = if self.sizes.is_empty() { &mut self.asks } else { &mut self.sizes };
        if news.is_empty() && !self.is_hello_due {
            return false;
        }
        self.is_hello_due = false;
        let end = out.len().saturating_add(limits.frame_bytes_max.max(ENTRY_BYTES_MAX + 2));
        out.push(b'{');
        while out.len() + ENTRY_BYTES_MAX < end
            && let Some((blob, number)) = news.pop_first()
        {
            frame::write(&blob, number, out);
        }
        out.push(b'}');
        true
    }
}
