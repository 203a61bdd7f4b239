//! Waiting for one descriptor inside the executor.

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::AsyncRead;
use glommio::net::TcpStream;

/// A wait for a descriptor to become readable.
///
/// glommio has no call for that, but its `TcpStream` does precisely that before it reads. Wrapped
/// around any descriptor, its read stays pending until the poll reports readiness and then tries
/// to receive, for which we give it no room: it fails where the descriptor is no connected socket
/// and takes nothing where it is. Either way that it returned is the answer. The stream wraps a
/// duplicate, because it closes what it is given.
#[derive(Default)]
pub(super) struct Readiness {
    /// The outstanding poll. It is replaced only after it fired, for to cancel it costs a request.
    outstanding: Option<TcpStream>,
}

impl Readiness {
    /// Ready once `fd`, the same in each call, can be read or was so since the last time.
    pub(super) fn poll(&mut self, fd: BorrowedFd<'_>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = match &mut self.outstanding {
            Some(stream) => stream,
            none => none.insert(start(fd)?),
        };
        let read = Pin::new(stream).poll_read(cx, &mut []);
        if read.is_pending() {
            return Poll::Pending;
        }
        self.outstanding = None;
        Poll::Ready(Ok(()))
    }
}

fn start(fd: BorrowedFd<'_>) -> io::Result<TcpStream> {
    let duplicate = fd.try_clone_to_owned()?;
    // SAFETY: the descriptor is open and ours to give away. The stream only polls it and calls
    // recv(2) on it with no room, which is harmless on any descriptor.
    Ok(unsafe { TcpStream::from_raw_fd(duplicate.into_raw_fd()) })
}
