use crate::mux::{Halves, StreamKey};
use std::task::Waker;

/// Wakers are kept in pages of so many: a stream that nobody waits on costs none, unless a neighbour's waker stands there.
const PAGE_WAKERS: usize = 64;

/// One half of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    /// Ours.
    Send,
    /// The peer's.
    Recv,
}

/// Who waits on half a stream.
#[derive(Debug)]
pub(crate) enum Waiter {
    /// The handler that serves the stream: its connection knows how to go on with it.
    Handler,
    /// Somebody else.
    Other(Waker),
}

/// What is known of a stream besides its session's entry, in a byte: idle streams are many.
#[derive(Clone, Copy, Debug, Default)]
struct Seat(u8);

impl Seat {
    /// The stream carries data of ours.
    const CARRIES_OURS: u8 = 1 << 0;

    const fn held(half: Half) -> u8 {
        2 << half as u8
    }

    const fn over(half: Half) -> u8 {
        8 << half as u8
    }

    const fn waits(half: Half) -> u8 {
        32 << half as u8
    }

    const fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    const fn set(&mut self, bit: u8) {
        self.0 |= bit;
    }

    /// Takes the bit away; says whether it was set.
    const fn take(&mut self, bit: u8) -> bool {
        let was = self.has(bit);
        self.0 &= !bit;
        was
    }
}

/// The streams of a connection whose halves somebody holds, and who waits on which: one task for each half. Kept beside the
/// session's slab, by the same index.
#[derive(Debug, Default)]
pub(crate) struct Wakers {
    seats: Vec<Seat>,
    send: Pages,
    recv: Pages,
}

impl Wakers {
    fn seat(&self, key: StreamKey) -> Seat {
        self.seats.get(key.index()).copied().unwrap_or_default()
    }

    fn seat_mut(&mut self, key: StreamKey) -> &mut Seat {
        if self.seats.len() <= key.index() {
            self.seats.resize_with(key.index() + 1, Seat::default);
        }
        &mut self.seats[key.index()]
    }

    const fn pages(&mut self, half: Half) -> &mut Pages {
        match half {
            Half::Send => &mut self.send,
            Half::Recv => &mut self.recv,
        }
    }

    /// Both halves of a stream have a holder from here on.
    pub(crate) fn hold(&mut self, key: StreamKey, halves: Halves) {
        let carries = if halves.send { Seat::CARRIES_OURS } else { 0 };
        *self.seat_mut(key) = Seat(carries | Seat::held(Half::Send) | Seat::held(Half::Recv));
    }

    /// Whether the stream carries data of ours.
    pub(crate) fn carries_ours(&self, key: StreamKey) -> bool {
        self.seat(key).has(Seat::CARRIES_OURS)
    }

    /// The holder of a half knows that it is over.
    pub(crate) fn set_over(&mut self, key: StreamKey, half: Half) {
        self.seat_mut(key).set(Seat::over(half));
    }

    pub(crate) fn is_over(&self, key: StreamKey, half: Half) -> bool {
        self.seat(key).has(Seat::over(half))
    }

    /// The holder of a half is gone; says whether the other's is too. Then the stream is forgotten, so that its successor in the
    /// slot wakes nobody else's task.
    pub(crate) fn let_go(&mut self, key: StreamKey, half: Half) -> bool {
        let seat = self.seat_mut(key);
        seat.take(Seat::held(half));
        if seat.has(Seat::held(Half::Send) | Seat::held(Half::Recv)) {
            return false;
        }
        *seat = Seat::default();
        self.send.take(key.index());
        self.recv.take(key.index());
        true
    }

    /// The stream's handler waits on a half, and whoever did before no longer.
    #[inline]
    pub(crate) fn wait_handler(&mut self, key: StreamKey, half: Half) {
        self.seat_mut(key).set(Seat::waits(half));
        self.pages(half).take(key.index());
    }

    /// Somebody else waits on a half, and whoever did before no longer.
    pub(crate) fn wait(&mut self, key: StreamKey, half: Half, waker: &Waker) {
        self.seat_mut(key).take(Seat::waits(half));
        self.pages(half).set(key.index(), waker);
    }

    /// Who waits on a half, and does so no longer.
    #[inline]
    pub(crate) fn take(&mut self, key: StreamKey, half: Half) -> Option<Waiter> {
        if self.seats.get_mut(key.index()).is_some_and(|seat| seat.take(Seat::waits(half))) {
            return Some(Waiter::Handler);
        }
        self.pages(half).take(key.index()).map(Waiter::Other)
    }

    /// Everybody who waits, for whatever reason, but handlers of streams.
    pub(crate) fn take_all(&mut self) -> Vec<Waker> {
        let pages = self.send.0.drain(..).chain(self.recv.0.drain(..));
        pages.flatten().flat_map(|page| page.into_iter().flatten()).collect()
    }
}

type Page = Box<[Option<Waker>; PAGE_WAKERS]>;

/// Wakers by the index of their stream.
#[derive(Debug, Default)]
struct Pages(Vec<Option<Page>>);

impl Pages {
    fn set(&mut self, index: usize, waker: &Waker) {
        let (page, place) = (index / PAGE_WAKERS, index % PAGE_WAKERS);
        if self.0.len() <= page {
            self.0.resize_with(page + 1, || None);
        }
        let page = self.0[page].get_or_insert_with(|| Box::new([const { None }; PAGE_WAKERS]));
        let slot = &mut page[place];
        if !slot.as_ref().is_some_and(|old| old.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
    }

    fn take(&mut self, index: usize) -> Option<Waker> {
        self.0.get_mut(index / PAGE_WAKERS)?.as_mut()?[index % PAGE_WAKERS].take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mux::{Config, Outgoing, Session, Time};

    fn keys(count: usize) -> Vec<StreamKey> {
        let mut session = Session::new(Config::default(), Time::default());
        let open = |_| session.open(Halves::BOTH, &Outgoing::from("x")).expect("nothing forbids it");
        (0..count).map(open).collect()
    }

    #[test]
    fn a_stream_is_forgotten_with_its_second_half() {
        let (mut wakers, key) = (Wakers::default(), keys(1)[0]);
        wakers.hold(key, Halves::SEND);
        wakers.set_over(key, Half::Send);
        wakers.wait(key, Half::Recv, Waker::noop());
        assert!(!wakers.let_go(key, Half::Send));
        assert!(
            wakers.carries_ours(key) && wakers.is_over(key, Half::Send) && !wakers.is_over(key, Half::Recv)
        );
        assert!(wakers.let_go(key, Half::Recv));
        assert!(!wakers.carries_ours(key) && wakers.take(key, Half::Recv).is_none());
    }

    #[test]
    fn who_waits_is_told_once_and_on_the_half_it_waits_on() {
        let (mut wakers, keys) = (Wakers::default(), keys(200));
        for key in &keys {
            wakers.hold(*key, Halves::BOTH);
        }
        wakers.wait_handler(keys[3], Half::Recv);
        wakers.wait(keys[150], Half::Send, Waker::noop());
        assert!(wakers.take(keys[3], Half::Send).is_none() && wakers.take(keys[150], Half::Recv).is_none());
        assert!(matches!(wakers.take(keys[3], Half::Recv), Some(Waiter::Handler)));
        assert!(matches!(wakers.take(keys[150], Half::Send), Some(Waiter::Other(_))));
        assert!(wakers.take(keys[3], Half::Recv).is_none() && wakers.take(keys[150], Half::Send).is_none());
        wakers.wait_handler(keys[7], Half::Recv);
        wakers.wait(keys[7], Half::Recv, Waker::noop());
        assert!(
            matches!(wakers.take(keys[7], Half::Recv), Some(Waiter::Other(_))),
            "the last to wait is told"
        );
        wakers.wait(keys[8], Half::Recv, Waker::noop());
        wakers.wait_handler(keys[8], Half::Recv);
        assert!(matches!(wakers.take(keys[8], Half::Recv), Some(Waiter::Handler)));
        assert!(wakers.take(keys[7], Half::Recv).is_none() && wakers.take(keys[8], Half::Recv).is_none());
        wakers.wait(keys[199], Half::Recv, Waker::noop());
        wakers.wait(keys[0], Half::Send, Waker::noop());
        assert_eq!(wakers.take_all().len(), 2);
    }
}
