//! What the ring knows of one socket.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use bytes::Bytes;

use super::request::Kind;
use super::waiter::{End, Waiter};

/// A socket stops receiving when this many pieces wait for its owner ...
const PIECES_MAX: usize = 128;
/// ... or this many bytes. What the kernel has received by then still comes in, at most one more
/// turn of receives, which the number of buffers bounds.
const BYTES_MAX: usize = 512 << 10;

/// An operation in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Idle,
    Armed,
    /// Asked to end; its last completion is still to come.
    Ending,
}

/// One socket and its operations in the kernel.
///
/// The ring keeps the line, and with it the descriptor, until the last completion of each
/// operation was seen: a submission that still waits in the queue names the descriptor by its
/// number, and completions name the line by its slot, so neither may be given to anybody else.
pub(super) struct Line {
    pub(super) fd: OwnedFd,
    pub(super) slot: usize,
    /// The multishot receive of a socket.
    pub(super) receive: Cell<Op>,
    /// The poll for room to send.
    pub(super) writable: Cell<Op>,
    pub(super) queue: RefCell<VecDeque<Bytes>>,
    pub(super) queued: Cell<usize>,
    pub(super) end: Cell<End>,
    pub(super) reader: Waiter,
    pub(super) writer: Waiter,
    /// The owner is gone; whatever still comes in is dropped.
    pub(super) closing: Cell<bool>,
}

impl Line {
    pub(super) fn new(fd: OwnedFd, slot: usize) -> Self {
        Self {
            fd,
            slot,
            receive: Cell::new(Op::Idle),
            writable: Cell::new(Op::Idle),
            queue: RefCell::default(),
            queued: Cell::new(0),
            end: Cell::new(End::Open),
            reader: Waiter::default(),
            writer: Waiter::default(),
            closing: Cell::new(false),
        }
    }

    pub(super) fn op(&self, kind: Kind) -> &Cell<Op> {
        match kind {
            Kind::Receive => &self.receive,
            Kind::Writable => &self.writable,
        }
    }

    pub(super) fn push(&self, bytes: Bytes) {
        self.queued.set(self.queued.get() + bytes.len());
        self.queue.borrow_mut().push_back(bytes);
    }

    pub(super) fn pop(&self) -> Option<Bytes> {
        let bytes = self.queue.borrow_mut().pop_front()?;
        self.queued.set(self.queued.get() - bytes.len());
        Some(bytes)
    }

    pub(super) fn is_full(&self) -> bool {
        self.queued.get() >= BYTES_MAX || self.queue.borrow().len() >= PIECES_MAX
    }

    /// Whether the kernel has nothing of this line any more.
    pub(super) fn is_quiet(&self) -> bool {
        self.receive.get() == Op::Idle && self.writable.get() == Op::Idle
    }
}
