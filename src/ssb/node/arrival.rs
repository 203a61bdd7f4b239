use super::{Node, intake::Origin, waiters::Event};
use crate::{
    PublicKey,
    ssb::store::{Contact, Entry, Stored},
};
use std::{collections::HashMap, rc::Rc};

/// A message that has just been stored, on its way to every shard.
pub(crate) struct Arrival {
    pub(crate) message: Stored,
    pub(crate) contact: Option<Contact>,
    pub(crate) origin: Origin,
}

impl Arrival {
    pub(crate) fn new(entry: Entry, origin: Origin) -> Self {
        let Entry { message, received_ms, contact } = entry;
        let message = Stored {
            id: message.id,
            author: message.author,
            sequence: message.sequence,
            received_ms,
            value: message.value,
        };
        Self { message, contact, origin }
    }
}

impl Node {
    /// Messages were stored: readers wake, exchanges and the graph hear of it.
    pub(crate) fn handle_arrivals(self: &Rc<Self>, arrivals: &[Arrival]) {
        let mut latest: HashMap<PublicKey, u32> = HashMap::new();
        {
            let mut tail = self.tail.borrow_mut();
            for Arrival { message, .. } in arrivals {
                tail.push(message.clone());
                latest.insert(message.author, message.sequence);
            }
        }
        latest.iter().for_each(|(feed, sequence)| self.advance(feed, *sequence));
        self.handle_appended(&latest, arrivals);
        if self.is_registrar() {
            self.registrar.handle_contacts(self, arrivals.iter().filter_map(|arrival| arrival.contact));
        }
    }

    /// A feed is stored up to `sequence`; wakes who waits for that.
    pub(super) fn advance(&self, feed: &PublicKey, sequence: u32) {
        self.feeds.borrow_mut().advance(feed, sequence);
        self.waiters.wake(Event::Message(*feed));
        self.waiters.wake(Event::AnyMessage);
    }

    /// Waits for a message of a feed after `sequence`.
    pub(crate) async fn beyond(&self, feed: &PublicKey, sequence: u32) {
        let is_there = || self.feeds.borrow().sequence(feed) > sequence;
        self.waiters.until(Event::Message(*feed), is_there).await;
    }

    /// Waits until the log goes on from `position`.
    pub(crate) async fn log_beyond(&self, position: u64) {
        self.waiters.until(Event::AnyMessage, || self.common.store.log_end() > position).await;
    }
}
