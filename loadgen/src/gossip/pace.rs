//! How fast somebody reads.

use std::cell::Cell;
use std::time::{Duration, Instant};

use glommio::timer::sleep;

/// A number of bytes a second, shared by the streams of a reader.
#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_second: u64,
    /// When what was read so far has taken its time.
    free: Cell<Option<Instant>>,
}

impl Pace {
    /// As fast as messages come.
    pub(super) const fn full() -> Self {
        Self::new(u64::MAX)
    }

    /// So many bytes a second; after the first message none with 0.
    pub(super) const fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second, free: Cell::new(None) }
    }

    /// When the next message may be read, after one of so many bytes.
    fn next(&self, bytes: usize, now: Instant) -> Option<Instant> {
        let seconds = bytes as f64 / self.bytes_per_second as f64;
        let takes = Duration::try_from_secs_f64(seconds).ok()?;
        let free = self.free.get().map_or(now, |free| free.max(now)).checked_add(takes)?;
        self.free.set(Some(free));
        Some(free)
    }

    /// Takes the time that so many bytes take.
    pub(super) async fn wait(&self, bytes: usize) {
        if self.bytes_per_second == u64::MAX {
            return;
        }
        let now = Instant::now();
        match self.next(bytes, now) {
            Some(free) => sleep(free - now).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_share_what_a_reader_reads() {
        let (pace, now) = (Pace::new(1000), Instant::now());
        let after = |millis| Some(now + Duration::from_millis(millis));
        assert_eq!((pace.next(500, now), pace.next(250, now)), (after(500), after(750)));
        // Time in which nothing came is not made up for.
        assert_eq!(pace.next(100, now + Duration::from_secs(2)), after(2100));
        assert_eq!(Pace::new(0).next(1, now), None);
    }
}
