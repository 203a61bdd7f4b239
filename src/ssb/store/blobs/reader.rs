use super::BlobError;
use bytes::Bytes;
use std::{fs::File, os::unix::fs::FileExt};

/// Bytes of a blob read at once: what JavaScript peers send as one item.
pub const CHUNK_BYTES: usize = 64 << 10;

/// An open blob. It can be read to its end even if the blob is removed meanwhile.
#[derive(Debug)]
pub struct BlobReader {
    /// `None` for the blob of no bytes.
    pub(super) file: Option<File>,
    pub(super) bytes: u64,
}

impl BlobReader {
    /// How many bytes the blob has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.bytes
    }

    /// Up to [`CHUNK_BYTES`] from `offset` on; none at the end.
    ///
    /// # Errors
    /// [`BlobError::Io`].
    pub fn read(&self, offset: u64) -> Result<Bytes, BlobError> {
        let left = self.bytes.saturating_sub(offset);
        let length = usize::try_from(left).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
        let Some(file) = self.file.as_ref().filter(|_| length > 0) else { return Ok(Bytes::new()) };
        let mut chunk = vec![0; length];
        file.read_exact_at(&mut chunk, offset).map_err(BlobError::io("a blob"))?;
        Ok(chunk.into())
    }
}
