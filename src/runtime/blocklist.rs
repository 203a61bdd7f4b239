use super::{Result, bells::Bells};
use crate::secret::PublicKey;
use std::{
    collections::HashSet,
    os::fd::OwnedFd,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Identities that a server does not talk to. Clones are handles to the same; any thread may change it.
#[derive(Clone, Debug, Default)]
pub struct Blocklist(Arc<State>);

#[derive(Debug, Default)]
struct State {
    keys: RwLock<HashSet<PublicKey>>,
    /// Grows with each identity added.
    version: AtomicU64,
    bells: Bells,
}

impl Blocklist {
    /// Refuses an identity from now on, and ends its live connections on every shard.
    pub fn block(&self, key: PublicKey) {
        self.0.keys.write().unwrap_or_else(PoisonError::into_inner).insert(key);
        self.0.version.fetch_add(1, Ordering::Release);
        self.0.bells.ring();
    }

    /// Lets an identity connect again.
    pub fn unblock(&self, key: &PublicKey) {
        self.0.keys.write().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Whether an identity is blocked.
    #[must_use]
    pub fn contains(&self, key: &PublicKey) -> bool {
        self.0.keys.read().unwrap_or_else(PoisonError::into_inner).contains(key)
    }

    /// Whether nobody else has a handle, and nothing was blocked.
    pub(crate) fn is_untouched(&self) -> bool {
        Arc::strong_count(&self.0) == 1 && self.version() == 0
    }

    pub(crate) fn version(&self) -> u64 {
        self.0.version.load(Ordering::Acquire)
    }

    pub(crate) fn add(&self, bell: &OwnedFd) -> Result<()> {
        self.0.bells.add(bell)
    }
}
