//! Descriptors of which only the readiness to be read is of interest.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll};

use super::readiness::Readiness;

/// A listener, an event counter, a pipe.
///
/// The executor waits for it directly, whatever the backend. There are few of them, so a poll per
/// wait does not matter; and a ring must not wait for event counters: the kernel cannot signal one
/// (ours, to wake the pump) from within the signal of another, puts that off, and on some versions
/// loses it.
pub(crate) struct Watch {
    // Before the descriptor, so that the poll is cancelled first.
    readiness: Readiness,
    ready: bool,
    fd: OwnedFd,
}

impl Watch {
    pub(super) fn new(fd: OwnedFd) -> Self {
        Self { readiness: Readiness::default(), ready: false, fd }
    }

    /// Ready from when the descriptor can be read until [`clear_ready`](Self::clear_ready).
    ///
    /// One task may wait; a later waiter replaces the earlier.
    pub(crate) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ready {
            std::task::ready!(self.readiness.poll(self.fd.as_fd(), cx))?;
            self.ready = true;
        }
        Poll::Ready(Ok(()))
    }

    /// To be called after a read or an accept said that there is nothing.
    pub(crate) fn clear_ready(&mut self) {
        self.ready = false;
    }

    /// The descriptor, to read or accept from.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
