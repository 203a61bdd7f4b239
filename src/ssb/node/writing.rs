use super::Node;
use crate::ssb::{
    BlobId,
    store::{BlobError, BlobStore, BlobWriter},
};
use bytes::Bytes;
use std::{
    io,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
};

type Slot = Arc<Mutex<Option<BlobWriter>>>;

/// A blob that is being written on the shard's thread for blobs. What is to be done with one that is given up, on the disk, is done there
/// too, whatever it is dropped in the middle of.
pub(crate) struct BlobWriting {
    node: Rc<Node>,
    slot: Slot,
    offset: u64,
}

impl BlobWriting {
    /// Begins with the writer that `make` yields.
    ///
    /// # Errors
    /// [`BlobError`], as `make` has it.
    pub(crate) async fn begin(
        node: &Rc<Node>,
        make: impl FnOnce(&BlobStore) -> Result<BlobWriter, BlobError> + Send + 'static,
    ) -> Result<Self, BlobError> {
        let mut writing = Self { node: Rc::clone(node), slot: Arc::default(), offset: 0 };
        let slot = Arc::clone(&writing.slot);
        let made = node.on_blobs(move |store| {
            let writer = make(store)?;
            let offset = writer.offset();
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(writer);
            Ok(offset)
        });
        writing.offset = made.await?;
        Ok(writing)
    }

    /// How many bytes there are.
    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// As [`BlobWriter::write`].
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.offset += bytes.len() as u64;
        self.run(move |slot| slot.as_mut().ok_or_else(gone)?.write(&bytes)).await
    }

    /// As [`BlobWriter::finish`].
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn finish(self, expected: Option<BlobId>) -> Result<(BlobId, u64), BlobError> {
        self.run(move |slot| slot.take().ok_or_else(gone)?.finish(expected)).await
    }

    /// Removes what was written.
    pub(crate) async fn discard(self) {
        self.run(|slot| slot.take().map(BlobWriter::discard)).await;
    }

    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Option<BlobWriter>) -> T + Send + 'static,
    ) -> impl Future<Output = T> {
        let slot = Arc::clone(&self.slot);
        self.node.on_blobs(move |_| work(&mut slot.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Nobody writes on after the end.
fn gone() -> BlobError {
    BlobError::Io { what: "a blob".to_owned(), source: io::Error::other("its writer is gone") }
}

impl Drop for BlobWriting {
    fn drop(&mut self) {
        // Jobs are done in their order, so this comes after what was being written.
        drop(self.run(|slot| drop(slot.take())));
    }
}
