use crate::{
    mux::{IdMap, SessionError},
    wire::Body,
};
use std::{
    collections::VecDeque,
    task::{Poll, Waker},
};

/// A reply as its caller gets it: a body, or an error body.
pub(crate) type Reply = Result<Body, Body>;

enum Slot {
    Waiting(Option<Waker>),
    Answered(Reply),
}

/// Callers that wait for replies, by the id of their request, and callers that wait for a place.
#[derive(Default)]
pub(crate) struct Requests {
    slots: IdMap<Slot>,
    queue: VecDeque<Waker>,
    closed: Option<SessionError>,
}

impl Requests {
    pub(crate) fn insert(&mut self, id: i32) {
        self.slots.insert(id, Slot::Waiting(None));
    }

    /// The caller is gone; says whether a reply was still due.
    pub(crate) fn forget(&mut self, id: i32) -> bool {
        matches!(self.slots.remove(&id), Some(Slot::Waiting(_)))
    }

    pub(crate) fn answer(&mut self, id: i32, reply: Reply) -> Option<Waker> {
        // A caller that is gone has no slot, and gets none.
        let slot = self.slots.get_mut(&id)?;
        match std::mem::replace(slot, Slot::Answered(reply)) {
            Slot::Waiting(waker) => waker,
            Slot::Answered(_) => None,
        }
    }

    pub(crate) fn poll(&mut self, id: i32, waker: &Waker) -> Poll<Result<Reply, SessionError>> {
        match self.slots.get_mut(&id) {
            Some(Slot::Waiting(slot)) => match &self.closed {
                Some(error) => Poll::Ready(Err(error.clone())),
                None => {
                    *slot = Some(waker.clone());
                    Poll::Pending
                }
            },
            _ => match self.slots.remove(&id) {
                Some(Slot::Answered(reply)) => Poll::Ready(Ok(reply)),
                _ => Poll::Ready(Err(self.closed.clone().unwrap_or(SessionError::Closed))),
            },
        }
    }

    pub(crate) fn wait_for_place(&mut self, waker: &Waker) {
        if !self.queue.iter().any(|waiting| waiting.will_wake(waker)) {
            self.queue.push_back(waker.clone());
        }
    }

    pub(crate) fn take_queue(&mut self) -> VecDeque<Waker> {
        std::mem::take(&mut self.queue)
    }

    /// No more replies will come; yields everybody who waits.
    pub(crate) fn close(&mut self, error: &SessionError) -> Vec<Waker> {
        self.closed.get_or_insert_with(|| error.clone());
        let waiting = self.slots.values_mut().filter_map(|slot| match slot {
            Slot::Waiting(waker) => waker.take(),
            Slot::Answered(_) => None,
        });
        waiting.chain(self.queue.drain(..)).collect()
    }
}
