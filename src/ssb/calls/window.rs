//! How fast a peer is asked for feeds in the old way, and when it is no longer asked.

use std::{
    cell::{Cell, RefCell},
    task::{Context, Poll, Waker},
};

/// Calls without an answer at a time (64). Stops a peer that answers none, or refuses all, from having a thousand streams opened for
/// it at once.
const UNANSWERED_MAX: u32 = 64;

/// Calls that the peer refused one after the other before it is asked for nothing more (8). A peer that has no `createHistoryStream` refuses all.
const REFUSALS_MAX: u32 = 8;

/// What the calls of a connection have come to.
#[derive(Debug, Default)]
pub(super) struct Window {
    unanswered: Cell<u32>,
    /// How often calls were given up waiting for.
    round: Cell<u32>,
    /// In a row.
    refusals: Cell<u32>,
    waker: RefCell<Option<Waker>>,
}

/// A call that waits for its first answer.
#[derive(Debug)]
pub(super) struct Unanswered(u32);

/// How a call was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Something came, or the stream ended as it should.
    Given,
    /// An error came first.
    Refused,
}

impl Window {
    /// Whether the peer has refused so often that it is not worth asking.
    pub(super) fn is_shut(&self) -> bool {
        self.refusals.get() >= REFUSALS_MAX
    }

    /// Waits until another call may be made, or none any more.
    pub(super) fn poll_open(&self, cx: &Context<'_>) -> Poll<()> {
        if self.is_shut() || self.unanswered.get() < UNANSWERED_MAX {
            return Poll::Ready(());
        }
        self.wait(cx)
    }

    /// Waits until no call may be made any more.
    pub(super) fn poll_shut(&self, cx: &Context<'_>) -> Poll<()> {
        if self.is_shut() { Poll::Ready(()) } else { self.wait(cx) }
    }

    fn wait(&self, cx: &Context<'_>) -> Poll<()> {
        *self.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }

    /// A call is made.
    pub(super) fn ask(&self) -> Unanswered {
        self.unanswered.set(self.unanswered.get() + 1);
        Unanswered(self.round.get())
    }

    /// The first answer to a call came.
    pub(super) fn handle_answer(&self, Unanswered(round): Unanswered, answer: Answer) {
        if round == self.round.get() {
            self.unanswered.set(self.unanswered.get().saturating_sub(1));
        }
        self.refusals.set(match answer {
            Answer::Given => 0,
            Answer::Refused => self.refusals.get().saturating_add(1),
        });
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Calls made so far no longer keep others back: a peer says nothing of a feed in which nothing is new.
    pub(super) fn pass_over(&self) {
        self.round.set(self.round.get().wrapping_add(1));
        self.unanswered.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_open(window: &Window) -> bool {
        window.poll_open(&Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn answers_make_room_and_so_does_silence() {
        let window = Window::default();
        let mut calls: Vec<_> = (0..UNANSWERED_MAX).map(|_| window.ask()).collect();
        assert!(!is_open(&window));
        window.handle_answer(calls.pop().unwrap(), Answer::Given);
        assert!(is_open(&window));
        calls.push(window.ask());
        assert!(!is_open(&window));
        window.pass_over();
        for _ in 1..UNANSWERED_MAX {
            let _ = window.ask();
        }
        assert!(is_open(&window));
        let _ = window.ask();
        // An answer to a call that was passed over makes no room for one that was not.
        window.handle_answer(calls.pop().unwrap(), Answer::Given);
        assert!(!is_open(&window));
    }

    #[test]
    fn a_peer_that_refuses_all_is_let_be() {
        let window = Window::default();
        let refuse = || window.handle_answer(window.ask(), Answer::Refused);
        (1..REFUSALS_MAX).for_each(|_| refuse());
        window.handle_answer(window.ask(), Answer::Given);
        (1..REFUSALS_MAX).for_each(|_| refuse());
        assert!(!window.is_shut());
        refuse();
        assert!(window.is_shut());
        for _ in 0..=UNANSWERED_MAX {
            let _ = window.ask();
        }
        assert!(is_open(&window), "who waits for room hears that there is nothing to wait for");
    }
}
