use super::{Error, Result, io::sys};
use std::{
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// Asks a server to stop: no more connections, goodbye to those there are, and an end soon after
/// [`drain_max`](super::ServeOptions::drain_max). Clones ask the same server; any thread may.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_asked: AtomicBool,
    /// One event counter for each shard.
    bells: Mutex<Vec<OwnedFd>>,
}

impl Shutdown {
    /// Asks. Harmless to repeat.
    pub fn ask(&self) {
        self.0.is_asked.store(true, Ordering::Release);
        for bell in self.0.bells.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // A full counter is a bell that rings already.
            let _ = sys::eventfd_signal(bell.as_fd());
        }
    }

    /// Whether somebody has asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.is_asked.load(Ordering::Acquire)
    }

    /// Adds a bell to ring.
    pub(crate) fn add(&self, bell: &OwnedFd) -> Result<()> {
        let bell = bell.try_clone().map_err(Error::io("cannot copy an event counter"))?;
        self.0.bells.lock().unwrap_or_else(PoisonError::into_inner).push(bell);
        Ok(())
    }
}
