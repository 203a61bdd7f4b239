//! Deletes feeds, in steps that a crash may come between.

use super::{FjallStore, Writer};
use crate::{
    PublicKey,
    ssb::store::{Durability, Store, StoreError, engine::Engine, keys},
};
use std::sync::PoisonError;

/// Messages, and edges, of a feed deleted in one batch.
const DELETED_AT_ONCE: usize = 256;

impl FjallStore {
    /// Deletes a feed.
    pub(super) fn delete(&self, author: &PublicKey) -> Result<(), StoreError> {
        let is_begun = self.write(|engine, writer| {
            if writer.doomed.contains(author) {
                return Ok(true);
            }
            if self.head(author).is_none() {
                return Ok(false);
            }
            let mut batch = engine.batch(3);
            batch.insert(&keys::doomed(author), Vec::new());
            batch.insert(keys::LOG_END, self.log_end().to_be_bytes().into());
            batch.remove(&keys::head(author));
            engine.commit(batch, Durability::Process)?;
            self.heads.write().unwrap_or_else(PoisonError::into_inner).remove(author);
            writer.doomed.insert(*author);
            Ok(true)
        })?;
        let mut is_done = !is_begun;
        while !is_done {
            // Others may write in between.
            is_done = self.write(|engine, writer| {
                Ok(!writer.doomed.contains(author) || delete_some(engine, writer, author)?)
            })?;
        }
        Ok(())
    }

    /// Deletes what is left of a feed.
    pub(super) fn delete_rest(
        &self,
        engine: &Engine,
        writer: &mut Writer,
        author: &PublicKey,
    ) -> Result<(), StoreError> {
        while !delete_some(engine, writer, author)? {}
        Ok(())
    }
}

/// Deletes a part of a feed, the newest messages first: what a reader that has begun still finds is a prefix. `true` when
/// nothing is left.
fn delete_some(engine: &Engine, writer: &mut Writer, author: &PublicKey) -> Result<bool, StoreError> {
    let mut batch = engine.batch(DELETED_AT_ONCE * 4);
    let mut found = 0;
    for pair in engine.prefix(&keys::feed(author)).rev().take(DELETED_AT_ONCE) {
        let (key, record) = pair?;
        let (position, message) = keys::read_message(&key, record)?;
        batch.remove(&key);
        batch.remove(&keys::id(&message.id));
        batch.remove(&keys::log(position));
        found += 1;
    }
    for pair in engine.prefix(&keys::contacts(author)).take(DELETED_AT_ONCE) {
        batch.remove(&pair?.0);
        found += 1;
    }
    let is_done = found == 0;
    if is_done {
        batch.remove(&keys::doomed(author));
    }
    engine.commit(batch, Durability::Process)?;
    if is_done {
        writer.doomed.remove(author);
    }
    Ok(is_done)
}
