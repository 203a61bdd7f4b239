//! Blobs to the caller.

use super::args::Wanted;
use crate::{
    CallError, SendStream,
    ssb::{
        node::Node,
        store::{BlobError, CHUNK_BYTES},
    },
};
use std::sync::Arc;

/// What anybody is told who asks for a blob that cannot be had. What the disk says is nobody else's affair.
fn not_got(error: &BlobError) -> CallError {
    tracing::warn!(%error, "a blob cannot be read");
    missing()
}

fn missing() -> CallError {
    CallError::new("could not get blob")
}

/// Sends the bytes of a blob from `start` to before `end`, as far as it goes. The disk is read for what the caller can take.
pub(super) async fn send(
    node: &Node,
    wanted: &Wanted,
    (start, end): (u64, u64),
    tx: &mut SendStream,
) -> Result<(), CallError> {
    let blob = wanted.id;
    let opened = node.on_blobs(move |store| store.open_blob(&blob)).await;
    let reader = opened.map_err(|error| not_got(&error))?.ok_or_else(missing)?;
    wanted.check(reader.size())?;
    let end = end.min(reader.size());
    let reader = Arc::new(reader);
    let mut offset = start;
    while offset < end {
        tx.ready().await?;
        let reading = Arc::clone(&reader);
        let chunk = node.on_blobs(move |_| reading.read(offset)).await.map_err(|error| not_got(&error))?;
        let left = usize::try_from(end - offset).unwrap_or(CHUNK_BYTES);
        let chunk = chunk.slice(..chunk.len().min(left));
        if chunk.is_empty() {
            return Err(missing());
        }
        offset += chunk.len() as u64;
        tx.send(chunk).await?;
    }
    Ok(())
}
