//! How a pump sleeps inside the executor.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::os::fd::BorrowedFd;
use std::task::{Poll, Waker};

use super::readiness::Readiness;

/// Waits until a descriptor is readable or until somebody on this thread rings.
#[derive(Default)]
pub(super) struct Doorbell {
    readiness: RefCell<Readiness>,
    rung: Cell<bool>,
    sleeper: Cell<Option<Waker>>,
}

impl Doorbell {
    /// Ends the wait that is going on, or else the next one.
    pub(super) fn ring(&self) {
        if !self.rung.replace(true)
            && let Some(sleeper) = self.sleeper.take()
        {
            sleeper.wake();
        }
    }

    /// Forgets a ring: the caller is about to look at everything that it could have been about.
    pub(super) fn hush(&self) {
        self.rung.set(false);
    }

    /// Returns once `fd` is readable or the bell was rung. It may return early; look again.
    pub(super) async fn wait(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        poll_fn(|cx| {
            if self.rung.take() {
                return Poll::Ready(Ok(()));
            }
            let ready = self.readiness.borrow_mut().poll(fd, cx);
            if ready.is_pending() {
                self.sleeper.set(Some(cx.waker().clone()));
            }
            ready
        })
        .await
    }

    /// Cancels the outstanding wait. To be called inside the executor, which must do it.
    pub(super) fn silence(&self) {
        self.readiness.take();
        self.sleeper.take();
    }
}
