use super::Node;
use crate::{
    PublicKey,
    runtime::{Connection, Result, connect},
    secret::Address,
};
use std::{collections::BTreeMap, rc::Rc};

/// A connection of a peer with an identity.
pub(crate) struct PeerEntry {
    pub(crate) connection: Connection,
    pub(crate) key: PublicKey,
    pub(crate) is_outgoing: bool,
    /// Milliseconds since 1970.
    pub(crate) since_ms: f64,
}

/// What is told of a peer to other shards.
pub(crate) struct PeerFigures {
    pub(crate) key: PublicKey,
    pub(crate) address: String,
    pub(crate) is_outgoing: bool,
    pub(crate) since_ms: f64,
    pub(crate) shard: usize,
}

/// What a shard tells of itself.
pub(crate) struct NodeFigures {
    pub(crate) connections: usize,
    pub(crate) peers: usize,
    pub(crate) feeds_stored: usize,
    pub(crate) feeds_wanted: usize,
    pub(crate) verified: u64,
    pub(crate) stored: u64,
    pub(crate) duplicates: u64,
    pub(crate) sent: u64,
    pub(crate) refused: BTreeMap<&'static str, u64>,
    pub(crate) is_read_only: bool,
}

impl Node {
    pub(crate) fn peer_figures(&self) -> Vec<PeerFigures> {
        let figures = |peer: &PeerEntry| PeerFigures {
            key: peer.key,
            address: peer.connection.peer().address.clone(),
            is_outgoing: peer.is_outgoing,
            since_ms: peer.since_ms,
            shard: self.index(),
        };
        self.peers.borrow().values().map(figures).collect()
    }

    pub(crate) fn figures(&self) -> NodeFigures {
        let messages = self.metrics.messages();
        let feeds = self.feeds.borrow();
        NodeFigures {
            connections: self.shard.connections(),
            peers: self.peers.borrow().len(),
            feeds_stored: feeds.all().filter(|(_, sequence, _)| *sequence > 0).count(),
            feeds_wanted: feeds.wanted().count(),
            verified: messages.verified,
            stored: messages.stored,
            duplicates: messages.duplicates,
            sent: messages.sent,
            refused: messages.refused,
            is_read_only: self.is_read_only(),
        }
    }

    /// Ends the connections of a peer on this shard; yields how many.
    pub(crate) fn disconnect(&self, key: &PublicKey) -> usize {
        let peers: Vec<_> =
            self.peers.borrow().values().map(|peer| (peer.key, peer.connection.clone())).collect();
        peers.iter().filter(|(peer, _)| peer == key).map(|(_, connection)| connection.close()).count()
    }

    /// Dials a peer and looks after the connection.
    ///
    /// # Errors
    /// [`Error`](crate::Error) when nobody answers, or not the one that was meant.
    pub(crate) async fn dial(self: &Rc<Self>, address: &Address) -> Result<Connection> {
        let service = self.dialled.borrow().clone().ok_or(crate::Error::NoRuntime)?;
        connect(address, &self.common.connect_options(), service).await
    }

    /// Asks every shard the same, in their order.
    pub(crate) async fn gather<R: Send + 'static>(
        &self,
        question: impl Fn(&Rc<Self>) -> R + Clone + Send + 'static,
    ) -> Vec<R> {
        let mut answers = Vec::new();
        for shard in 0..self.common.mesh.shards() {
            answers.push(self.ask(shard, question.clone()).await);
        }
        answers
    }

    /// Asks one shard.
    pub(crate) async fn ask<R: Send + 'static>(
        &self,
        shard: usize,
        question: impl FnOnce(&Rc<Self>) -> R + Send + 'static,
    ) -> R {
        self.common.mesh.ask((self.index(), shard), question).await
    }

    /// Asks one shard for what takes it a while.
    pub(crate) async fn ask_later<R: Send + 'static, F: Future<Output = R> + 'static>(
        &self,
        shard: usize,
        question: impl FnOnce(Rc<Self>) -> F + Send + 'static,
    ) -> R {
        self.common.mesh.ask_later((self.index(), shard), question).await
    }

    /// Whether a key redeems an invite.
    pub(crate) fn is_invite(&self, key: &PublicKey) -> bool {
        self.invites.borrow().contains(key)
    }

    pub(crate) fn set_invite(&self, key: &PublicKey, is_open: bool) {
        if is_open {
            self.invites.borrow_mut().insert(*key);
        } else {
            self.invites.borrow_mut().remove(key);
        }
    }
}
