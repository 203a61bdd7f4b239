//! Opens the engine, at first and after it has failed.

use super::{FjallStore, Writer};
use crate::{
    runtime::Clock,
    ssb::store::{StoreError, engine::Engine, keys, space::age},
};
use std::{
    collections::HashMap,
    sync::{PoisonError, atomic::Ordering},
    time::Duration,
};

/// How long after an attempt to open the engine anew the next may come.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// Free bytes below which the engine is not opened anew, whatever the reserve: it could not even write its journal.
const REOPEN_FREE_BYTES: u64 = 1 << 20;

impl FjallStore {
    /// Opens the engine, fills what is kept in memory, and ends deletions.
    pub(super) fn load(&self, writer: &mut Writer) -> Result<(), StoreError> {
        let mut slot = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        // The engine's own lock goes with its last user.
        drop(slot.take());
        let engine = Engine::open(&self.dir, &self.options).map_err(|error| self.complete(error))?;
        if engine.cut_bytes > 0 {
            tracing::warn!(dir = %self.dir.display(), bytes = engine.cut_bytes, "the end of the journal was broken and has been cut");
            self.cut_bytes.fetch_add(engine.cut_bytes, Ordering::Relaxed);
        }
        let mut heads = HashMap::new();
        for pair in engine.prefix(keys::HEADS) {
            let (key, record) = pair?;
            heads.insert(keys::read_author(&key)?, keys::read_head(&record)?);
        }
        writer.doomed.clear();
        for pair in engine.prefix(keys::DOOMED) {
            writer.doomed.insert(keys::read_author(&pair?.0)?);
        }
        let noted = engine.get(keys::LOG_END)?.map_or(Ok(0), |record| keys::read_u64(&record))?;
        let last = engine.prefix(keys::LOG).next_back().transpose()?;
        let after_last =
            last.map_or(Ok(0), |(key, _)| keys::read_position(&key).map(|last| last.saturating_add(1)))?;
        self.log_end.store(noted.max(after_last), Ordering::Release);
        *self.heads.write().unwrap_or_else(PoisonError::into_inner) = heads;
        for author in writer.doomed.clone() {
            // On a full disk it waits for the next opening, or the next message of the feed: nobody sees what is left.
            if let Err(error) = self.delete_rest(&engine, writer, &author) {
                tracing::warn!(%author, %error, "a feed could not be deleted to its end");
                break;
            }
        }
        *slot = Some(engine);
        Ok(())
    }

    /// Opens the engine anew if it has failed.
    pub(super) fn revive(&self, writer: &mut Writer) -> Result<(), StoreError> {
        let state = match &*self.engine.read().unwrap_or_else(PoisonError::into_inner) {
            Some(engine) => engine.check(),
            None => Err(StoreError::Engine("it could not be opened anew".into())),
        };
        let Err(failure) = state else { return Ok(()) };
        if writer.reopened.is_some_and(|since| age(since) < REOPEN_AFTER) {
            return Err(failure);
        }
        let free_bytes = self.space.free_bytes()?;
        let min_bytes = self.options.disk_free_bytes_min.max(REOPEN_FREE_BYTES);
        if free_bytes < min_bytes {
            return Err(StoreError::Full { free_bytes, min_bytes });
        }
        let Ok(_quiet) = self.compacting.try_lock() else { return Err(failure) };
        tracing::warn!(dir = %self.dir.display(), %failure, "the store is opened anew");
        writer.reopened = Some(Clock::start());
        self.load(writer)
    }

    /// Fills in how full the disk is.
    pub(super) fn complete(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Full { min_bytes: 0, .. } => self.space.full(),
            error => error,
        }
    }
}
