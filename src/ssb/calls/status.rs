//! What an operator asks a running pub.

use crate::{
    Call, Json, PublicKey, Router, SendStream,
    ssb::node::{Node, NodeFigures},
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, rc::Rc, time::Duration};

/// How often a live status looks for changes.
const LIVE_EVERY: Duration = Duration::from_secs(1);

pub(super) fn routes(router: Router, node: &Rc<Node>) -> Router {
    let (status, exchanges, replication) = (Rc::clone(node), Rc::clone(node), Rc::clone(node));
    router
        .on_async("status", async move |_: Call| Ok(all(&status).await))
        .on_async("ebt.peerStatus", async move |call: Call| {
            let super::args::FeedArg(feed) = call.arg(0)?;
            Ok(peer_status(&exchanges, feed).await)
        })
        .on_source("replicate.changes", async move |_: Call, tx: &mut SendStream| {
            loop {
                tx.send(Json(progress(&replication)).body()?).await?;
                glommio::timer::sleep(LIVE_EVERY).await;
            }
        })
}

async fn all(node: &Rc<Node>) -> Value {
    let shards = node.gather(|node| node.figures()).await;
    let sum = |of: fn(&NodeFigures) -> u64| shards.iter().map(of).sum::<u64>();
    let mut refused: BTreeMap<&str, u64> = BTreeMap::new();
    for (reason, count) in shards.iter().flat_map(|shard| &shard.refused) {
        *refused.entry(reason).or_default() += count;
    }
    json!({
        "id": node.id().to_string(),
        "version": env!("CARGO_PKG_VERSION"),
        "addresses": node.common.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "shards": shards.len(),
        "connections": sum(|shard| shard.connections as u64),
        "peers": sum(|shard| shard.peers as u64),
        "feeds": { "stored": shards.first().map_or(0, |shard| shard.feeds_stored), "wanted": shards.first().map_or(0, |shard| shard.feeds_wanted) },
        "messages": {
            "verified": sum(|shard| shard.verified),
            "stored": sum(|shard| shard.stored),
            "duplicates": sum(|shard| shard.duplicates),
            "sent": sum(|shard| shard.sent),
            "refused": refused,
        },
        "readOnly": shards.iter().any(|shard| shard.is_read_only),
    })
}

/// How far each peer that exchanges feeds is with one of them, as npm `ssb-ebt` 9 tells it.
async fn peer_status(node: &Rc<Node>, feed: PublicKey) -> Value {
    let sequence = node.feeds.borrow().sequence(&feed);
    let known = node.gather(move |node| node.exchange_status(&feed)).await;
    let mut peers = Map::new();
    for (peer, theirs) in known.into_iter().flatten() {
        peers.insert(peer.to_string(), json!({ "seq": theirs, "replicating": {} }));
    }
    json!({ "id": feed.to_string(), "seq": sequence, "peers": peers })
}

fn progress(node: &Node) -> Value {
    let feeds = node.feeds.borrow();
    let messages: u64 = feeds.all().map(|(_, sequence, _)| u64::from(sequence)).sum();
    json!({ "feeds": feeds.all().count(), "messages": messages })
}
