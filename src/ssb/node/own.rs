use super::Node;
use crate::{
    CallError, PublicKey,
    runtime::wall_ms,
    ssb::{
        message::{Message, create},
        store::{Bounds, Head, Store, StoreError},
    },
};
use glommio::sync::Semaphore;
use std::{cell::Cell, rc::Rc};

/// Our own feed, on the shard that owns it.
pub(crate) struct OwnFeed {
    /// One message at a time: each names the one before.
    turn: Semaphore,
    /// The timestamp of the last message; ours never go back.
    last_ms: Cell<f64>,
}

impl Default for OwnFeed {
    fn default() -> Self {
        Self { turn: Semaphore::new(1), last_ms: Cell::new(0.0) }
    }
}

impl Node {
    /// Publishes on our own feed; yields the message once it is on the disk.
    ///
    /// # Errors
    /// [`CallError`] when the content makes no valid message or the store refuses.
    pub(crate) async fn publish(self: &Rc<Self>, content: Vec<u8>) -> Result<Message, CallError> {
        let owner = self.owner(&self.id());
        let node = (self.index(), owner);
        self.common.mesh.ask_later(node, move |node| async move { node.publish_here(&content).await }).await
    }

    async fn publish_here(self: &Rc<Self>, content: &[u8]) -> Result<Message, CallError> {
        let _turn =
            self.own.turn.acquire_permit(1).await.map_err(|error| CallError::new(error.to_string()))?;
        let head = self.ingest.head(&self.id()).map(|head| (head.sequence, head.id));
        let (now, last) = (wall_ms(), self.last_timestamp(head.map(|(sequence, _)| sequence)).await);
        let timestamp = if now > last { now } else { last + 0.001 };
        let hmac = self.common.options.hmac;
        let message = create(&self.common.identity, head, timestamp, content, hmac.as_ref())
            .map_err(|error| CallError::new(error.to_string()))?;
        if let Err(error) = self.store_own(message.clone()).await {
            // The disk may have it all the same: then it exists, and the next message follows it.
            self.recover_own(&message).await;
            return Err(CallError::new(error.to_string()));
        }
        self.own.last_ms.set(timestamp);
        Ok(message)
    }
}

impl Node {
    /// That of our last message, which may be one of an earlier run of the process.
    async fn last_timestamp(&self, sequence: Option<u32>) -> f64 {
        #[derive(serde::Deserialize)]
        struct Timed {
            timestamp: f64,
        }
        let (last, id) = (self.own.last_ms.get(), self.id());
        let Some(sequence) = sequence.filter(|_| last == 0.0) else { return last };
        let bounds = Bounds { messages_max: 1, bytes_max: usize::MAX };
        let read = self.read(move |store| store.range(&id, sequence, bounds)).await.unwrap_or_default();
        let timed = read.first().and_then(|message| serde_json::from_slice::<Timed>(&message.value).ok());
        timed.map_or(last, |timed| timed.timestamp)
    }

    /// Looks whether a message whose writing failed is stored.
    async fn recover_own(&self, message: &Message) {
        let id = message.id;
        let found = self.read(move |store| store.message(&id)).await;
        if matches!(found, Ok(Some(_))) {
            self.ingest.load(message.author, Head { sequence: message.sequence, id });
            self.common.mesh.tell_all({
                let (author, sequence) = (message.author, message.sequence);
                move |node| node.advance(&author, sequence)
            });
        }
    }

    /// Deletes a feed: its messages, and all that its author said of others. It is asked for again if it is still wanted.
    ///
    /// # Errors
    /// [`CallError`] when it is our own, which would be forked by the next message, or the store refuses.
    pub(crate) async fn delete_feed(self: &Rc<Self>, feed: PublicKey) -> Result<(), CallError> {
        if feed == self.id() {
            return Err(CallError::new("the pub's own feed is not deleted: its next message would fork it"));
        }
        let ask = move |node: Rc<Self>| async move {
            // Nothing of it is accepted from here on until the store has forgotten it.
            node.ingest.begin_deleting(feed);
            let (deleted, is_gone) = node.write(move |store| delete(store, &feed)).await;
            node.ingest.end_deleting(&feed, is_gone);
            if is_gone {
                // From here, as all news of its messages: else what comes first of the feed anew would be taken for old.
                node.common.mesh.tell_all(move |node| node.forget_feed(&feed));
            }
            deleted
        };
        self.ask_later(self.owner(&feed), ask).await.map_err(|error| CallError::new(error.to_string()))
    }

    fn forget_feed(self: &Rc<Self>, feed: &PublicKey) {
        self.feeds.borrow_mut().delete(feed);
        self.tail.borrow_mut().forget(feed);
        self.blocks.borrow_mut().forget(feed);
        if self.owner(feed) == self.index() && self.feeds.borrow().is_wanted(feed) {
            self.requests.borrow_mut().handle_wanted(feed, Some(0));
        }
        // Peers think that we have it all.
        self.hold_everywhere(feed);
        if self.is_registrar() {
            self.registrar.forget(self, feed);
        }
    }
}

/// Deletes a feed; says also whether it is gone for readers, which it may be though the store has failed.
fn delete(store: &dyn Store, feed: &PublicKey) -> (Result<(), StoreError>, bool) {
    let deleted = store.delete_feed(feed);
    let one = Bounds { messages_max: 1, bytes_max: usize::MAX };
    let is_gone = deleted.is_ok() || store.range(feed, 1, one).is_ok_and(|left| left.is_empty());
    (deleted, is_gone)
}
