use super::{Result, bells::Bells};
use std::{
    os::fd::OwnedFd,
    sync::{
        Arc,
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
    bells: Bells,
}

impl Shutdown {
    /// Asks. Harmless to repeat.
    pub fn ask(&self) {
        self.0.is_asked.store(true, Ordering::Release);
        self.0.bells.ring();
    }

    /// Whether somebody has asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.is_asked.load(Ordering::Acquire)
    }

    /// Adds a bell to ring.
    pub(crate) fn add(&self, bell: &OwnedFd) -> Result<()> {
        self.0.bells.add(bell)
    }
}
