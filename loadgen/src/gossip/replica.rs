//! What one peer has fetched, held against what it should be.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use push_mux::ssb::message::peek;

use super::crew::Desk;
use crate::record::latency::Recorder;

/// Messages that are counted before others are told.
const TELL_EVERY: u64 = 64;

/// The feeds of one peer.
pub(super) struct Replica {
    desk: Rc<Desk>,
    /// Messages of each feed that came, each right.
    have: Vec<Cell<u32>>,
    total: Cell<u64>,
    /// How many mean that this peer is done with a step.
    target: Cell<u64>,
    /// The feed of the last message.
    last: Cell<usize>,
    untold: Cell<(u64, u64)>,
    times: RefCell<[Recorder; 2]>,
}

impl Replica {
    /// One that has nothing.
    pub(super) fn new(desk: &Rc<Desk>) -> Self {
        let feeds = desk.corpus.feeds.len();
        Self {
            desk: Rc::clone(desk),
            have: vec![Cell::new(0); feeds],
            total: Cell::new(0),
            target: Cell::new(u64::MAX),
            last: Cell::new(0),
            untold: Cell::default(),
            times: RefCell::new([Recorder::new(), Recorder::new()]),
        }
    }

    /// Done is whoever has so many messages of each feed.
    pub(super) fn aim(&self, each: u32) {
        self.target.set(u64::from(each) * self.have.len() as u64);
        self.look();
    }

    /// Messages of a feed that came.
    pub(super) fn have(&self, feed: usize) -> u32 {
        self.have[feed].get()
    }

    /// A message of this feed came.
    pub(super) fn take(&self, feed: usize, bytes: &Bytes) {
        let place = self.have[feed].get();
        match self.desk.corpus.feeds[feed].values.get(place as usize) {
            Some(value) if value == bytes => self.accept(feed, place, bytes.len()),
            Some(_) => self.complain(feed, place, "has other bytes"),
            None => self.complain(feed, place, "was never published"),
        }
    }

    /// A message of any feed came, or something else.
    pub(super) fn take_any(&self, bytes: &Bytes) {
        // Most come behind one of the same feed.
        let feed = self.last.get();
        let place = self.have[feed].get();
        if self.desk.corpus.feeds[feed].values.get(place as usize).is_some_and(|value| value == bytes) {
            self.accept(feed, place, bytes.len());
            return;
        }
        // What is no message is notes.
        let Some(peeked) = peek(bytes) else { return };
        match self.desk.corpus.number(&peeked.author) {
            Some(feed) => {
                self.last.set(feed);
                self.take(feed, bytes);
            }
            None => self.desk.board.complain(1, format_args!("{}: nobody asked for it", peeked.author)),
        }
    }

    fn accept(&self, feed: usize, place: u32, bytes: usize) {
        self.have[feed].set(place + 1);
        self.total.set(self.total.get() + 1);
        let (messages, more) = self.untold.get();
        self.untold.set((messages + 1, more + bytes as u64));
        if messages + 1 >= TELL_EVERY {
            self.tell();
        }
        if let Some(ages) = self.desk.board.age(feed, place) {
            let mut times = self.times.borrow_mut();
            times.iter_mut().zip(ages).for_each(|(times, age)| times.record_ns(age));
        }
        self.look();
    }

    fn look(&self) {
        if self.total.get() == self.target.get() {
            self.target.set(u64::MAX);
            self.tell();
            self.desk.board.reached.note(self.desk.board.now());
        }
    }

    /// All is said: tells what is not told yet.
    pub(super) fn finish(&self) {
        self.tell();
        self.desk.board.add_times(&self.times.borrow());
    }

    fn tell(&self) {
        let (messages, bytes) = self.untold.take();
        self.desk.board.arrived.fetch_add(messages, Ordering::Relaxed);
        self.desk.board.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn complain(&self, feed: usize, place: u32, what: &str) {
        let author = self.desk.corpus.feeds[feed].author;
        self.desk.board.complain(1, format_args!("{author}: message {} {what}", place + 1));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::board::{Board, Marks};
    use super::super::shelf::Shelf;
    use super::*;
    use crate::feed::Corpus;

    fn desk() -> Rc<Desk> {
        let corpus = Arc::new(Corpus::sign(2, 3, 1).expect("it can be signed"));
        let board = Arc::new(Board::new(2, Marks { pushed: 2, through: 2, all: 3 }));
        Rc::new(Desk { shelf: Shelf::new(2), corpus, board })
    }

    #[test]
    fn done_is_who_has_all_in_order() {
        let desk = desk();
        let replica = Replica::new(&desk);
        replica.aim(2);
        let value = |feed: usize, place: usize| &desk.corpus.feeds[feed].values[place];
        for (feed, place) in [(1, 0), (0, 0), (0, 1)] {
            replica.take_any(value(feed, place));
        }
        assert_eq!((desk.board.reached.count(), desk.board.wrong().0), (0, 0));
        replica.take_any(&Bytes::from_static(b"{}"));
        replica.take(1, value(1, 1));
        assert_eq!((desk.board.reached.count(), desk.board.arrived.load(Ordering::Relaxed)), (1, 4));
        assert!(desk.board.times()[0].is_empty());
        desk.board.publish(1, 2, std::time::Duration::ZERO);
        replica.take(1, value(1, 2));
        replica.finish();
        assert_eq!((desk.board.times()[0].count(), desk.board.wrong().0), (1, 0));
    }

    #[test]
    fn a_byte_a_gap_and_a_message_too_many_are_wrong() {
        let desk = desk();
        let replica = Replica::new(&desk);
        let value = |place: usize| desk.corpus.feeds[0].values[place].clone();
        let mut spoilt = value(0).to_vec();
        spoilt[300] ^= 1;
        replica.take(0, &spoilt.into());
        assert_eq!((desk.board.wrong().0, replica.have(0)), (1, 0));
        replica.take_any(&value(1));
        assert_eq!((desk.board.wrong().0, replica.have(0)), (2, 0));
        for place in 0..3 {
            replica.take_any(&value(place));
        }
        assert_eq!((desk.board.wrong().0, replica.have(0)), (2, 3));
        replica.take_any(&value(2));
        assert_eq!(desk.board.wrong().0, 3);
        let author = desk.corpus.feeds[0].author.to_string();
        assert!(
            desk.board.wrong().1.is_some_and(|why| why.starts_with(&author) && why.contains("message 1"))
        );
    }
}
