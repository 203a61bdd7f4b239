//! The operator's view of feeds: which there are, adding messages from a file, deleting one.

use super::args::FeedArg;
use crate::{
    Call, CallError, Json, RecvStream, Router, SendStream,
    ssb::{
        message::peek,
        node::{Intake, Node},
    },
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use std::{collections::HashMap, future::poll_fn, rc::Rc};

pub(super) fn routes(router: Router, node: &Rc<Node>) -> Router {
    let (list, import, delete, compact) =
        (Rc::clone(node), Rc::clone(node), Rc::clone(node), Rc::clone(node));
    router
        .on_source("feeds", async move |_: Call, tx: &mut SendStream| {
            let mut ahead: HashMap<_, u32> = HashMap::new();
            for (feed, theirs) in list.gather(|node| node.ahead()).await.into_iter().flatten() {
                let most = ahead.entry(feed).or_default();
                *most = theirs.max(*most);
            }
            let mut all: Vec<_> =
                list.feeds.borrow().all().map(|(feed, sequence, hops)| (*feed, sequence, hops)).collect();
            all.sort_unstable_by_key(|(feed, _, hops)| (hops.unwrap_or(u8::MAX), *feed));
            for (feed, sequence, hops) in all {
                let lag = ahead.get(&feed).map(|theirs| theirs.saturating_sub(sequence));
                let entry = json!({ "id": feed.to_string(), "sequence": sequence, "hops": hops, "lag": lag });
                tx.send(Json(entry).body()?).await?;
            }
            Ok(())
        })
        .on_sink("feeds.import", async move |_: Call, rx: &mut RecvStream| take(&import, rx).await)
        .on_async("feeds.delete", async move |call: Call| {
            let FeedArg(feed) = call.arg(0)?;
            delete.delete_feed(feed).await
        })
        .on_async("feeds.compact", async move |_: Call| {
            compact.read(|store| store.compact()).await.map_err(super::span::store_error)
        })
}

/// A message with what `createLogStream` puts around it.
#[derive(Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
}

/// Takes messages, bare or as `{key, value, timestamp}`, each feed in its order; ends when all are stored. The first that is refused
/// ends it.
async fn take(node: &Rc<Node>, rx: &mut RecvStream) -> Result<(), CallError> {
    let intake = Intake::new(node);
    let mut line = 0_u64;
    while let Some(body) = rx.next().await {
        let body = body?;
        line += 1;
        let value = match serde_json::from_slice::<Wrapped<'_>>(&body.bytes) {
            Ok(wrapped) => Bytes::copy_from_slice(wrapped.value.get().as_bytes()),
            Err(_) => body.bytes,
        };
        let peeked = peek(&value).ok_or_else(|| CallError::new(format!("line {line} is no message")))?;
        poll_fn(|cx| intake.poll_room(cx)).await;
        intake.push(peeked.author, peeked.sequence, value);
        check(&intake)?;
    }
    intake.settled().await;
    check(&intake)
}

fn check(intake: &Intake) -> Result<(), CallError> {
    match intake.take_refused().first() {
        Some((feed, refusal)) => Err(CallError::new(format!("{feed}: {refusal}"))),
        None => Ok(()),
    }
}
