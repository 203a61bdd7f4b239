use super::{BlobError, Inner, index, layout::removed};
use crate::ssb::BlobId;
use sha2::{Digest, Sha256};
use std::{
    fs::File,
    io::{ErrorKind, Read, Write},
    path::PathBuf,
    sync::Arc,
};

/// A blob that is being written. Dropped before [`finish`](Self::finish) it is gone, or, when it is the download of a known blob, rests
/// until it is resumed.
#[derive(Debug)]
pub struct BlobWriter {
    pub(super) store: Arc<Inner>,
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) hash: Sha256,
    pub(super) written: u64,
    /// What is counted for it.
    pub(super) reserved: u64,
    pub(super) bytes_max: u64,
    /// The blob that it is to be, of a download.
    pub(super) id: Option<BlobId>,
    /// Nothing is left to be done when it is dropped.
    pub(super) is_over: bool,
}

impl BlobWriter {
    /// Where the next byte goes: how many there are.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.written
    }

    /// Appends bytes. After an error the writer is of no more use.
    ///
    /// # Errors
    /// [`BlobError::TooLarge`], [`BlobError::Quota`], [`BlobError::Full`] or [`BlobError::Io`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        let written = self.written.saturating_add(bytes.len() as u64);
        if written > self.bytes_max {
            self.give_up();
            return Err(BlobError::TooLarge { bytes_max: self.bytes_max });
        }
        self.store.admit(bytes.len() as u64)?;
        let more = index::counted(written).saturating_sub(self.reserved);
        if more > 0 {
            self.store.reserve(more)?;
            self.reserved += more;
        }
        self.file.write_all(bytes).map_err(|error| self.store.io_error(&self.path, error))?;
        self.hash.update(bytes);
        self.written = written;
        Ok(())
    }

    /// Takes up what is in the file, of a download that rested.
    pub(super) fn resume(&mut self) -> Result<(), BlobError> {
        let mut chunk = vec![0; 1 << 16];
        loop {
            let read = match self.file.read(&mut chunk) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.store.io_error(&self.path, error)),
            };
            let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
            self.hash.update(bytes);
            self.written += bytes.len() as u64;
        }
    }

    /// Syncs the blob and gives it its name. Returns its id and how many bytes it has.
    ///
    /// # Errors
    /// [`BlobError::WrongHash`] if it is not `expected`, or not the blob that it is the download of; then it is gone. [`BlobError::Io`].
    pub fn finish(mut self, expected: Option<BlobId>) -> Result<(BlobId, u64), BlobError> {
        let found = BlobId(std::mem::take(&mut self.hash).finalize().into());
        if let Some(expected) = expected.into_iter().chain(self.id).find(|expected| *expected != found) {
            self.give_up();
            return Err(BlobError::WrongHash { expected, found });
        }
        if found == BlobId::EMPTY {
            self.give_up();
            return Ok((found, 0));
        }
        self.file.sync_all().map_err(|error| self.store.io_error(&self.path, error))?;
        self.store.keep(&self.path, found, self.written, self.reserved)?;
        self.is_over = true;
        self.store.end(self.id);
        Ok((found, self.written))
    }

    /// Removes what was written, also of a download that could be resumed.
    pub fn discard(mut self) {
        self.give_up();
    }

    /// Removes what was written.
    fn give_up(&mut self) {
        if self.is_over {
            return;
        }
        self.is_over = true;
        if let Err(error) = removed(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a file could not be removed");
        }
        self.store.release(self.reserved);
        self.store.end(self.id);
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        match self.id {
            Some(id) if !self.is_over && self.written > 0 => {
                self.store.rest(id, self.reserved);
                self.store.end(self.id);
            }
            _ => self.give_up(),
        }
    }
}
