//! Where feeds are kept.
//!
//! A [`Store`] does blocking I/O and may be called from any thread; who calls it from a shard does so on that shard's blocking thread.
//! Knows nothing of peers, calls or shards.
//!
//! Contract: a batch is stored whole or not at all; after a crash at any moment the store opens and every feed in it is a prefix of what was appended.

mod blobs;
mod engine;
mod journal;
mod keys;
mod log;
mod memory;
mod on_disk;
mod options;
mod plan;
mod space;
#[cfg(test)]
mod suite;

pub use self::{
    blobs::{BlobError, BlobReader, BlobStore, BlobWriter, CHUNK_BYTES},
    memory::MemoryStore,
    on_disk::FjallStore,
    options::StoreOptions,
};

use super::{MessageId, message::Message};
use crate::PublicKey;
use bytes::Bytes;

/// The last message of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its sequence.
    pub sequence: u32,
    /// Its id.
    pub id: MessageId,
}

/// What one author says of another, the last time it said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stance {
    /// `following: true`.
    Follows,
    /// `blocking: true`.
    Blocks,
    /// Neither any more.
    Neutral,
}

/// An edge of the follow graph, out of a contact message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Who says it.
    pub author: PublicKey,
    /// Of whom.
    pub target: PublicKey,
    /// What.
    pub stance: Stance,
}

/// A message to be stored.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Checked, and next in its feed.
    pub message: Message,
    /// When it came, milliseconds since 1970.
    pub received_ms: f64,
    /// The edge it sets, if it is a contact message.
    pub contact: Option<Contact>,
}

/// A message as it was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its id.
    pub id: MessageId,
    /// The feed.
    pub author: PublicKey,
    /// Its place in the feed.
    pub sequence: u32,
    /// When it came, milliseconds since 1970.
    pub received_ms: f64,
    /// The value, compact JSON.
    pub value: Bytes,
}

/// How far a write must have got when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// With the operating system: survives the end of this process.
    Process,
    /// On the disk: survives the end of the machine.
    Disk,
}

/// Why the store did not do as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has it open.
    #[error("{0} is in use by another process")]
    InUse(std::path::PathBuf),
    /// The disk is full, or nearly: reading goes on.
    #[error("the disk is full: {free_bytes} bytes are free, {min_bytes} are kept in reserve")]
    Full {
        /// What is free.
        free_bytes: u64,
        /// What must stay free.
        min_bytes: u64,
    },
    /// A message is not next in its feed. Nothing was stored.
    #[error("message {sequence} of {author} is not next in its feed, which has {stored}")]
    NotNext {
        /// The feed.
        author: PublicKey,
        /// The message's place.
        sequence: u32,
        /// How many messages of the feed are stored.
        stored: u32,
    },
    /// What is on the disk is damaged, and no crash damages it so.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// The engine failed. Whether a batch that was being written is stored shows when the store works again: append it again, what is
    /// stored already is passed over.
    #[error("the store failed: {0}")]
    Engine(String),
}

/// A range of messages, cut when one of the bounds is reached, though never before the first message.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Messages.
    pub messages_max: usize,
    /// Bytes of their values.
    pub bytes_max: usize,
}

impl Bounds {
    /// Whether a message with a value of `next` bytes may follow those there are.
    fn admit(&self, messages: usize, bytes: usize, next: usize) -> bool {
        messages == 0 || (messages < self.messages_max && bytes.saturating_add(next) <= self.bytes_max)
    }
}

/// Bytes of the key of a small value at the most. Keys are made by the pub; a bound keeps a mistake from the engine, which cuts a key's
/// length to 16 bits.
pub const VALUE_KEY_BYTES_MAX: usize = 1_024;

/// Bytes of a small value at the most, for the same reason.
pub const VALUE_BYTES_MAX: usize = 16 << 20;

fn value_fits(key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
    let bytes = value.map_or(0, <[u8]>::len);
    if key.len() > VALUE_KEY_BYTES_MAX || bytes > VALUE_BYTES_MAX {
        return Err(StoreError::Engine(format!(
            "a key of {} and a value of {bytes} bytes are too large",
            key.len()
        )));
    }
    Ok(())
}

/// What a store takes of its file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreSpace {
    /// Bytes that it occupies.
    pub used_bytes: u64,
    /// Bytes that are free.
    pub free_bytes: u64,
}

/// A small value after its key.
pub type KeyAndValue = (Vec<u8>, Vec<u8>);

/// Feeds, the graph they draw, and small values of the pub's own. All calls may block.
pub trait Store: Send + Sync + 'static {
    /// The last message of every feed.
    ///
    /// # Errors
    /// [`StoreError`], as all below.
    fn heads(&self) -> Result<Vec<(PublicKey, Head)>, StoreError>;

    /// Every edge that contact messages have set.
    fn contacts(&self) -> Result<Vec<Contact>, StoreError>;

    /// Appends messages, of any feeds, each next in its own. All or nothing. A message that is stored already is passed over, so
    /// that what failed for want of room can be asked for again.
    fn append(&self, batch: &[Entry], durability: Durability) -> Result<(), StoreError>;

    /// A message by its id.
    fn message(&self, id: &MessageId) -> Result<Option<Stored>, StoreError>;

    /// Messages of a feed from `from` on.
    fn range(&self, author: &PublicKey, from: u32, bounds: Bounds) -> Result<Vec<Stored>, StoreError>;

    /// Messages of all feeds in the order they were appended, with the positions they have in it, from position `from` on.
    fn log(&self, from: u64, bounds: Bounds) -> Result<Vec<(u64, Stored)>, StoreError>;

    /// The position that the next message appended will have in the log.
    fn log_end(&self) -> u64;

    /// Removes a feed and the edges its author set.
    fn delete_feed(&self, author: &PublicKey) -> Result<(), StoreError>;

    /// Gives back what deleted messages occupy.
    fn compact(&self) -> Result<(), StoreError>;

    /// A small value.
    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Sets a small value, or removes it.
    fn set_value(&self, key: &[u8], value: Option<&[u8]>, durability: Durability) -> Result<(), StoreError>;

    /// All small values whose key begins so.
    fn values(&self, prefix: &[u8]) -> Result<Vec<KeyAndValue>, StoreError>;

    /// What it occupies and what is free.
    fn space(&self) -> Result<StoreSpace, StoreError>;
}
