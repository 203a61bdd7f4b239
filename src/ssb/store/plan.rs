//! What an append is going to change.

use super::{Entry, Head, Stance, StoreError, keys::Place};
use crate::{PublicKey, ssb::MessageId};
use std::collections::{BTreeMap, HashMap};

/// A batch that has been checked: each message is next in its feed, or stored already and left out.
pub(super) struct Plan<'a> {
    /// What is to be stored, in order.
    pub(super) entries: Vec<&'a Entry>,
    /// The heads of all feeds that change.
    pub(super) heads: HashMap<PublicKey, Head>,
    /// The edges set, the last of each: the engine takes a key once in a batch.
    pub(super) contacts: BTreeMap<(PublicKey, PublicKey), Stance>,
}

impl<'a> Plan<'a> {
    /// Checks a batch against the heads there are. `stored` finds the id of a message by its place.
    pub(super) fn of(
        batch: &'a [Entry],
        heads: &HashMap<PublicKey, Head>,
        stored: impl Fn(Place) -> Result<Option<MessageId>, StoreError>,
    ) -> Result<Self, StoreError> {
        let mut plan = Self {
            entries: Vec::with_capacity(batch.len()),
            heads: HashMap::new(),
            contacts: BTreeMap::new(),
        };
        for entry in batch {
            let message = &entry.message;
            let head = plan.heads.get(&message.author).or_else(|| heads.get(&message.author)).copied();
            let have = head.map_or(0, |head| head.sequence);
            if have.checked_add(1) == Some(message.sequence) && message.previous == head.map(|head| head.id) {
                plan.add(entry);
                continue;
            }
            let place = (message.author, message.sequence);
            let known = match plan.planned(place) {
                Some(id) => Some(id),
                None if message.sequence <= have => stored(place)?,
                None => None,
            };
            if known != Some(message.id) {
                let (author, sequence) = place;
                return Err(StoreError::NotNext { author, sequence, stored: have });
            }
        }
        Ok(plan)
    }

    fn add(&mut self, entry: &'a Entry) {
        let message = &entry.message;
        self.entries.push(entry);
        self.heads.insert(message.author, Head { sequence: message.sequence, id: message.id });
        if let Some(contact) = &entry.contact {
            self.contacts.insert((contact.author, contact.target), contact.stance);
        }
    }

    fn planned(&self, (author, sequence): Place) -> Option<MessageId> {
        let mut messages = self.entries.iter().map(|entry| &entry.message);
        messages
            .find(|message| message.author == author && message.sequence == sequence)
            .map(|message| message.id)
    }
}
