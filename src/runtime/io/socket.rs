//! The owner of a socket that lives in a hub.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::{epoll, line, ring, sys};

/// A socket's place in the hub that it belongs to.
enum Place {
    Ring(Rc<ring::Ring>, Rc<line::Line>),
    Epoll(Rc<epoll::Epoll>, Rc<epoll::Line>),
}

/// A connected stream socket.
///
/// One task may wait to receive and one to send; a later waiter replaces the earlier. Dropping the
/// socket cancels what the kernel has of it and closes the descriptor; received data that nobody
/// took is lost. Slices handed out before stay valid.
pub(crate) struct Socket(Place);

impl Socket {
    pub(super) fn on_ring(ring: &Rc<ring::Ring>, fd: OwnedFd) -> Self {
        Self(Place::Ring(Rc::clone(ring), ring.add(fd)))
    }

    pub(super) fn on_epoll(epoll: &Rc<epoll::Epoll>, fd: OwnedFd) -> io::Result<Self> {
        Ok(Self(Place::Epoll(Rc::clone(epoll), epoll.add(fd)?)))
    }

    /// The next piece of the stream, as it came; empty at its end, then and ever after.
    ///
    /// An error ends the stream too: the same error comes again.
    pub(crate) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        match &self.0 {
            Place::Ring(ring, line) => ring.poll_recv(line, cx),
            Place::Epoll(epoll, line) => epoll.poll_recv(line, cx),
        }
    }

    /// Sends the slices in order, as far as the socket takes them, and says how many bytes it took.
    ///
    /// While the socket takes nothing, waits until it does. Never raises `SIGPIPE`.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &self.0 {
            Place::Ring(ring, line) => ring.poll_send(line, cx, bufs),
            Place::Epoll(epoll, line) => epoll.poll_send(line, cx, bufs),
        }
    }

    /// Tells the peer that nothing more will be sent.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        sys::shutdown_write(self.fd())
    }

    /// The descriptor, for options and addresses. Reading from it would take data out of turn.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Place::Ring(_, line) => line.fd.as_fd(),
            Place::Epoll(_, line) => line.fd.as_fd(),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        match &self.0 {
            Place::Ring(ring, line) => ring.remove(line),
            Place::Epoll(epoll, line) => epoll.remove(line),
        }
    }
}
