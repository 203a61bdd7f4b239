//! Timers that get an executor up which went to sleep with work to do.
//!
//! glommio 0.9 leaves its loop without running a task if the preemption timer has expired before
//! the first of them had its turn, as happens when the system takes the core away just then; it
//! takes this for "there is nothing to run" and sleeps until the kernel reports something. With a
//! timer of 2 ms on a busy machine that came up once in some minutes of load, and lasted for ever
//! where the peers waited for an answer. A due timer is among the things that end the sleep.
//!
//! One timer that its task sets again would not do, for that task may be one of those forgotten.
//! So several are pending at any time, and each that fires is another chance for the loop.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use glommio::timer::Timer;

/// The longest that a sleep with work to do lasts, unless the loop is unlucky again.
const BEAT: Duration = Duration::from_millis(10);
/// How often in a row the loop may be unlucky.
const PENDING: u32 = 8;

/// Keeps the timers going for as long as it is polled, inside the executor.
pub(super) async fn heartbeat() {
    let mut timers: Vec<_> = (1..=PENDING).map(|turn| Timer::new(BEAT * turn)).collect();
    poll_fn(|cx| {
        for timer in &mut timers {
            while Pin::new(&mut *timer).poll(cx).is_ready() {
                *timer = Timer::new(BEAT * PENDING);
            }
        }
        Poll::Pending
    })
    .await
}
