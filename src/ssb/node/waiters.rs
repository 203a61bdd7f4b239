use crate::PublicKey;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::poll_fn,
    task::{Poll, Waker},
};

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// A message of this feed was stored.
    Message(PublicKey),
    /// A message of any feed was.
    AnyMessage,
    /// The set of wanted feeds has changed.
    Wanted,
}

type Place = (Event, u64);

/// The tasks of a shard that wait for something to happen. Each has one place, which is gone with it: peers open and end live streams
/// as they like, of feeds that nobody has ever heard of too.
#[derive(Default)]
pub(crate) struct Waiters {
    count: Cell<u64>,
    wakers: RefCell<BTreeMap<Place, Waker>>,
}

struct Seat<'a> {
    waiters: &'a Waiters,
    place: Place,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let waker = self.waiters.wakers.borrow_mut().remove(&self.place);
        // After the borrow: it may be the last that holds a task, and another seat with it.
        drop(waker);
    }
}

impl Waiters {
    /// Waits until something is so, looking now and whenever the event happens.
    pub(crate) async fn until(&self, event: Event, is_so: impl Fn() -> bool) {
        self.count.set(self.count.get() + 1);
        let seat = Seat { waiters: self, place: (event, self.count.get()) };
        poll_fn(|cx| {
            if is_so() {
                return Poll::Ready(());
            }
            let old = self.wakers.borrow_mut().insert(seat.place, cx.waker().clone());
            drop(old);
            Poll::Pending
        })
        .await;
    }

    /// The event has happened.
    pub(crate) fn wake(&self, event: Event) {
        let woken: Vec<Waker> = {
            let mut wakers = self.wakers.borrow_mut();
            let all = (event, 0)..=(event, u64::MAX);
            let places: Vec<Place> = wakers.range(all).map(|(place, _)| *place).collect();
            places.iter().filter_map(|place| wakers.remove(place)).collect()
        };
        woken.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{pin::pin, task::Context};

    #[test]
    fn who_is_gone_waits_no_more() {
        let waiters = Waiters::default();
        let is_so = Cell::new(false);
        let mut cx = Context::from_waker(Waker::noop());
        for number in 0..100 {
            let event = Event::Message(PublicKey([number; 32]));
            assert!(pin!(waiters.until(event, || is_so.get())).poll(&mut cx).is_pending());
        }
        assert!(waiters.wakers.borrow().is_empty());
        let mut stays = pin!(waiters.until(Event::Wanted, || is_so.get()));
        for _ in 0..3 {
            assert!(stays.as_mut().poll(&mut cx).is_pending());
        }
        assert_eq!(waiters.wakers.borrow().len(), 1);
        is_so.set(true);
        waiters.wake(Event::AnyMessage);
        assert_eq!(waiters.wakers.borrow().len(), 1);
        waiters.wake(Event::Wanted);
        assert!(waiters.wakers.borrow().is_empty() && stays.poll(&mut cx).is_ready());
    }
}
