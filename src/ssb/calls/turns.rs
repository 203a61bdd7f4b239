//! Whose turn it is among the feeds that a peer of `ebt.replicate` is owed: while messages of one are sent, those of the next are read.

use crate::{
    CallError, PublicKey,
    ssb::{
        node::{ExchangePeer, FeedReader, Local, Node, Pace},
        store::Stored,
    },
};
use std::{
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

/// A peer that lets a message wait for so long is slow (100 ms), and less is held for it from then on. Shorter waits say nothing: any peer
/// has them, as a connection sends so much at a time.
const SLOW_AFTER: Duration = Duration::from_millis(100);

/// The turn of one feed: a chunk of its messages.
struct Turn {
    reader: FeedReader,
    /// Read and not yet sent.
    message: Option<Stored>,
    /// The last sequence sent; 0 before there is one.
    sent: u32,
}

/// What came of a step.
pub(super) enum Step {
    /// This one is to be sent.
    Send(Stored),
    /// A turn is over.
    Turned,
    /// The peer has all that it is owed.
    Idle,
}

/// The feeds that have their turn now and next: a chunk of messages each. A feed that is alone has two turns, so what is held for a
/// peer that stops reading is two chunks at the most.
pub(super) struct Turns {
    node: Rc<Node>,
    peer: Rc<ExchangePeer>,
    current: Option<Turn>,
    following: Option<Turn>,
    /// Of the last turn, when there was no other feed: it has read ahead.
    spare: Option<FeedReader>,
    /// What the next turn begins with, so that a peer that keeps up has shown it once and for all.
    pace: Pace,
    blocked_since: Option<Duration>,
}

impl Turns {
    pub(super) fn new(node: &Rc<Node>, peer: &Rc<ExchangePeer>) -> Self {
        Self {
            node: Rc::clone(node),
            peer: Rc::clone(peer),
            current: None,
            following: None,
            spare: None,
            pace: Pace::default(),
            blocked_since: None,
        }
    }

    /// A step towards the next message; pending while the store is being read. A message that comes of it goes to the peer and then to
    /// [`handle_sent`](Self::handle_sent), or else to [`handle_blocked`](Self::handle_blocked).
    ///
    /// # Errors
    /// The store fails.
    pub(super) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Result<Step, CallError>> {
        if self.current.is_none() {
            self.current = self.following.take().or_else(|| self.begin());
        }
        if self.current.as_ref().is_some_and(Turn::is_at_chunk) && self.following.is_none() {
            self.following = self.begin();
        }
        let Some(turn) = &mut self.current else {
            self.spare = None;
            return Poll::Ready(Ok(Step::Idle));
        };
        if turn.message.is_none() && !(turn.sent > 0 && turn.is_at_chunk()) {
            turn.reader.set_eager(self.following.is_none());
            turn.message = ready!(turn.reader.poll_next(cx)).map_err(super::span::store_error)?;
        }
        let feed = turn.reader.feed();
        let message = turn.message.take().filter(|message| self.owes(&feed, message.sequence));
        Poll::Ready(Ok(message.map_or_else(|| self.end(), Step::Send)))
    }

    fn begin(&mut self) -> Option<Turn> {
        let next = self.peer.exchange.borrow_mut().poll_send(&Local::new(&self.node, &self.peer));
        let (feed, from) = next?;
        let spare = self.spare.take().filter(|reader| reader.is_at(&feed, from));
        let mut reader = spare.unwrap_or_else(|| FeedReader::paced(&self.node, feed, from, self.pace));
        reader.prepare();
        Some(Turn { reader, message: None, sent: 0 })
    }

    fn owes(&self, feed: &PublicKey, sequence: u32) -> bool {
        self.peer.exchange.borrow().owes(feed, sequence, &Local::new(&self.node, &self.peer))
    }

    fn end(&mut self) -> Step {
        if let Some(Turn { reader, sent, .. }) = self.current.take() {
            let local = Local::new(&self.node, &self.peer);
            self.peer.exchange.borrow_mut().handle_sent(&reader.feed(), sent, &local);
            drop(local);
            self.pace = reader.pace();
            self.spare = self.following.is_none().then_some(reader);
        }
        Step::Turned
    }

    /// The message is out.
    pub(super) fn handle_sent(&mut self, sequence: u32) {
        if let Some(turn) = &mut self.current {
            turn.sent = sequence;
        }
        let since = self.blocked_since.take();
        if since.is_some_and(|since| self.node.now().saturating_sub(since) >= SLOW_AFTER) {
            self.pace = Pace::default();
            for turn in self.current.iter_mut().chain(&mut self.following) {
                turn.reader.slow_down();
            }
        }
    }

    /// The message must wait for the peer: it comes again with the next step.
    pub(super) fn handle_blocked(&mut self, message: Stored) {
        self.blocked_since.get_or_insert_with(|| self.node.now());
        if let Some(turn) = &mut self.current {
            turn.message = Some(message);
        }
    }
}

impl Turn {
    /// Whether a chunk has been sent, or none been read yet.
    fn is_at_chunk(&self) -> bool {
        self.message.is_none() && !self.reader.is_ready()
    }
}
