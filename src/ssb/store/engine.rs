//! The engine beneath: one key space of fjall.

use super::{Durability, StoreError, StoreOptions, journal, keys};
use bytes::Bytes;
use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode,
    config::{BlockSizePolicy, CompressionPolicy},
};
use std::{
    fs::{self, File},
    io,
    path::Path,
    thread,
    time::Duration,
};

/// What the key space is called.
const NAME: &str = "store";

/// What the record of the form of keys and records says.
const FORM: u8 = 1;

/// Sealed memtables that may wait to be written. The engine's own limit is 4, at which it sleeps without end once its workers have failed.
const SEALED_MAX: usize = 3;

/// Tables in the first level above which writes wait for merges. The engine's own limit is 30, with the same fault.
const UNMERGED_MAX: usize = 24;

/// Bytes of journals kept. What they hold is read again when the store is opened.
const JOURNALS_BYTES_MAX: u64 = 192 << 20;

/// One for memtables, one for merges.
const WORKERS: usize = 2;

/// Bytes of a block of a table, which is read and kept as one.
const BLOCK_BYTES: u32 = 8 << 10;

/// How often a wait for the workers looks.
const LOOK: Duration = Duration::from_millis(1);

pub(super) struct Engine {
    database: Database,
    space: Keyspace,
    /// Bytes of broken batches that were cut off when it was opened.
    pub(super) cut_bytes: u64,
}

/// Writes that are done together.
pub(super) struct Batch {
    inner: OwnedWriteBatch,
    space: Keyspace,
}

impl Batch {
    pub(super) fn insert(&mut self, key: &[u8], record: Vec<u8>) {
        self.inner.insert(&self.space, key, record);
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        self.inner.remove(&self.space, key);
    }
}

impl Engine {
    /// Opens the engine in `dir/engine`, or makes it. It is made under another name first: a crash in between leaves nothing that
    /// looks like a store.
    pub(super) fn open(dir: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        let (made, new) = (dir.join("engine"), dir.join("engine.new"));
        if !made.try_exists().map_err(|error| of_io(&error))? {
            make(dir, &made, &new, options)?;
        }
        let cut_bytes = journal::mend(&made)?;
        let (database, space) = open(&made, options)?;
        let engine = Self { database, space, cut_bytes };
        match engine.get(keys::FORMAT)?.as_deref() {
            Some([FORM]) => Ok(engine),
            Some(_) => Err(StoreError::Damaged("it was written by a later version".into())),
            None => Err(StoreError::Damaged("it does not say in which form it is".into())),
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.space.get(key).map_err(of)?.map(Bytes::from))
    }

    /// Keys and records from `first` to before `end`.
    pub(super) fn range(
        &self,
        first: &[u8],
        end: &[u8],
    ) -> impl Iterator<Item = Result<(Bytes, Bytes), StoreError>> + use<> {
        self.space.range(first..end).map(pair)
    }

    pub(super) fn prefix(
        &self,
        prefix: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<(Bytes, Bytes), StoreError>> + use<> {
        self.space.prefix(prefix).map(pair)
    }

    pub(super) fn batch(&self, writes: usize) -> Batch {
        Batch {
            inner: OwnedWriteBatch::with_capacity(self.database.clone(), writes),
            space: self.space.clone(),
        }
    }

    pub(super) fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        while self.space.sealed_memtable_count() >= SEALED_MAX || self.space.l0_table_count() >= UNMERGED_MAX
        {
            self.check()?;
            thread::sleep(LOOK);
        }
        let mode = match durability {
            Durability::Process => PersistMode::Buffer,
            Durability::Disk => PersistMode::SyncData,
        };
        batch.inner.durability(Some(mode)).commit().map_err(of)
    }

    /// Whether the engine still writes. Once a write or one of its workers has failed it refuses, until it is opened anew.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.database.persist(PersistMode::Buffer).map_err(of)
    }

    pub(super) fn disk_bytes(&self) -> Result<u64, StoreError> {
        self.database.disk_space().map_err(of)
    }

    /// Writes all that is in memory to tables, and merges all tables.
    pub(super) fn compact(&self) -> Result<(), StoreError> {
        self.space.rotate_memtable().map_err(of)?;
        while self.space.sealed_memtable_count() > 0 {
            self.check()?;
            thread::sleep(LOOK);
        }
        self.space.major_compact().map_err(of)
    }
}

fn pair(guard: fjall::Guard) -> Result<(Bytes, Bytes), StoreError> {
    let (key, record) = guard.into_inner().map_err(of)?;
    Ok((key.into(), record.into()))
}

fn make(dir: &Path, made: &Path, new: &Path, options: &StoreOptions) -> Result<(), StoreError> {
    match fs::remove_dir_all(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(of_io(&error)),
        _ => {}
    }
    let (database, space) = open(new, options)?;
    space.insert(keys::FORMAT, [FORM]).map_err(of)?;
    database.persist(PersistMode::SyncAll).map_err(of)?;
    drop((space, database));
    fs::rename(new, made).and_then(|()| File::open(dir)?.sync_all()).map_err(|error| of_io(&error))
}

fn open(dir: &Path, options: &StoreOptions) -> Result<(Database, Keyspace), StoreError> {
    let database = Database::builder(dir)
        .cache_size(options.cache_bytes)
        .max_journaling_size(JOURNALS_BYTES_MAX)
        .journal_compression(CompressionType::None)
        .worker_threads(WORKERS)
        .open()
        .map_err(of)?;
    let space = database
        .keyspace(NAME, || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(options.memtable_bytes)
                .data_block_size_policy(BlockSizePolicy::all(BLOCK_BYTES))
                .data_block_compression_policy(CompressionPolicy::all(CompressionType::None))
        })
        .map_err(of)?;
    Ok((database, space))
}

/// What the engine's errors are to the callers of a store.
fn of(error: fjall::Error) -> StoreError {
    match &error {
        fjall::Error::Io(inner) | fjall::Error::Storage(fjall::LsmError::Io(inner)) => of_io(inner),
        fjall::Error::Storage(
            fjall::LsmError::Unrecoverable
            | fjall::LsmError::ChecksumMismatch { .. }
            | fjall::LsmError::InvalidTag(_)
            | fjall::LsmError::InvalidTrailer
            | fjall::LsmError::InvalidHeader(_),
        )
        | fjall::Error::JournalRecovery(_)
        | fjall::Error::InvalidVersion(_)
        | fjall::Error::InvalidTrailer
        | fjall::Error::InvalidTag(_)
        | fjall::Error::Unrecoverable => StoreError::Damaged(error.to_string()),
        fjall::Error::Poisoned => StoreError::Engine("an earlier write failed".into()),
        _ => StoreError::Engine(error.to_string()),
    }
}

/// A disk that is full is told apart here; how full it is, who knows the directory fills in.
pub(super) fn of_io(error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            StoreError::Full { free_bytes: 0, min_bytes: 0 }
        }
        _ => StoreError::Engine(error.to_string()),
    }
}
