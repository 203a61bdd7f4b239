//! Connections: which there are, making and ending one.

use crate::{
    Address, Call, CallError, Json, PublicKey, Router, SendStream,
    secret::Auth,
    ssb::node::{Node, PeerFigures},
};
use serde_json::{Value, json};
use std::{rc::Rc, time::Duration};

/// How often a stream of peers looks for changes.
const LIVE_EVERY: Duration = Duration::from_secs(1);

pub(super) fn routes(router: Router, node: &Rc<Node>) -> Router {
    let (connect, disconnect, peers) = (Rc::clone(node), Rc::clone(node), Rc::clone(node));
    router
        .on_async("conn.connect", async move |call: Call| {
            let address: Address = address(&call)?;
            let connection =
                connect.dial(&address).await.map_err(|error| CallError::new(error.to_string()))?;
            Ok(json!({ "id": connection.peer().key.map(|key| key.to_string()) }))
        })
        .on_async("conn.disconnect", async move |call: Call| {
            let text: String = call.arg(0)?;
            let key = key_of(&text).ok_or_else(|| CallError::new(format!("{text:?} names no peer")))?;
            let cut = disconnect.gather(move |node| node.disconnect(&key)).await;
            Ok(cut.into_iter().sum::<usize>() > 0)
        })
        .on_source("conn.peers", async move |_: Call, tx: &mut SendStream| {
            let mut before = Value::Null;
            loop {
                let now = list(&peers).await;
                if now != before {
                    tx.send(Json(&now).body()?).await?;
                    before = now;
                }
                glommio::timer::sleep(LIVE_EVERY).await;
            }
        })
}

fn address(call: &Call) -> Result<Address, CallError> {
    let text: String = call.arg(0)?;
    text.parse().map_err(|error| CallError::new(format!("{error}")))
}

/// A peer's key, by itself or out of an address.
fn key_of(text: &str) -> Option<PublicKey> {
    let of_address = || {
        let address: Address = text.parse().ok()?;
        address.endpoints().iter().find_map(|endpoint| match &endpoint.auth {
            Auth::Shs { key, .. } => *key,
            Auth::None | Auth::NoAuth | Auth::Other(_) => None,
        })
    };
    text.parse().ok().or_else(of_address)
}

/// Pairs of an address and what is known, as npm `ssb-conn` lists them.
async fn list(node: &Rc<Node>) -> Value {
    let mut peers: Vec<PeerFigures> =
        node.gather(|node| node.peer_figures()).await.into_iter().flatten().collect();
    peers.sort_by_key(|peer| peer.key);
    let pair = |peer: PeerFigures| {
        let direction = if peer.is_outgoing { "outgoing" } else { "incoming" };
        let data = json!({
            "key": peer.key.to_string(),
            "state": "connected",
            "inferredType": direction,
            "stateChange": peer.since_ms,
            "shard": peer.shard,
        });
        json!([peer.address, data])
    };
    peers.into_iter().map(pair).collect()
}
