//! `gossip.ping`: each side tells its time, which keeps lines open and shows peers how far apart their clocks are.

use crate::{Call, CallError, Json, RecvStream, Router, SendStream, runtime::wall_ms, ssb::node::Node};
use std::rc::Rc;

pub(super) fn routes(router: Router, _node: &Rc<Node>) -> Router {
    router
        .on_duplex("gossip.ping", async |_call: Call, tx: &mut SendStream, rx: &mut RecvStream| {
            answer(tx, rx).await
        })
        .on_duplex("conn.ping", async |_call: Call, tx: &mut SendStream, rx: &mut RecvStream| {
            answer(tx, rx).await
        })
}

/// The stream stays open for as long as the peer likes: older peers take its end for a fault.
async fn answer(tx: &mut SendStream, rx: &mut RecvStream) -> Result<(), CallError> {
    while let Some(body) = rx.next().await {
        body?;
        tx.send(Json(wall_ms().floor()).body()?).await?;
    }
    Ok(())
}
