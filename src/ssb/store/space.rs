//! The room that is left on the disk.

use super::StoreError;
use crate::runtime::Clock;
use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// How long an answer of the file system is believed.
const BELIEVED: Duration = Duration::from_millis(100);

/// Bytes written after which it is asked anew whatever the time.
const BELIEVED_BYTES: u64 = 4 << 20;

/// Refuses writes before the disk is full: an engine that is told so by the disk itself has to be opened anew.
#[derive(Debug)]
pub(super) struct Space {
    dir: PathBuf,
    min_bytes: u64,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    /// Started when the file system was asked.
    since: Option<Clock>,
    free_bytes: u64,
    written_bytes: u64,
}

impl Space {
    pub(super) fn new(dir: PathBuf, min_bytes: u64) -> Self {
        Self { dir, min_bytes, seen: Mutex::new(Seen { since: None, free_bytes: 0, written_bytes: 0 }) }
    }

    /// Whether `bytes` more may be written.
    pub(super) fn admit(&self, bytes: u64) -> Result<(), StoreError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_stale = seen.since.is_none_or(|since| age(since) >= BELIEVED);
        if is_stale || seen.written_bytes >= BELIEVED_BYTES || !self.is_enough(&seen, bytes) {
            *seen = Seen { since: Some(Clock::start()), free_bytes: self.free_bytes()?, written_bytes: 0 };
        }
        if !self.is_enough(&seen, bytes) {
            return Err(StoreError::Full { free_bytes: seen.free_bytes, min_bytes: self.min_bytes });
        }
        seen.written_bytes += bytes;
        Ok(())
    }

    fn is_enough(&self, seen: &Seen, bytes: u64) -> bool {
        seen.free_bytes.saturating_sub(seen.written_bytes).saturating_sub(bytes) >= self.min_bytes
    }

    /// What the disk has free, for an error that the disk itself gave.
    pub(super) fn full(&self) -> StoreError {
        StoreError::Full { free_bytes: self.free_bytes().unwrap_or(0), min_bytes: self.min_bytes }
    }

    /// Bytes free to who may not use the system's reserve.
    pub(super) fn free_bytes(&self) -> Result<u64, StoreError> {
        let stat = rustix::fs::statvfs(&self.dir).map_err(|error| StoreError::Engine(error.to_string()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// How long ago a clock was started.
pub(super) fn age(clock: Clock) -> Duration {
    Duration::from_micros(clock.now().as_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_must_leave_the_reserve() {
        let dir = tempfile::tempdir().unwrap();
        let free = Space::new(dir.path().into(), 0).free_bytes().unwrap();
        let space = Space::new(dir.path().into(), free / 2);
        space.admit(1).unwrap();
        assert!(matches!(space.admit(free / 2 + free / 4), Err(StoreError::Full { .. })));
        assert!(matches!(Space::new(dir.path().into(), u64::MAX).admit(0), Err(StoreError::Full { .. })));
    }
}
