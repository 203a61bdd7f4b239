use super::Node;
use crate::{
    PublicKey,
    ssb::store::{Bounds, StoreError, Stored},
};
use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// Messages and bytes read at a time, at first and at the most: a reader that is slow holds little, and one that keeps up pays
/// the way to the blocking thread once for many.
const CHUNK_FIRST: Bounds = Bounds { messages_max: 16, bytes_max: 16 << 10 };
const CHUNK_MOST: Bounds = Bounds { messages_max: 128, bytes_max: 96 << 10 };

type Reading = Pin<Box<dyn Future<Output = Result<Vec<Stored>, StoreError>>>>;

/// Reads a feed in order, from the tail in memory or from the store. Holds one chunk, and one more on its way once its user has taken a
/// whole one without waiting in between.
pub(crate) struct FeedReader {
    node: Rc<Node>,
    feed: PublicKey,
    /// The sequence after what was read.
    next: u32,
    ready: VecDeque<Stored>,
    ahead: Option<Reading>,
    bounds: Bounds,
}

impl FeedReader {
    pub(crate) fn new(node: &Rc<Node>, feed: PublicKey, from: u32) -> Self {
        let node = Rc::clone(node);
        Self { node, feed, next: from.max(1), ready: VecDeque::new(), ahead: None, bounds: CHUNK_FIRST }
    }

    pub(crate) const fn feed(&self) -> PublicKey {
        self.feed
    }

    /// The next message, `None` when there is none yet.
    pub(crate) async fn next(&mut self) -> Result<Option<Stored>, StoreError> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The step of [`next`](Self::next). Pending only while the store is being read.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Stored>, StoreError>> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Poll::Ready(Ok(Some(message)));
            }
            if let Some(reading) = &mut self.ahead {
                let read = std::task::ready!(reading.as_mut().poll(cx));
                self.ahead = None;
                self.take(read?);
                if self.ready.is_empty() {
                    return Poll::Ready(Ok(None));
                }
                self.read_ahead();
                continue;
            }
            if self.node.feeds.borrow().sequence(&self.feed) < self.next {
                return Poll::Ready(Ok(None));
            }
            let tail = self.node.tail.borrow().range(&self.feed, self.next, CHUNK_MOST.messages_max);
            if tail.is_empty() {
                self.ahead = Some(self.start_reading());
            } else {
                self.take(tail);
            }
        }
    }

    fn take(&mut self, messages: Vec<Stored>) {
        if let Some(last) = messages.last() {
            self.next = last.sequence + 1;
        }
        self.ready.extend(messages);
    }

    /// Begins to read what follows, for a reader that seems to want it.
    fn read_ahead(&mut self) {
        let is_behind = self.node.feeds.borrow().sequence(&self.feed) >= self.next;
        if is_behind && self.node.tail.borrow().range(&self.feed, self.next, 1).is_empty() {
            self.ahead = Some(self.start_reading());
        }
    }

    fn start_reading(&mut self) -> Reading {
        let (feed, from, bounds) = (self.feed, self.next, self.bounds);
        self.bounds = Bounds {
            messages_max: (bounds.messages_max * 2).min(CHUNK_MOST.messages_max),
            bytes_max: (bounds.bytes_max * 2).min(CHUNK_MOST.bytes_max),
        };
        Box::pin(self.node.read(move |store| store.range(&feed, from, bounds)))
    }

    /// The peer is slow: hold less from now on.
    pub(crate) fn slow_down(&mut self) {
        self.bounds = CHUNK_FIRST;
    }
}
