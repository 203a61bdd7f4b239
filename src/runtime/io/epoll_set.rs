//! Safe calls on an epoll descriptor.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::sys::check;

/// Events taken per call. More of them stay in the set.
const EVENTS: usize = 1024;

/// Data, the peer closing its direction, and room to send, each announced when it changes.
const INTEREST: libc::c_int = libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLOUT | libc::EPOLLET;

/// What happened on a descriptor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) hung_up: bool,
}

/// An edge-triggered set.
pub(super) struct EpollSet {
    fd: OwnedFd,
    events: RefCell<Vec<libc::epoll_event>>,
}

impl EpollSet {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        Ok(Self {
            // SAFETY: epoll_create1 just made this descriptor, so nobody else owns it.
            fd: unsafe { OwnedFd::from_raw_fd(fd) },
            events: RefCell::new(Vec::with_capacity(EVENTS)),
        })
    }

    pub(super) fn add(&self, fd: BorrowedFd<'_>, key: usize) -> io::Result<()> {
        let mut event = libc::epoll_event { events: INTEREST as u32, u64: key as u64 };
        // SAFETY: `event` lives across the call, and the kernel copies it.
        check(unsafe {
            libc::epoll_ctl(self.fd.as_raw_fd(), libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &raw mut event)
        })
        .map(drop)
    }

    /// Removes `fd`; it does not matter if it is not there.
    pub(super) fn remove(&self, fd: BorrowedFd<'_>) {
        // SAFETY: a null event is what a removal takes.
        unsafe {
            libc::epoll_ctl(self.fd.as_raw_fd(), libc::EPOLL_CTL_DEL, fd.as_raw_fd(), std::ptr::null_mut())
        };
    }

    /// Calls `take` with the key of each descriptor that has an event, without waiting.
    pub(super) fn wait(&self, mut take: impl FnMut(usize, Event)) -> io::Result<usize> {
        let mut events = self.events.borrow_mut();
        events.clear();
        // SAFETY: the vector has room for the number of events that is passed.
        let result =
            check(unsafe { libc::epoll_wait(self.fd.as_raw_fd(), events.as_mut_ptr(), EVENTS as _, 0) });
        let count = match result {
            Ok(count) => count as usize,
            // Nothing was taken; come again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(1),
            Err(error) => return Err(error),
        };
        // SAFETY: epoll_wait has written the first `count` events, and `count` is at most EVENTS.
        unsafe { events.set_len(count) };
        for event in events.iter() {
            let (bits, key) = (event.events as i32, event.u64);
            let failed = bits & (libc::EPOLLERR | libc::EPOLLHUP) != 0;
            take(
                key as usize,
                Event {
                    read: failed || bits & (libc::EPOLLIN | libc::EPOLLRDHUP) != 0,
                    write: failed || bits & libc::EPOLLOUT != 0,
                    hung_up: failed || bits & libc::EPOLLRDHUP != 0,
                },
            );
        }
        Ok(count)
    }
}

impl AsFd for EpollSet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
