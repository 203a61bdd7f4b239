//! The epoll backend: one edge-triggered set per shard, and direct reads.
//!
//! # No wake-up is lost
//!
//! Every descriptor is registered once, for both directions. A line counts as ready from the
//! event on until a call on it shows that it is not (`EAGAIN`, or a read that did not fill its
//! buffer); what happens after that call is a new edge, which the set keeps until the pump takes
//! it. The pump sleeps only after `epoll_wait` had nothing, by a poll of the set itself, which is
//! level-triggered and so completes at once if an event came in between.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use futures_lite::future::yield_now;
use slab::Slab;

use super::doorbell::Doorbell;
use super::epoll_set::EpollSet;
use super::sys;
use super::waiter::{End, Waiter};

/// The chunk from which received pieces are cut.
const CHUNK: usize = 256 << 10;
/// A read is given at least this much room.
const ROOM_MIN: usize = 64 << 10;
/// Pieces shorter than this are copied, so that they do not keep a whole chunk alive.
const COPY_BELOW: usize = 2 << 10;

/// One descriptor.
pub(super) struct Line {
    pub(super) fd: OwnedFd,
    slot: usize,
    /// Whether a short read proves that nothing is left: a Unix socket also stops at a message
    /// that carries descriptors.
    short_is_empty: bool,
    readable: Cell<bool>,
    writable: Cell<bool>,
    /// The peer has closed. No further edge announces the end that is left to be read.
    hung_up: Cell<bool>,
    end: Cell<End>,
    reader: Waiter,
    writer: Waiter,
}

/// One shard's set with its sockets.
pub(super) struct Epoll {
    set: EpollSet,
    lines: RefCell<Slab<Rc<Line>>>,
    /// Empty, with room behind it; shared by all sockets of the shard.
    chunk: RefCell<BytesMut>,
    doorbell: Doorbell,
    stopped: Cell<bool>,
    pumped: Cell<bool>,
}

impl Epoll {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            set: EpollSet::new()?,
            lines: RefCell::default(),
            chunk: RefCell::default(),
            doorbell: Doorbell::default(),
            stopped: Cell::new(false),
            pumped: Cell::new(false),
        })
    }

    /// Runs until [`stop`](Self::stop).
    pub(super) async fn run(&self) {
        if self.pumped.replace(true) {
            return;
        }
        let _pumping = Pumping(self);
        while !self.stopped.get() {
            self.doorbell.hush();
            let came = self.turn();
            if matches!(came, Ok(true)) {
                yield_now().await;
                continue;
            }
            if let Err(error) = came.and(self.doorbell.wait(self.set.as_fd()).await) {
                // The kernel refuses the set itself: no socket can go on.
                self.fail_all(error.raw_os_error().unwrap_or(libc::EIO));
                return;
            }
        }
    }

    /// Ends [`run`](Self::run) soon.
    pub(super) fn stop(&self) {
        self.stopped.set(true);
        self.doorbell.ring();
    }

    /// Takes what events there are and wakes whom they concern. False if there were none.
    fn turn(&self) -> io::Result<bool> {
        let mut woken = Vec::new();
        let lines = self.lines.borrow();
        let count = self.set.wait(|slot, event| {
            let Some(line) = lines.get(slot) else { return };
            if event.hung_up {
                line.hung_up.set(true);
            }
            if event.read {
                line.readable.set(true);
                woken.extend(line.reader.take());
            }
            if event.write {
                line.writable.set(true);
                woken.extend(line.writer.take());
            }
        })?;
        drop(lines);
        woken.into_iter().for_each(Waker::wake);
        Ok(count > 0)
    }

    fn fail_all(&self, errno: i32) {
        let mut woken = Vec::new();
        for (_, line) in self.lines.borrow().iter() {
            line.end.set(End::Errno(errno));
            line.writable.set(true);
            woken.extend(line.reader.take());
            woken.extend(line.writer.take());
        }
        woken.into_iter().for_each(Waker::wake);
    }

    pub(super) fn add(&self, fd: OwnedFd) -> io::Result<Rc<Line>> {
        let mut lines = self.lines.borrow_mut();
        let entry = lines.vacant_entry();
        self.set.add(fd.as_fd(), entry.key())?;
        let line = Rc::new(Line {
            slot: entry.key(),
            short_is_empty: sys::is_inet(fd.as_fd()),
            fd,
            readable: Cell::new(false),
            // Until the first attempt shows otherwise, which costs nothing if it is true.
            writable: Cell::new(true),
            hung_up: Cell::new(false),
            end: Cell::new(End::Open),
            reader: Waiter::default(),
            writer: Waiter::default(),
        });
        entry.insert(Rc::clone(&line));
        Ok(line)
    }

    /// Gives up the descriptor; it is closed when the caller drops the line.
    pub(super) fn remove(&self, line: &Line) {
        // By hand, as closing removes it from the set only if no duplicate exists elsewhere.
        self.set.remove(line.fd.as_fd());
        let removed = self.lines.borrow_mut().try_remove(line.slot);
        debug_assert!(removed.is_some());
        line.reader.take();
        line.writer.take();
    }

    pub(super) fn poll_recv(&self, line: &Line, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if let Some(result) = line.end.get().result() {
            return Poll::Ready(result);
        }
        if !line.readable.get() {
            line.reader.set(cx);
            return Poll::Pending;
        }
        match self.recv(line) {
            Ok(bytes) => {
                if bytes.is_empty() {
                    line.end.set(End::Eof);
                }
                Poll::Ready(Ok(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                line.readable.set(false);
                line.reader.set(cx);
                Poll::Pending
            }
            Err(error) => {
                line.end.set(End::Errno(error.raw_os_error().unwrap_or(libc::EIO)));
                Poll::Ready(Err(error))
            }
        }
    }

    fn recv(&self, line: &Line) -> io::Result<Bytes> {
        let mut chunk = self.chunk.borrow_mut();
        if chunk.capacity() < ROOM_MIN {
            // Takes the same memory again if all pieces cut from it are gone, else allocates.
            chunk.reserve(CHUNK);
        }
        let room = chunk.spare_capacity_mut();
        let size = room.len();
        let len = sys::recv(line.fd.as_fd(), room)?;
        if len < size && line.short_is_empty && !line.hung_up.get() {
            line.readable.set(false);
        }
        // SAFETY: the chunk was empty and `recv` has initialized the first `len` bytes behind it.
        unsafe { chunk.set_len(len) };
        if len < COPY_BELOW {
            let bytes = Bytes::copy_from_slice(&chunk);
            chunk.clear();
            return Ok(bytes);
        }
        Ok(chunk.split_to(len).freeze())
    }

    pub(super) fn poll_send(
        &self,
        line: &Line,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if line.writable.get() {
            match sys::send(line.fd.as_fd(), slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => line.writable.set(false),
                result => return Poll::Ready(result),
            }
        }
        line.writer.set(cx);
        Poll::Pending
    }

    /// Open descriptors.
    #[cfg(test)]
    pub(super) fn lines(&self) -> usize {
        self.lines.borrow().len()
    }
}

/// Leaves the set in order when the pump ends, even if its task is cancelled.
struct Pumping<'a>(&'a Epoll);

impl Drop for Pumping<'_> {
    fn drop(&mut self) {
        self.0.doorbell.silence();
        self.0.pumped.set(false);
    }
}
