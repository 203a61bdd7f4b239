//! The store on the disk.
//!
//! It stands on fjall, a log-structured merge tree: embedded and all Rust, so that no C++ is built; MIT or Apache-2.0; released often;
//! every batch goes to a journal with a checksum first, so that a crash leaves a prefix of the batches; writes in any order of feeds
//! become sequential writes of files; and values of less than 8 KiB are well kept beside their keys, so its separate value files stay
//! unused. A B-tree with one fsync for each commit (redb) writes small batches slower by two orders, RocksDB takes minutes to build and
//! brings threads of its own, sled has stalled.
//! `cargo bench --bench store` measured, on 2 cores that others kept busy (a load of 3 to 4): 55,000 to 160,000 appends each second in
//! batches of 128 messages of 600 bytes on one thread, 200 to 1,700 synced appends of one message, and 0.9 to 1.6 million messages of
//! ranges in chunks of 128 out of tables that the kernel has cached. Values share the bytes of the blocks they were read in. Blocks are
//! not compressed: half of a message is base64 of noise.
//!
//! All is in one key space, [`keys`](super::keys) tells how: the engine writes the tables of different key spaces at different times, so
//! that a journal that lost its end would leave an index without its messages. One key space has one order of batches, whatever is lost
//! at the end of it is a prefix.
//!
//! What the engine guarantees, and what is added here:
//! - A batch is in the kernel's page cache when a write returns ([`Durability::Process`]), or on the disk ([`Durability::Disk`],
//!   `fdatasync`).
//! - The journal is checked before the engine reads it ([`journal`](super::journal)): it bears no batch that is broken in its middle.
//! - After a write that failed the engine refuses all writes. It is opened anew in here, once there is room, at most each second; reads go on
//!   all the time, but for the moment of the opening.
//! - A feed is deleted in steps. It is gone for readers after the first; the others go on where they were when the store is opened next.

mod delete;
mod reopen;

use super::{
    Bounds, Contact, Durability, Entry, Head, KeyAndValue, Store, StoreError, StoreOptions, StoreSpace,
    Stored,
    engine::{self, Engine},
    keys::{self, Place},
    plan::Plan,
    space::Space,
    value_fits,
};
use crate::{PublicKey, runtime::Clock, ssb::MessageId};
use std::{
    collections::{HashMap, HashSet},
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Bytes of keys and records besides the value, for one message.
const OVERHEAD_BYTES: u64 = 320;

/// The store on the disk. See the module for what it stands on.
pub struct FjallStore {
    dir: PathBuf,
    options: StoreOptions,
    space: Space,
    /// `None` when it could not be opened anew.
    engine: RwLock<Option<Engine>>,
    heads: RwLock<HashMap<PublicKey, Head>>,
    log_end: AtomicU64,
    /// Held by whoever writes. Taken before all other locks.
    writer: Mutex<Writer>,
    /// Held while tables are merged on demand: the engine stays open then.
    compacting: Mutex<()>,
    cut_bytes: AtomicU64,
    /// Keeps other processes out, also while the engine is opened anew.
    _lock: File,
}

/// What only writes need.
struct Writer {
    /// Feeds that are being deleted.
    doomed: HashSet<PublicKey>,
    /// Started when the engine was opened anew last.
    reopened: Option<Clock>,
}

impl std::fmt::Debug for FjallStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FjallStore").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// A lock that a panic elsewhere does not take away: what it guards is changed after the disk has been, in single steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FjallStore {
    /// Opens the store in this directory, or makes it. Ends what a crash left half done, so it may take a while after one.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Damaged`] when something is broken that no crash breaks, or [`StoreError::Engine`].
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        fs::create_dir_all(dir).map_err(|error| engine::of_io(&error))?;
        let lock_path = dir.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(lock_path);
        let file = file.map_err(|error| engine::of_io(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(dir.into())),
            Err(TryLockError::Error(error)) => return Err(engine::of_io(&error)),
        }
        let store = Self {
            dir: dir.into(),
            options,
            space: Space::new(dir.into(), options.disk_free_bytes_min),
            engine: RwLock::new(None),
            heads: RwLock::default(),
            log_end: AtomicU64::new(0),
            writer: Mutex::new(Writer { doomed: HashSet::new(), reopened: None }),
            compacting: Mutex::new(()),
            cut_bytes: AtomicU64::new(0),
            _lock: file,
        };
        store.load(&mut lock(&store.writer))?;
        Ok(store)
    }

    /// Bytes of broken batches that were cut off the end of the journal, since this value was made. Not zero after the machine lost its
    /// power; then messages of our own that others have may be missing.
    #[must_use]
    pub fn cut_bytes(&self) -> u64 {
        self.cut_bytes.load(Ordering::Relaxed)
    }

    fn read<T>(&self, read: impl FnOnce(&Engine) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut slot = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        if slot.is_none() {
            drop(slot);
            self.revive(&mut lock(&self.writer))?;
            slot = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        }
        let engine = slot.as_ref().ok_or_else(|| StoreError::Engine("it is not open".into()))?;
        read(engine).map_err(|error| self.complete(error))
    }

    fn write<T>(
        &self,
        write: impl FnOnce(&Engine, &mut Writer) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut writer = lock(&self.writer);
        self.revive(&mut writer)?;
        self.read(|engine| write(engine, &mut writer))
    }

    fn head(&self, author: &PublicKey) -> Option<Head> {
        self.heads.read().unwrap_or_else(PoisonError::into_inner).get(author).copied()
    }

    /// Whether a message that was found is not of a feed that is being deleted.
    fn is_visible(&self, (author, sequence): Place) -> bool {
        self.head(&author).is_some_and(|head| sequence <= head.sequence)
    }

    fn apply(&self, engine: &Engine, plan: Plan<'_>, durability: Durability) -> Result<(), StoreError> {
        let mut position = self.log_end();
        let mut batch = engine.batch(plan.entries.len() * 3 + plan.heads.len() + plan.contacts.len());
        for entry in &plan.entries {
            let message = &entry.message;
            let place = (message.author, message.sequence);
            let record = keys::message_record(entry.received_ms, position, &message.id, &message.value);
            batch.insert(&keys::message(place), record);
            batch.insert(&keys::id(&message.id), keys::place_record(place).into());
            batch.insert(&keys::log(position), keys::place_record(place).into());
            position = position.saturating_add(1);
        }
        for (author, head) in &plan.heads {
            batch.insert(&keys::head(author), keys::head_record(head).into());
        }
        for ((author, target), stance) in &plan.contacts {
            batch.insert(&keys::contact(author, target), keys::stance_record(*stance).into());
        }
        engine.commit(batch, durability)?;
        self.log_end.store(position, Ordering::Release);
        self.heads.write().unwrap_or_else(PoisonError::into_inner).extend(plan.heads);
        Ok(())
    }
}

impl Store for FjallStore {
    fn heads(&self) -> Result<Vec<(PublicKey, Head)>, StoreError> {
        let heads = self.heads.read().unwrap_or_else(PoisonError::into_inner);
        Ok(heads.iter().map(|(author, head)| (*author, *head)).collect())
    }

    fn contacts(&self) -> Result<Vec<Contact>, StoreError> {
        self.read(|engine| {
            let pairs = engine.prefix(keys::CONTACTS);
            let contacts = pairs.map(|pair| pair.and_then(|(key, record)| keys::read_contact(&key, &record)));
            let mut contacts = contacts.collect::<Result<Vec<_>, _>>()?;
            contacts.retain(|contact| self.head(&contact.author).is_some());
            Ok(contacts)
        })
    }

    fn append(&self, batch: &[Entry], durability: Durability) -> Result<(), StoreError> {
        let bytes = batch.iter().map(|entry| entry.message.value.len() as u64 + OVERHEAD_BYTES).sum();
        self.space.admit(bytes)?;
        self.write(|engine, writer| {
            if !writer.doomed.is_empty() {
                for entry in batch {
                    let author = &entry.message.author;
                    if writer.doomed.contains(author) {
                        self.delete_rest(engine, writer, author)?;
                    }
                }
            }
            let plan = {
                let heads = self.heads.read().unwrap_or_else(PoisonError::into_inner);
                Plan::of(batch, &heads, |place| {
                    let key = keys::message(place);
                    let record = engine.get(&key)?;
                    record.map(|record| Ok(keys::read_message(&key, record)?.1.id)).transpose()
                })?
            };
            self.apply(engine, plan, durability)
        })
    }

    fn message(&self, id: &MessageId) -> Result<Option<Stored>, StoreError> {
        self.read(|engine| {
            let Some(record) = engine.get(&keys::id(id))? else { return Ok(None) };
            let place = keys::read_place(&record)?;
            if !self.is_visible(place) {
                return Ok(None);
            }
            let key = keys::message(place);
            let found = engine.get(&key)?;
            found.map(|record| Ok(keys::read_message(&key, record)?.1)).transpose()
        })
    }

    fn range(&self, author: &PublicKey, from: u32, bounds: Bounds) -> Result<Vec<Stored>, StoreError> {
        let Some(head) = self.head(author) else { return Ok(Vec::new()) };
        let wanted = u32::try_from(bounds.messages_max.max(1)).unwrap_or(u32::MAX);
        let end = from.saturating_add(wanted).min(head.sequence.saturating_add(1));
        if from >= end {
            return Ok(Vec::new());
        }
        self.read(|engine| {
            let (mut found, mut bytes) = (Vec::with_capacity(reserve(end - from)), 0);
            let mut next = from.max(1);
            for pair in engine.range(&keys::message((*author, from)), &keys::message((*author, end))) {
                let (key, record) = pair?;
                let (_, stored) = keys::read_message(&key, record)?;
                // A hole is a feed that is being deleted.
                if stored.sequence != next || !bounds.admit(found.len(), bytes, stored.value.len()) {
                    break;
                }
                next = next.saturating_add(1);
                bytes += stored.value.len();
                found.push(stored);
            }
            Ok(found)
        })
    }

    fn log(&self, from: u64, bounds: Bounds) -> Result<Vec<(u64, Stored)>, StoreError> {
        self.read(|engine| {
            super::log::read(engine, from..self.log_end(), bounds, |place| self.is_visible(place))
        })
    }

    fn log_end(&self) -> u64 {
        self.log_end.load(Ordering::Acquire)
    }

    fn delete_feed(&self, author: &PublicKey) -> Result<(), StoreError> {
        self.delete(author)
    }

    fn compact(&self) -> Result<(), StoreError> {
        let _busy = lock(&self.compacting);
        self.read(|engine| {
            // Merging writes all anew before it removes the old.
            self.space.admit(engine.disk_bytes()?)?;
            engine.compact()
        })
    }

    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|engine| Ok(engine.get(&keys::value(key))?.map(Into::into)))
    }

    fn set_value(&self, key: &[u8], value: Option<&[u8]>, durability: Durability) -> Result<(), StoreError> {
        value_fits(key, value)?;
        if let Some(value) = value {
            self.space.admit((key.len() + value.len()) as u64)?;
        }
        self.write(|engine, _| {
            let mut batch = engine.batch(1);
            match value {
                Some(value) => batch.insert(&keys::value(key), value.into()),
                None => batch.remove(&keys::value(key)),
            }
            engine.commit(batch, durability)
        })
    }

    fn values(&self, prefix: &[u8]) -> Result<Vec<KeyAndValue>, StoreError> {
        self.read(|engine| {
            let pairs = engine.prefix(&keys::value(prefix));
            pairs.map(|pair| pair.map(|(key, value)| (key.slice(1..).into(), value.into()))).collect()
        })
    }

    fn space(&self) -> Result<StoreSpace, StoreError> {
        let used_bytes = self.read(Engine::disk_bytes)?;
        Ok(StoreSpace { used_bytes, free_bytes: self.space.free_bytes()? })
    }
}

/// Room made before reading: what is asked for may be more than there is.
fn reserve(messages: u32) -> usize {
    usize::try_from(messages).map_or(1_024, |messages| messages.min(1_024))
}
