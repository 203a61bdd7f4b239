//! An answer on its way from another thread.

use super::Mesh;
use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

struct Slot<R> {
    state: State<R>,
    waker: Option<Waker>,
}

enum State<R> {
    Open,
    Given(R),
    /// Whoever was to answer is gone.
    Lost,
}

/// The side that answers. Dropped without an answer, it says that there will be none.
pub(super) struct Giver<R>(Arc<Mutex<Slot<R>>>);

/// The side that waits. Panics if the other one is gone: what it was to do has panicked, or its shard has ended.
pub(super) struct Answer<R>(Arc<Mutex<Slot<R>>>);

pub(super) fn answer<R>() -> (Giver<R>, Answer<R>) {
    let slot = Arc::new(Mutex::new(Slot { state: State::Open, waker: None }));
    (Giver(Arc::clone(&slot)), Answer(slot))
}

impl<R: Send + 'static> Giver<R> {
    /// Answers; the waker is woken on shard `to`, where it was made.
    pub(super) fn give<S: 'static>(self, answer: R, mesh: &Mesh<S>, to: usize) {
        let slot = Arc::clone(&self.0);
        slot.lock().unwrap_or_else(PoisonError::into_inner).state = State::Given(answer);
        mesh.tell(to, move |_| {
            let waker = slot.lock().unwrap_or_else(PoisonError::into_inner).waker.take();
            if let Some(waker) = waker {
                waker.wake();
            }
        });
    }
}

impl<R> Drop for Giver<R> {
    fn drop(&mut self) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(slot.state, State::Open) {
            slot.state = State::Lost;
            if let Some(waker) = slot.waker.take() {
                drop(slot);
                waker.wake();
            }
        }
    }
}

impl<R> Future for Answer<R> {
    type Output = R;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut slot.state, State::Open) {
            State::Given(answer) => Poll::Ready(answer),
            State::Lost => panic!("the work that was waited for is lost"),
            State::Open => {
                slot.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
