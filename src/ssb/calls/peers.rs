//! What a pub does with each connection of a peer that has an identity: replicates, and asks for blob wants.

use super::{blobs, ebt, legacy};
use crate::{
    CallError, Client,
    runtime::{Connection, wall_ms},
    ssb::{
        ebt::Role,
        node::{Node, PeerEntry},
    },
};
use futures_lite::{FutureExt, future::zip};
use glommio::timer::sleep;
use std::{cell::Cell, rc::Rc, time::Duration};

/// How long a peer that dialled us may take to say how it replicates, before we ask it in the old way.
const OPENING_MAX: Duration = Duration::from_secs(10);

/// Whether feeds are exchanged by epidemic broadcast trees on this connection.
#[derive(Default)]
pub(super) struct Replicating(pub(super) Cell<bool>);

/// Begins to look after a connection; to be called when it begins.
pub(crate) fn attend(node: &Rc<Node>, connection: &Connection, is_outgoing: bool) {
    let Some(key) = connection.peer().key.filter(|key| *key != node.id()) else { return };
    if node.is_invite(&key) && !is_outgoing {
        return;
    }
    let id = node.next_id();
    let entry = PeerEntry { connection: connection.clone(), key, is_outgoing, since_ms: wall_ms() };
    node.peers.borrow_mut().insert(id, entry);
    let (node, connection) = (Rc::clone(node), connection.clone());
    let live = connection.shard().enter_driver();
    glommio::spawn_local(async move {
        let closed = async {
            connection.closed().await;
        };
        let looking_after = async {
            zip(replicate(&node, &connection, is_outgoing), blobs::hear_wants(&node, &connection)).await;
        };
        looking_after.or(closed).await;
        node.peers.borrow_mut().remove(&id);
        drop(live);
    })
    .detach();
}

/// Goes on until the connection ends.
async fn replicate(node: &Rc<Node>, connection: &Connection, is_outgoing: bool) {
    if is_outgoing {
        match open_exchange(node, connection).await {
            Ok(()) => {}
            Err(error) if is_missing(&error) => {
                tracing::debug!(peer = %connection.peer(), "the peer replicates in the old way");
                legacy::pull_all(node, connection).await;
            }
            Err(error) => tracing::debug!(peer = %connection.peer(), %error, "an exchange ended"),
        }
    } else {
        // One that speaks neither way is asked all the same: it may serve, and not ask.
        legacy::asked(connection).or(async { sleep(OPENING_MAX).await }).await;
        legacy::pull_all(node, connection).await;
    }
    std::future::pending().await
}

async fn open_exchange(node: &Rc<Node>, connection: &Connection) -> Result<(), CallError> {
    let client = Client::over(connection);
    let (mut tx, mut rx) = client.duplex("ebt.replicate", ebt::ARGS).await?;
    let ended = ebt::run(node, connection, Role::Opener, &mut tx, &mut rx).await;
    match &ended {
        Ok(()) => tx.finish(),
        Err(error) => tx.fail(&error.to_body()),
    }
    ended
}

/// Whether the peer has no such method, in the words of JavaScript and Go peers.
fn is_missing(error: &CallError) -> bool {
    let text = error.to_string();
    text.ends_with("is not in list of allowed methods")
        || text.starts_with("no duplex:")
        || text.starts_with("muxrpc: no such command")
}
