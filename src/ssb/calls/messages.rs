//! Single messages: publishing our own, and looking stored ones up.

use super::{args::FeedArg, kvt::kvt, span::store_error};
use crate::{
    Call, CallError, Router,
    runtime::wall_ms,
    ssb::{
        MessageId,
        message::Message,
        node::Node,
        store::{Bounds, Stored},
    },
    wire::Body,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{collections::BTreeMap, rc::Rc};

const ONE: Bounds = Bounds { messages_max: 1, bytes_max: usize::MAX };

pub(super) fn routes(router: Router, node: &Rc<Node>) -> Router {
    let (own, publisher, getter, latest, sequences, upto) = (
        Rc::clone(node),
        Rc::clone(node),
        Rc::clone(node),
        Rc::clone(node),
        Rc::clone(node),
        Rc::clone(node),
    );
    router
        .on_sync("whoami", async move |_: Call| Ok(serde_json::json!({ "id": own.id().to_string() })))
        .on_async("publish", async move |call: Call| {
            let content: Box<RawValue> = call.arg(0)?;
            let message = publisher.publish(content.get().as_bytes().to_vec()).await?;
            Ok(published(&message))
        })
        .on_async("get", async move |call: Call| get(&getter, &call).await)
        .on_async("getLatest", async move |call: Call| {
            let FeedArg(feed) = call.arg(0)?;
            let sequence = latest.feeds.borrow().sequence(&feed);
            let read = latest.read(move |store| store.range(&feed, sequence.max(1), ONE)).await;
            let message = read.map_err(store_error)?.pop();
            message.map(|message| Body::json(kvt(&message))).ok_or_else(|| CallError::new("no such feed"))
        })
        .on_async("latestSequence", async move |call: Call| {
            let FeedArg(feed) = call.arg(0)?;
            match sequences.feeds.borrow().sequence(&feed) {
                0 => Err(CallError::new("no such feed")),
                sequence => Ok(sequence),
            }
        })
        .on_source("replicate.upto", async move |_: Call, tx: &mut crate::SendStream| {
            let all: Vec<_> = upto
                .feeds
                .borrow()
                .all()
                .filter(|(_, sequence, _)| *sequence > 0)
                .map(|(feed, sequence, _)| (*feed, sequence))
                .collect();
            for (feed, sequence) in all {
                let entry = serde_json::json!({ "id": feed.to_string(), "sequence": sequence });
                tx.send(crate::Json(entry).body()?).await?;
            }
            Ok(())
        })
}

/// A message of ours as its publisher is told of it.
pub(super) fn published(message: &Message) -> Body {
    Body::json(kvt(&Stored {
        id: message.id,
        author: message.author,
        sequence: message.sequence,
        received_ms: wall_ms(),
        value: message.value.clone(),
    }))
}

/// The argument of `get`: an id, or an object with one and more.
#[derive(Deserialize)]
#[serde(untagged)]
enum Wanted {
    Id(String),
    Options {
        id: String,
        #[serde(default)]
        meta: bool,
        #[serde(flatten)]
        _rest: BTreeMap<String, serde_json::Value>,
    },
}

async fn get(node: &Node, call: &Call) -> Result<Body, CallError> {
    let (id, has_meta) = match call.arg(0)? {
        Wanted::Id(id) => (id, false),
        Wanted::Options { id, meta, .. } => (id, meta),
    };
    let id: MessageId = id.parse().map_err(|error: crate::ssb::IdError| CallError::new(error.to_string()))?;
    let read = node.read(move |store| store.message(&id)).await.map_err(store_error)?;
    let message = read.ok_or_else(|| CallError::new(format!("{id} is not in the store")))?;
    Ok(Body::json(if has_meta { kvt(&message) } else { message.value }))
}
