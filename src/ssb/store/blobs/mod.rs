//! Where blobs are kept: files named by their hash, below a quota.
//!
//! A file appears under its name once it is whole, checked and on the disk, so a crash leaves no broken blob; what it does leave is
//! removed when the store is opened, but for downloads, which can be resumed. When the quota is reached, the least recently used
//! blobs go, those that are pinned never. The time of use is the file's time of change, set when a blob is opened: it costs no file of
//! its own, and a crash loses nothing that matters.
//!
//! In memory are about 150 bytes for each blob. A blob counts as 4 KiB at the least, so the quota bounds that too.
//!
//! All calls may block, and may come from any thread.

mod error;
mod index;
mod layout;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use self::{
    error::BlobError,
    reader::{BlobReader, CHUNK_BYTES},
    writer::BlobWriter,
};

use self::{index::Index, layout::Layout};
use super::{StoreError, space::Space};
use crate::ssb::BlobId;
use layout::removed;
use sha2::{Digest, Sha256};
use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

/// The blobs of a pub. Clones share one store.
#[derive(Clone, Debug)]
pub struct BlobStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    layout: Layout,
    space: Space,
    index: Mutex<Index>,
    /// The number of the next file that is written.
    number: AtomicU64,
    _lock: File,
}

impl BlobStore {
    /// Opens the store in this directory, or makes it. `quota_bytes` is what all blobs and downloads may take, `disk_free_bytes_min` what
    /// must stay free on the disk.
    ///
    /// # Errors
    /// [`BlobError::InUse`] or [`BlobError::Io`].
    pub fn open(dir: &Path, quota_bytes: u64, disk_free_bytes_min: u64) -> Result<Self, BlobError> {
        let layout = Layout { dir: dir.into() };
        layout.make()?;
        let path = layout.lock();
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(BlobError::io(path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BlobError::InUse(dir.into())),
            Err(TryLockError::Error(error)) => return Err(BlobError::io(path.display())(error)),
        }
        let mut index = Index::new(quota_bytes, layout.pins()?);
        for (id, bytes, _) in layout.blobs()? {
            index.add(id, bytes);
        }
        let partials = layout.partials()?;
        let space = Space::new(dir.into(), disk_free_bytes_min);
        let number = AtomicU64::new(0);
        let store = Self(Arc::new(Inner { layout, space, index: Mutex::new(index), number, _lock: file }));
        for (id, bytes, _) in partials {
            store.0.index().count_pending(index::counted(bytes));
            store.0.rest(id, index::counted(bytes));
        }
        let excess = store.0.index().excess();
        store.0.unlink(&excess);
        Ok(store)
    }

    /// Begins a blob of at most `bytes_max` bytes whose id is not known yet.
    ///
    /// # Errors
    /// [`BlobError`].
    pub fn writer(&self, bytes_max: u64) -> Result<BlobWriter, BlobError> {
        let path = self.0.layout.new_file(self.0.number.fetch_add(1, Ordering::Relaxed));
        let file = File::create_new(&path).map_err(|error| self.0.io_error(&path, error))?;
        Ok(self.writer_of(file, path, bytes_max, None))
    }

    /// Begins the download of a blob, or resumes it: [`BlobWriter::offset`] tells where. What is there already is hashed anew.
    ///
    /// # Errors
    /// [`BlobError::Busy`] while somebody else downloads it, and the others.
    pub fn download(&self, id: &BlobId, bytes_max: u64) -> Result<BlobWriter, BlobError> {
        let rested = self.0.index().begin(*id)?;
        let path = self.0.layout.partial(id);
        let file = File::options().create(true).truncate(false).read(true).append(true).open(&path);
        let file = match file {
            Ok(file) => file,
            Err(error) => {
                self.0.end(Some(*id));
                return Err(self.0.io_error(&path, error));
            }
        };
        let mut writer = self.writer_of(file, path, bytes_max, Some(*id));
        writer.reserved = rested.unwrap_or(0);
        writer.resume()?;
        Ok(writer)
    }

    /// Resumes the download of a blob, if one rests.
    ///
    /// # Errors
    /// As [`download`](Self::download).
    pub fn partial(&self, id: &BlobId, bytes_max: u64) -> Result<Option<BlobWriter>, BlobError> {
        let is_resting = self.0.index().is_resting(id);
        is_resting.then(|| self.download(id, bytes_max)).transpose()
    }

    fn writer_of(
        &self,
        file: File,
        path: std::path::PathBuf,
        bytes_max: u64,
        id: Option<BlobId>,
    ) -> BlobWriter {
        BlobWriter {
            store: Arc::clone(&self.0),
            file,
            path,
            hash: Sha256::new(),
            written: 0,
            reserved: 0,
            bytes_max,
            id,
            is_over: false,
        }
    }

    /// Opens a blob, which counts as a use; `None` when it is not there. [`BlobId::EMPTY`] always is.
    ///
    /// # Errors
    /// [`BlobError::Io`].
    pub fn open_blob(&self, id: &BlobId) -> Result<Option<BlobReader>, BlobError> {
        if *id == BlobId::EMPTY {
            return Ok(Some(BlobReader { file: None, bytes: 0 }));
        }
        let Some(bytes) = self.0.index().touch(id) else { return Ok(None) };
        let path = self.0.layout.blob(id);
        match File::open(&path) {
            Ok(file) => {
                // It only orders evictions after the next start: a file system that refuses costs that order, not the blob.
                let _unordered = rustix::fs::futimens(&file, &now());
                Ok(Some(BlobReader { file: Some(file), bytes }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Evicted since, or removed by hand; under the lock it shows whether it has come back.
                let mut index = self.0.index();
                if !path.exists() {
                    index.remove(id);
                }
                Ok(None)
            }
            Err(error) => Err(BlobError::io(path.display())(error)),
        }
    }

    /// How many bytes a blob has, if it is there.
    #[must_use]
    pub fn size(&self, id: &BlobId) -> Option<u64> {
        if *id == BlobId::EMPTY { Some(0) } else { self.0.index().size(id) }
    }

    /// Whether a blob is there.
    #[must_use]
    pub fn has(&self, id: &BlobId) -> bool {
        self.size(id).is_some()
    }

    /// All blobs with their sizes, in no order.
    #[must_use]
    pub fn list(&self) -> Vec<(BlobId, u64)> {
        self.0.index().list()
    }

    /// All blobs with their sizes and when each was last used, the least recently used first. Looks at every file.
    ///
    /// # Errors
    /// [`BlobError::Io`].
    pub fn list_used(&self) -> Result<Vec<(BlobId, u64, SystemTime)>, BlobError> {
        self.0.layout.blobs()
    }

    /// How many blobs there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.index().count()
    }

    /// What all blobs and downloads count against the quota.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.index().bytes()
    }

    /// Removes a blob, pinned or not; `false` when it is not there. A pin stays.
    ///
    /// # Errors
    /// [`BlobError::Io`].
    pub fn remove(&self, id: &BlobId) -> Result<bool, BlobError> {
        let mut index = self.0.index();
        let path = self.0.layout.blob(id);
        removed(&path).map_err(BlobError::io(path.display()))?;
        Ok(index.remove(id))
    }

    /// Keeps a blob from being evicted, also if it comes later.
    ///
    /// # Errors
    /// [`BlobError::Io`].
    pub fn pin(&self, id: &BlobId) -> Result<(), BlobError> {
        let mut index = self.0.index();
        self.0.layout.set_pin(id, true)?;
        index.pin(*id);
        Ok(())
    }

    /// Lets a blob be evicted again.
    ///
    /// # Errors
    /// [`BlobError::Io`].
    pub fn unpin(&self, id: &BlobId) -> Result<(), BlobError> {
        let mut index = self.0.index();
        self.0.layout.set_pin(id, false)?;
        index.unpin(id);
        Ok(())
    }

    /// Whether a blob is pinned, there or not.
    #[must_use]
    pub fn is_pinned(&self, id: &BlobId) -> bool {
        self.0.index().is_pinned(id)
    }
}

fn now() -> rustix::fs::Timestamps {
    let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    rustix::fs::Timestamps { last_access: now, last_modification: now }
}

impl Inner {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, bytes: u64) -> Result<(), BlobError> {
        self.space.admit(bytes).map_err(|error| of(error, &self.layout.dir))
    }

    fn reserve(&self, bytes: u64) -> Result<(), BlobError> {
        let mut index = self.index();
        let victims = index.reserve(bytes)?;
        // Under the lock: the blob may come back the moment it is gone from the index.
        self.unlink(&victims);
        Ok(())
    }

    fn unlink(&self, victims: &[BlobId]) {
        for id in victims {
            if let Err(error) = removed(&self.layout.blob(id)) {
                tracing::warn!(%id, %error, "a blob could not be evicted");
            }
        }
    }

    fn release(&self, bytes: u64) {
        self.index().release(bytes);
    }

    fn end(&self, id: Option<BlobId>) {
        if let Some(id) = id {
            self.index().end(&id);
        }
    }

    fn rest(&self, id: BlobId, bytes: u64) {
        let mut index = self.index();
        if let Some(oldest) = index.rest(id, bytes)
            && let Err(error) = removed(&self.layout.partial(&oldest))
        {
            tracing::warn!(id = %oldest, %error, "an old download could not be removed");
        }
    }

    /// Makes a whole file a blob.
    fn keep(&self, path: &Path, id: BlobId, bytes: u64, reserved: u64) -> Result<(), BlobError> {
        let mut index = self.index();
        self.layout.keep(path, &id)?;
        index.release(reserved);
        index.add(id, bytes);
        Ok(())
    }

    fn io_error(&self, path: &Path, error: io::Error) -> BlobError {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => of(self.space.full(), path),
            _ => BlobError::io(path.display())(error),
        }
    }
}

fn of(error: StoreError, path: &Path) -> BlobError {
    match error {
        StoreError::Full { free_bytes, min_bytes } => BlobError::Full { free_bytes, min_bytes },
        error => BlobError::io(path.display())(io::Error::other(error)),
    }
}
