//! Blobs, with the methods, arguments and errors of npm `ssb-blobs` 2.

mod args;
mod listing;
mod reading;
mod wanting;

pub(super) use self::wanting::hear_wants;

use self::args::{Wanted, id, ids, refused};
use crate::{
    Call, CallError, RecvStream, Router, SendStream,
    ssb::{
        BlobId,
        node::{BlobWriting, Node},
        store::BlobError,
    },
    wire::BodyKind,
};
use serde_json::{Value, json};
use std::rc::Rc;

pub(super) fn routes(router: Router, node: &Rc<Node>) -> Router {
    changing(listing::routes(wanting::routes(router, node), node), node)
        .on_source("blobs.get", {
            let node = Rc::clone(node);
            async move |call: Call, tx: &mut SendStream| {
                let wanted = Wanted::read(&call.arg::<Value>(0)?)
                    .ok_or_else(|| CallError::new("multiblob.get: {id} is mandatory"))?;
                reading::send(&node, &wanted, (0, u64::MAX), tx).await
            }
        })
        .on_source("blobs.getSlice", {
            let node = Rc::clone(node);
            async move |call: Call, tx: &mut SendStream| {
                let wanted: Value = call.arg(0)?;
                let bounds = args::bounds(&wanted)?;
                let wanted = Wanted::read(&wanted)
                    .ok_or_else(|| CallError::new("multiblob.getSlice: {id} is mandatory"))?;
                reading::send(&node, &wanted, bounds, tx).await
            }
        })
        .on_async("blobs.size", {
            let node = Rc::clone(node);
            async move |call: Call| {
                let (blobs, is_array) = ids(&call.arg(0)?, "not a valid id:")?;
                let sizes = node.blob_sizes(blobs).await;
                Ok(one_or_all(sizes.into_iter().map(|size| json!(size)), is_array))
            }
        })
}

fn changing(router: Router, node: &Rc<Node>) -> Router {
    router
        .on_sink("blobs.add", {
            let node = Rc::clone(node);
            async move |call: Call, rx: &mut RecvStream| add(&node, args::expected(&call.arg(0)?)?, rx).await
        })
        .on_async("blobs.rm", {
            let node = Rc::clone(node);
            async move |call: Call| {
                let blob = id(&call.arg(0)?).ok_or_else(|| refused("not valid id:", &call))?;
                let removed = node.on_blobs(move |store| {
                    store.unpin(&blob)?;
                    store.remove(&blob)
                });
                if removed.await.map_err(store_error)? {
                    return Ok(true);
                }
                Err(CallError::new(format!("{blob} is not here")))
            }
        })
}

/// The answer to a question of one or of several.
fn one_or_all(answers: impl Iterator<Item = Value>, is_array: bool) -> Value {
    let mut all: Vec<Value> = answers.collect();
    if is_array { Value::Array(all) } else { all.pop().unwrap_or_default() }
}

fn store_error(error: BlobError) -> CallError {
    CallError::new(error.to_string())
}

/// Takes a blob of the caller's. It is kept from being evicted: it may be nowhere else. The call ends when it is on the disk; its id is
/// not told, as a sink has no word for it, so clients hash what they send.
async fn add(node: &Rc<Node>, expected: Option<BlobId>, rx: &mut RecvStream) -> Result<(), CallError> {
    // Nobody would fetch a larger one.
    let bytes_max = node.common.options.blob_bytes_max.saturating_sub(1);
    let mut writing =
        BlobWriting::begin(node, move |store| store.writer(bytes_max)).await.map_err(add_error)?;
    while let Some(body) = rx.next().await.transpose()? {
        if body.kind == BodyKind::Json {
            return Err(CallError::new("a blob is added as bytes or text"));
        }
        writing.write(body.bytes).await.map_err(add_error)?;
    }
    let (blob, size) = writing.finish(expected).await.map_err(add_error)?;
    if let Err(error) = node.on_blobs(move |store| store.pin(&blob)).await {
        tracing::warn!(%blob, %error, "an added blob may be evicted");
    }
    node.tell_stored(blob, size);
    Ok(())
}

/// In the words of JavaScript, where it has some.
fn add_error(error: BlobError) -> CallError {
    CallError::new(match error {
        BlobError::TooLarge { .. } => "Cannot add blob, it's bigger than blobs.max".to_owned(),
        BlobError::WrongHash { expected, found } => {
            format!("actual hash:{found} did not match expected id:{expected}")
        }
        error => error.to_string(),
    })
}
