//! What the authors of one crew have published so far, and who waits for more.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Rung when something is published.
#[derive(Debug, Default)]
pub(super) struct Bell(RefCell<Option<Waker>>);

impl Bell {
    /// Wakes this task from now on.
    pub(super) fn listen(&self, cx: &Context<'_>) {
        let mut waker = self.0.borrow_mut();
        if !waker.as_ref().is_some_and(|old| old.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    fn ring(&self) {
        if let Some(waker) = &*self.0.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// How far each feed is published.
#[derive(Debug)]
pub(super) struct Shelf {
    published: Vec<Cell<u32>>,
    waiting: RefCell<Vec<Vec<Waker>>>,
    bells: RefCell<Vec<Rc<Bell>>>,
}

impl Shelf {
    /// Nothing is published of so many feeds.
    pub(super) fn new(feeds: usize) -> Self {
        Self {
            published: vec![Cell::new(0); feeds],
            waiting: RefCell::new(vec![Vec::new(); feeds]),
            bells: RefCell::default(),
        }
    }

    /// How many messages of a feed are published.
    pub(super) fn published(&self, feed: usize) -> u32 {
        self.published[feed].get()
    }

    /// Publishes up to so many messages of a feed.
    pub(super) fn publish(&self, feed: usize, messages: u32) {
        self.published[feed].set(messages);
        self.waiting.borrow_mut()[feed].drain(..).for_each(Waker::wake);
        self.bells.borrow().iter().for_each(|bell| bell.ring());
    }

    /// Rung whatever is published.
    pub(super) fn bell(&self) -> Rc<Bell> {
        let bell = Rc::<Bell>::default();
        self.bells.borrow_mut().push(Rc::clone(&bell));
        bell
    }

    /// Waits until more than so many messages of a feed are published.
    pub(super) fn poll_beyond(&self, feed: usize, messages: u32, cx: &Context<'_>) -> Poll<()> {
        if self.published(feed) > messages {
            return Poll::Ready(());
        }
        self.waiting.borrow_mut()[feed].push(cx.waker().clone());
        Poll::Pending
    }
}
