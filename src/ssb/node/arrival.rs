use super::{Node, intake::Origin};
use crate::{
    PublicKey,
    ssb::store::{Contact, Entry, Stored},
};
use bytes::Bytes;
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
            // Kept for a while: a slice would keep all of a receive buffer.
            value: Bytes::copy_from_slice(&message.value),
        };
        Self { message, contact, origin }
    }
}

impl Node {
    /// Messages were stored: readers wake, exchanges and the graph hear of it.
    pub(crate) fn handle_arrivals(self: &Rc<Self>, arrivals: &[Arrival]) {
        let mut latest: HashMap<PublicKey, u32> = HashMap::new();
        {
            let (mut feeds, mut tail) = (self.feeds.borrow_mut(), self.tail.borrow_mut());
            for Arrival { message, .. } in arrivals {
                tail.push(message.clone());
                latest.insert(message.author, message.sequence);
            }
            latest.iter().for_each(|(feed, sequence)| feeds.advance(feed, *sequence));
        }
        self.handle_appended(&latest, arrivals);
        if self.is_registrar() {
            self.registrar.handle_contacts(self, arrivals.iter().filter_map(|arrival| arrival.contact));
        }
    }
}
