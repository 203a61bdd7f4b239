//! Looking for work for a moment before going to sleep.
//!
//! To sleep and be woken costs both sides: 25 to 30 microseconds until the sleeper runs, as long for whoever has to wake its
//! core, and a dozen system calls to arm the executor's wait, to be told, and to set everything back. A ring whose pump
//! does not sleep costs one look at a flag in shared memory.

use std::cell::Cell;
use std::time::Duration;

use futures_lite::future::yield_now;

use super::super::clock::Clock;

/// How long to look, at the most. A sleep costs both sides together about as much, so looking in vain costs at most as much again;
/// and it has to be longer than a busy peer takes for one turn, which on a slow or shared core is more than 50 microseconds.
const LOOK_FOR: Duration = Duration::from_micros(100);
/// The most waits in a row that are slept through at once because looking was in vain, so that rare messages do not keep a
/// core busy: with them, looking costs less than two microseconds a message.
const SKIPS_MAX: u32 = 63;

/// Whether to look is learnt from how it went: each time in vain doubles the number of waits for which it is not tried.
pub(super) struct Linger {
    clock: Clock,
    /// Waits to be slept through.
    skips: Cell<u32>,
    /// How many will be after the next time in vain.
    penalty: Cell<u32>,
}

impl Default for Linger {
    fn default() -> Self {
        Self { clock: Clock::start(), skips: Cell::new(0), penalty: Cell::new(1) }
    }
}

impl Linger {
    /// Lets other tasks run until there is work or it has been long enough; whether there is.
    pub(super) async fn look(&self, mut is_work: impl FnMut() -> bool) -> bool {
        if self.skips.get() > 0 {
            self.skips.set(self.skips.get() - 1);
            return false;
        }
        let began = self.clock.now();
        while self.clock.now().since(began) < LOOK_FOR {
            yield_now().await;
            if is_work() {
                self.penalty.set(1);
                return true;
            }
        }
        self.skips.set(self.penalty.get());
        self.penalty.set((2 * self.penalty.get() + 1).min(SKIPS_MAX));
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::block_on;

    /// Waits that are slept through until the next look.
    fn skipped(linger: &Linger) -> u32 {
        let mut skipped = 0;
        while linger.skips.get() > 0 {
            assert!(!block_on(linger.look(|| panic!("nobody looks while waits are slept through"))));
            skipped += 1;
        }
        skipped
    }

    #[test]
    fn looking_in_vain_is_done_less_and_less_often_until_it_pays() {
        let linger = Linger::default();
        assert_eq!(skipped(&linger), 0);
        let mut waits = Vec::new();
        for _ in 0..8 {
            assert!(!block_on(linger.look(|| false)));
            waits.push(skipped(&linger));
        }
        assert_eq!(waits, [1, 3, 7, 15, 31, 63, 63, 63]);
        assert!(block_on(linger.look(|| true)));
        assert!(!block_on(linger.look(|| false)));
        assert_eq!(skipped(&linger), 1);
    }
}
