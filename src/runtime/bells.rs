use super::{Error, Result, io::sys};
use std::{
    os::fd::{AsFd, OwnedFd},
    sync::{Mutex, PoisonError},
};

/// Event counters of the shards, one each: how other threads get their attention.
#[derive(Debug, Default)]
pub(crate) struct Bells(Mutex<Vec<OwnedFd>>);

impl Bells {
    pub(crate) fn add(&self, bell: &OwnedFd) -> Result<()> {
        let bell = bell.try_clone().map_err(Error::io("cannot copy an event counter"))?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(bell);
        Ok(())
    }

    pub(crate) fn ring(&self) {
        for bell in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // A full counter is a bell that rings already.
            let _ = sys::eventfd_signal(bell.as_fd());
        }
    }
}
