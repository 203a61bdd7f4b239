//! The store in memory: for tests, and for who wants nothing kept.

use super::{
    Bounds, Contact, Durability, Entry, Head, KeyAndValue, Store, StoreError, StoreSpace, Stored, plan::Plan,
    value_fits,
};
use crate::{PublicKey, ssb::MessageId};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A store that is gone with the process. It has no bound: what is in it is what was appended.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Messages of a feed from sequence 1 on, with their positions in the log.
    feeds: HashMap<PublicKey, Vec<(u64, Stored)>>,
    heads: HashMap<PublicKey, Head>,
    ids: HashMap<MessageId, (PublicKey, u32)>,
    log: BTreeMap<u64, (PublicKey, u32)>,
    log_end: u64,
    contacts: BTreeMap<(PublicKey, PublicKey), super::Stance>,
    values: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Inner {
    fn at(&self, (author, sequence): (PublicKey, u32)) -> Option<&(u64, Stored)> {
        let index = usize::try_from(sequence.checked_sub(1)?).ok()?;
        self.feeds.get(&author)?.get(index)
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes what the bounds admit.
fn cut<'a, T>(bounds: Bounds, items: impl Iterator<Item = T>, bytes_of: impl Fn(&T) -> usize + 'a) -> Vec<T> {
    let (mut taken, mut bytes) = (Vec::new(), 0);
    for item in items {
        let next = bytes_of(&item);
        if !bounds.admit(taken.len(), bytes, next) {
            break;
        }
        bytes += next;
        taken.push(item);
    }
    taken
}

impl Store for MemoryStore {
    fn heads(&self) -> Result<Vec<(PublicKey, Head)>, StoreError> {
        Ok(self.lock().heads.iter().map(|(author, head)| (*author, *head)).collect())
    }

    fn contacts(&self) -> Result<Vec<Contact>, StoreError> {
        let inner = self.lock();
        let edges = inner.contacts.iter();
        Ok(edges.map(|(&(author, target), &stance)| Contact { author, target, stance }).collect())
    }

    fn append(&self, batch: &[Entry], _: Durability) -> Result<(), StoreError> {
        let inner = &mut *self.lock();
        let plan = Plan::of(batch, &inner.heads, |place| Ok(inner.at(place).map(|(_, stored)| stored.id)))?;
        for Entry { message, received_ms, .. } in plan.entries {
            let place = (message.author, message.sequence);
            let stored = Stored {
                id: message.id,
                author: message.author,
                sequence: message.sequence,
                received_ms: *received_ms,
                value: message.value.clone(),
            };
            inner.feeds.entry(message.author).or_default().push((inner.log_end, stored));
            inner.ids.insert(message.id, place);
            inner.log.insert(inner.log_end, place);
            inner.log_end += 1;
        }
        inner.heads.extend(plan.heads);
        inner.contacts.extend(plan.contacts);
        Ok(())
    }

    fn message(&self, id: &MessageId) -> Result<Option<Stored>, StoreError> {
        let inner = self.lock();
        Ok(inner.ids.get(id).and_then(|place| inner.at(*place)).map(|(_, stored)| stored.clone()))
    }

    fn range(&self, author: &PublicKey, from: u32, bounds: Bounds) -> Result<Vec<Stored>, StoreError> {
        let inner = self.lock();
        let feed = inner.feeds.get(author).map_or(&[][..], Vec::as_slice);
        let skipped = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX);
        let messages = feed.iter().skip(skipped).map(|(_, stored)| stored.clone());
        Ok(cut(bounds, messages, |stored| stored.value.len()))
    }

    fn log(&self, from: u64, bounds: Bounds) -> Result<Vec<(u64, Stored)>, StoreError> {
        let inner = self.lock();
        let messages = inner.log.range(from..).filter_map(|(_, place)| inner.at(*place).cloned());
        Ok(cut(bounds, messages, |(_, stored)| stored.value.len()))
    }

    fn log_end(&self) -> u64 {
        self.lock().log_end
    }

    fn delete_feed(&self, author: &PublicKey) -> Result<(), StoreError> {
        let inner = &mut *self.lock();
        for (position, stored) in inner.feeds.remove(author).unwrap_or_default() {
            inner.ids.remove(&stored.id);
            inner.log.remove(&position);
        }
        inner.heads.remove(author);
        inner.contacts.retain(|(from, _), _| from != author);
        Ok(())
    }

    fn compact(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.lock().values.get(key).cloned())
    }

    fn set_value(&self, key: &[u8], value: Option<&[u8]>, _: Durability) -> Result<(), StoreError> {
        value_fits(key, value)?;
        let values = &mut self.lock().values;
        match value {
            Some(value) => values.insert(key.into(), value.into()),
            None => values.remove(key),
        };
        Ok(())
    }

    fn values(&self, prefix: &[u8]) -> Result<Vec<KeyAndValue>, StoreError> {
        let inner = self.lock();
        let from = inner.values.range(prefix.to_vec()..);
        let pairs = from.take_while(|(key, _)| key.starts_with(prefix));
        Ok(pairs.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn space(&self) -> Result<StoreSpace, StoreError> {
        Ok(StoreSpace::default())
    }
}
