//! What is wanted, here and by peers.

use super::{
    args::{id, ids, refused},
    one_or_all,
};
use crate::{
    Access, Call, CallError, Client, Router, SendStream,
    runtime::Connection,
    ssb::{BlobId, node::Node, wants::FrameError},
    wire::{Body, BodyKind},
};
use serde_json::{Map, Value, json};
use std::rc::Rc;

pub(super) fn routes(router: Router, node: &Rc<Node>) -> Router {
    router
        .on_async("blobs.has", {
            let node = Rc::clone(node);
            async move |call: Call| {
                let (blobs, is_array) = ids(&call.arg(0)?, "invalid id:")?;
                let answers = has(&node, call.connection(), blobs).await?;
                Ok(one_or_all(answers.into_iter().map(Value::Bool), is_array))
            }
        })
        .on_async("blobs.want", {
            let node = Rc::clone(node);
            async move |call: Call| {
                let blob = id(&call.arg(0)?).ok_or_else(|| refused("invalid id:", &call))?;
                want(&node, blob).await
            }
        })
        .on_async("blobs.push", {
            let node = Rc::clone(node);
            async move |call: Call| {
                let blob = id(&call.arg(0)?).ok_or_else(|| refused("invalid hash:", &call))?;
                node.push_blob(blob).await.map_err(crate::ssb::calls::span::store_error)?;
                Ok(true)
            }
        })
        .on_source("blobs.createWants", {
            let node = Rc::clone(node);
            async move |call: Call, tx: &mut SendStream| {
                let peer = node.blob_peer(call.connection());
                let turn = node.begin_wants(&peer);
                while let Some(frame) = node.next_wants(&peer, turn).await {
                    tx.send(Body::json(frame)).await?;
                }
                Ok(())
            }
        })
}

/// Whether blobs are here. Of a peer that knows no wants this is how it wants something, so what is not here is wanted for it.
async fn has(node: &Rc<Node>, connection: &Connection, blobs: Vec<BlobId>) -> Result<Vec<bool>, CallError> {
    let is_owner = matches!(connection.granted::<Access>(), Some(Access::Full));
    if is_owner {
        return Ok(node.blob_sizes(blobs).await.iter().map(Option::is_some).collect());
    }
    let frame: Map<String, Value> = blobs.iter().map(|blob| (blob.to_string(), json!(-1))).collect();
    let frame = serde_json::to_vec(&frame).map_err(|error| CallError::new(error.to_string()))?;
    let conn = node.blob_peer(connection).conn;
    let sizes = node.hear_wants(conn, frame.into()).await.map_err(frame_error)?;
    Ok(blobs.iter().map(|blob| sizes.get(blob).is_some_and(Option::is_some)).collect())
}

fn frame_error(error: FrameError) -> CallError {
    CallError::new(error.to_string())
}

/// Answers when the blob is here.
async fn want(node: &Rc<Node>, blob: BlobId) -> Result<bool, CallError> {
    let stored = node.stored_blobs(Some(blob));
    let mut stored = stored.ok_or_else(|| CallError::new("too many wait for blobs"))?;
    if node.blob_sizes(vec![blob]).await.iter().any(Option::is_some) {
        return Ok(true);
    }
    node.want_blob(blob).await;
    // Too late or not, it has come.
    stored.next().await;
    Ok(true)
}

/// Hears what a peer wants and has, until the connection or the call ends. A peer that knows no wants says so, which is no fault.
pub(in crate::ssb::calls) async fn hear_wants(node: &Rc<Node>, connection: &Connection) {
    let conn = node.blob_peer(connection).conn;
    let Ok(mut rx) = Client::over(connection).source("blobs.createWants", ()).await else { return };
    while let Some(Ok(body)) = rx.next().await {
        if body.kind != BodyKind::Json {
            continue;
        }
        if let Err(error) = node.hear_wants(conn, body.bytes).await {
            tracing::debug!(peer = %connection.peer(), %error, "a frame of wants is passed over");
        }
    }
}
