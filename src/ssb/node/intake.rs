//! The way of messages from a connection to the shards that own their feeds.

use super::{
    Node,
    ingest::Candidate,
    verdict::{Refusal, Verdict},
};
use crate::PublicKey;
use bytes::Bytes;
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    sync::atomic::Ordering,
    task::{Context, Poll, Waker},
};

/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// We wrote it.
    Ours,
    /// An intake, and the shard it is on.
    Intake {
        /// The shard.
        shard: usize,
        /// The intake.
        id: u64,
    },
}

/// Bytes of a message on the wire. A valid one has at most 8,192 UTF-16 units with its indentation; escapes of six bytes for
/// a unit and the spaces that a peer may put between are what is left.
pub(crate) const VALUE_BYTES_MAX: usize = 64 << 10;

/// Bytes of all messages without a verdict, in the whole process, above which a connection sends no second batch before the verdict
/// of its first (64 MiB). Stops many connections from doing together what each alone may not.
pub(crate) const UNVERIFIED_BYTES_MAX: usize = 64 << 20;

/// Messages sent to an owner at once: half a batch, so that the next half is on its way while one is verified.
const FLUSH_MESSAGES: usize = super::ingest::BATCH_MESSAGES / 2;

/// Messages of one connection, or of one import, that wait for their verdict: no more than
/// [`unverified_max`](crate::ssb::PubOptions::unverified_max).
pub(crate) struct Intake {
    node: Rc<Node>,
    id: u64,
    /// By owner.
    pending: RefCell<Vec<Vec<Candidate>>>,
    pending_bytes: Cell<usize>,
    /// Bytes of those that are with their owners.
    sent_bytes: Cell<usize>,
    in_flight: Cell<usize>,
    refused: RefCell<Vec<(PublicKey, Refusal)>>,
    waiting: RefCell<Vec<Waker>>,
}

impl Intake {
    pub(crate) fn new(node: &Rc<Node>) -> Rc<Self> {
        let id = node.next_id();
        let shards = node.common.mesh.shards();
        let intake = Rc::new(Self {
            node: Rc::clone(node),
            id,
            pending: RefCell::new((0..shards).map(|_| Vec::new()).collect()),
            pending_bytes: Cell::new(0),
            sent_bytes: Cell::new(0),
            in_flight: Cell::new(0),
            refused: RefCell::default(),
            waiting: RefCell::default(),
        });
        node.intakes.borrow_mut().insert(id, Rc::downgrade(&intake));
        intake
    }

    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    /// Where messages of this intake come from.
    pub(crate) fn origin(&self) -> Origin {
        Origin::Intake { shard: self.node.index(), id: self.id }
    }

    /// Takes a message on its way, unless it is known here already.
    pub(crate) fn push(&self, author: PublicKey, sequence: u32, value: Bytes) {
        if sequence <= self.node.feeds.borrow().sequence(&author) {
            self.node.metrics.duplicate(1);
            return;
        }
        if value.len() > VALUE_BYTES_MAX {
            let refusal = Refusal::Invalid(format!("a message has at most {VALUE_BYTES_MAX} bytes"));
            self.node.metrics.refused_message(refusal.name());
            self.refused.borrow_mut().push((author, refusal));
            return;
        }
        self.in_flight.set(self.in_flight.get() + 1);
        self.pending_bytes.set(self.pending_bytes.get() + value.len());
        let owner = self.node.owner(&author);
        // A slice would keep all of a receive buffer, for as long as the message waits and is kept in memory afterwards.
        let value = Bytes::copy_from_slice(&value);
        let mut pending = self.pending.borrow_mut();
        pending[owner].push(Candidate { origin: self.origin(), author, sequence, value });
        if pending[owner].len() >= FLUSH_MESSAGES {
            drop(pending);
            self.flush();
        }
    }

    /// Sends what waits to its owners: to be called whenever nothing more is at hand.
    pub(crate) fn flush(&self) {
        let bytes = self.pending_bytes.replace(0);
        if bytes == 0 {
            return;
        }
        self.sent_bytes.set(self.sent_bytes.get() + bytes);
        self.node.common.unverified_bytes.fetch_add(bytes, Ordering::Relaxed);
        for (owner, candidates) in self.pending.borrow_mut().iter_mut().enumerate() {
            if !candidates.is_empty() {
                let candidates = std::mem::take(candidates);
                self.node.common.mesh.tell(owner, move |node| node.ingest(candidates));
            }
        }
    }

    /// Whether another message may be taken; sends what waits if not.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let in_flight = self.in_flight.get();
        let is_crowded = || self.node.common.unverified_bytes.load(Ordering::Relaxed) >= UNVERIFIED_BYTES_MAX;
        if in_flight < FLUSH_MESSAGES || in_flight < self.node.common.options.unverified_max && !is_crowded()
        {
            return Poll::Ready(());
        }
        self.flush();
        self.wait(cx);
        Poll::Pending
    }

    /// Waits until every message has its verdict.
    pub(crate) async fn settled(&self) {
        self.flush();
        poll_fn(|cx| {
            if self.in_flight.get() == 0 {
                return Poll::Ready(());
            }
            self.wait(cx);
            Poll::Pending
        })
        .await;
    }

    /// Feeds that gave offence since the last time.
    pub(crate) fn take_refused(&self) -> Vec<(PublicKey, Refusal)> {
        self.refused.take()
    }

    /// Waits for the next verdict.
    fn wait(&self, cx: &Context<'_>) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
    }

    fn handle_verdict(&self, verdict: &Verdict) {
        let in_flight = self.in_flight.get();
        let left = in_flight.saturating_sub(verdict.count);
        // Bytes are given back in proportion: exact once nothing is in flight.
        let sent = self.sent_bytes.get();
        let freed = if left == 0 { sent } else { sent / in_flight * verdict.count };
        self.free(freed);
        self.in_flight.set(left);
        self.refused.borrow_mut().extend_from_slice(&verdict.refused);
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    fn free(&self, bytes: usize) {
        self.sent_bytes.set(self.sent_bytes.get() - bytes);
        self.node.common.unverified_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.free(self.sent_bytes.get());
        self.node.intakes.borrow_mut().remove(&self.id);
    }
}

impl Node {
    /// Verdicts of a connection's messages have come back from their owner.
    pub(crate) fn handle_verdict(&self, intake: u64, verdict: &Verdict) {
        let intake = self.intakes.borrow().get(&intake).and_then(std::rc::Weak::upgrade);
        if let Some(intake) = intake {
            intake.handle_verdict(verdict);
        }
    }
}
