//! Where feeds are kept.
//!
//! A [`Store`] does blocking I/O and may be called from any thread; who calls it from a shard does so on that shard's blocking thread.
//! Knows nothing of peers, calls or shards.
//!
//! Contract: a batch is stored whole or not at all; after a crash at any moment the store opens and every feed in it is a prefix of what was appended.

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
    /// The engine failed.
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

/// Feeds, the graph they draw, and small values of the pub's own. All calls may block.
pub trait Store: Send + Sync + 'static {
    /// The last message of every feed.
    ///
    /// # Errors
    /// [`StoreError`], as all below.
    fn heads(&self) -> Result<Vec<(PublicKey, Head)>, StoreError>;

    /// Every edge that contact messages have set.
    fn contacts(&self) -> Result<Vec<Contact>, StoreError>;

    /// Appends messages, of any feeds, each next in its own. All or nothing.
    fn append(&self, batch: &[Entry], durability: Durability) -> Result<(), StoreError>;

    /// A message by its id.
    fn message(&self, id: &MessageId) -> Result<Option<Stored>, StoreError>;

    /// Messages of a feed from `from` on.
    fn range(&self, author: &PublicKey, from: u32, bounds: Bounds) -> Result<Vec<Stored>, StoreError>;

    /// Messages of all feeds in the order they came, with the positions they have in it, from position `from` on.
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
    fn values(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError>;
}
