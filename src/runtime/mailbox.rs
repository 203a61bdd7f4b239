use super::{Error, Peer, Result, admission::Source, io::sys, listener::Door};
use std::{
    collections::VecDeque,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// An accepted connection on its way to its shard.
pub(crate) struct Accepted {
    pub(crate) fd: OwnedFd,
    pub(crate) peer: Peer,
    pub(crate) source: Source,
    pub(crate) door: Door,
}

/// Where a shard gets its connections from. The only thing shards share, and only on the path of an accept: glommio's own
/// channels lose a task that polls them beside other events (after 32,767 polls) and wake a busy shard late.
pub(crate) struct Mailbox {
    queue: Mutex<VecDeque<Accepted>>,
    /// Connections that the shard has or is about to get.
    connections: AtomicUsize,
    pub(crate) bell: OwnedFd,
}

impl Mailbox {
    pub(crate) fn new() -> Result<Self> {
        let bell = sys::eventfd().map_err(Error::io("cannot make an event counter"))?;
        Ok(Self { queue: Mutex::default(), connections: AtomicUsize::new(0), bell })
    }

    pub(crate) fn load(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn push(&self, accepted: Accepted) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(accepted);
        // A full counter is a bell that rings already.
        let _ = sys::eventfd_signal(self.bell.as_fd());
    }

    pub(crate) fn pop(&self) -> Option<Accepted> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// One connection less.
    pub(crate) fn leave(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
