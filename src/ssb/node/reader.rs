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

/// How much is read at a time: more with every chunk, from what a peer of which nothing is known gets to what one gets that keeps up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace(Bounds);

impl Default for Pace {
    fn default() -> Self {
        Self(CHUNK_FIRST)
    }
}

impl Pace {
    fn rise(&mut self) {
        self.0 = Bounds {
            messages_max: (self.0.messages_max * 2).min(CHUNK_MOST.messages_max),
            bytes_max: (self.0.bytes_max * 2).min(CHUNK_MOST.bytes_max),
        };
    }
}

type Reading = Pin<Box<dyn Future<Output = Result<Vec<Stored>, StoreError>>>>;

/// Reads a feed in order, from the tail in memory or from the store. Holds one chunk, and one more on its way if it is eager.
pub(crate) struct FeedReader {
    node: Rc<Node>,
    feed: PublicKey,
    /// The sequence after what was read.
    next: u32,
    ready: VecDeque<Stored>,
    ahead: Option<Reading>,
    pace: Pace,
    /// Begins to read a chunk when its user begins with the one before.
    is_eager: bool,
}

impl FeedReader {
    pub(crate) fn new(node: &Rc<Node>, feed: PublicKey, from: u32) -> Self {
        Self::paced(node, feed, from, Pace::default())
    }

    /// One that goes on at the pace of another.
    pub(crate) fn paced(node: &Rc<Node>, feed: PublicKey, from: u32, pace: Pace) -> Self {
        let node = Rc::clone(node);
        Self { node, feed, next: from.max(1), ready: VecDeque::new(), ahead: None, pace, is_eager: true }
    }

    pub(crate) const fn pace(&self) -> Pace {
        self.pace
    }

    pub(crate) const fn set_eager(&mut self, is_eager: bool) {
        self.is_eager = is_eager;
    }

    /// Whether a message is at hand without reading.
    pub(crate) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether the next message would be this one of this feed.
    pub(crate) fn is_at(&self, feed: &PublicKey, sequence: u32) -> bool {
        self.feed == *feed && self.next == sequence && self.ready.is_empty()
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
                if self.is_eager {
                    self.prepare();
                }
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

    /// Begins to read the next chunk, if the store has to be asked for it.
    pub(crate) fn prepare(&mut self) {
        let is_behind = self.node.feeds.borrow().sequence(&self.feed) >= self.next;
        if is_behind
            && self.ahead.is_none()
            && self.node.tail.borrow().range(&self.feed, self.next, 1).is_empty()
        {
            self.ahead = Some(self.start_reading());
        }
    }

    fn start_reading(&mut self) -> Reading {
        let (feed, from, Pace(bounds)) = (self.feed, self.next, self.pace);
        self.pace.rise();
        Box::pin(self.node.read(move |store| store.range(&feed, from, bounds)))
    }

    /// The peer is slow: hold less from now on.
    pub(crate) fn slow_down(&mut self) {
        self.pace = Pace::default();
    }
}
