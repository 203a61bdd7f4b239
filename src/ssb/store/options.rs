//! How much memory and disk a store may take.

/// The limits of a [`FjallStore`](super::FjallStore).
///
/// Its memory is at the most `cache_bytes` + 4 × `memtable_bytes` + 100 bytes for each feed, and what a merge of tables buffers (a few
/// MiB). With the defaults and 100,000 feeds: 64 + 128 + 10 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// Free bytes of the file system below which nothing is written any more (64 MiB). The engine needs room to flush and to merge what it
    /// has already accepted.
    pub disk_free_bytes_min: u64,
    /// Bytes of blocks of tables kept in memory (64 MiB).
    pub cache_bytes: u64,
    /// Bytes of new entries kept in memory before they become a table (32 MiB). Up to three more such sets wait to be written. Fixed when
    /// the store is made.
    pub memtable_bytes: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { disk_free_bytes_min: 64 << 20, cache_bytes: 64 << 20, memtable_bytes: 32 << 20 }
    }
}
