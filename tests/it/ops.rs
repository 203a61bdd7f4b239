//! Sequences of operations on two linked sessions, checked against what was promised: bodies arrive whole, in order and
//! once; a clean end means that all of it came; and whatever was done, every budget returns to zero.

use super::{
    fuzz_bodies::{numbered, ops_pair},
    pair::Pair,
};
use push_mux::{
    mux::{Event, Halves, InboundRequest, Outgoing, Received, RefusedSend, Sent, StreamKey, error_body},
    wire::Body,
};
use std::{collections::BTreeMap, time::Duration};

/// One direction of one stream.
#[derive(Clone, Debug, Default)]
struct Way {
    sent: u32,
    received: u32,
    is_finished: bool,
    is_end_seen: bool,
}

#[derive(Clone, Debug, Default)]
struct Tracked {
    keys: [Option<StreamKey>; 2],
    halves: [Option<Halves>; 2],
    is_released: [bool; 2],
    /// Somebody gave the stream up: what arrives is still in order, but need not be all.
    is_torn: bool,
    /// From side 0 to side 1, and back.
    ways: [Way; 2],
}

struct World {
    pair: Pair,
    /// By the opener's side and its id.
    streams: BTreeMap<(usize, i32), Tracked>,
    requests: [Vec<InboundRequest>; 2],
    replies_due: [usize; 2],
}

const HALVES: [Halves; 3] = [Halves::SEND, Halves::RECV, Halves::BOTH];

const fn opposite(halves: Halves) -> Halves {
    Halves { send: halves.recv, recv: halves.send }
}

pub(crate) fn run(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else { return };
    let pair = ops_pair(*first);
    let mut world =
        World { pair, streams: BTreeMap::new(), requests: Default::default(), replies_due: [0, 0] };
    for op in rest.chunks_exact(3) {
        world.step(op[0], op[1], usize::from(op[2]));
    }
    world.complete();
    world.release_all();
}

impl World {
    fn step(&mut self, op: u8, which: u8, amount: usize) {
        let side = usize::from(op & 1);
        match (op >> 1) % 16 {
            0 => self.open(side, HALVES[usize::from(which) % 3]),
            1 => self.accept(side, which),
            2..=4 => self.send(side, which, amount),
            5 | 6 => self.recv(side, which, amount / 8 + 1),
            7 => self.end(side, which, amount),
            8 => self.give_up(side, which, amount),
            9 => self.release(side, which),
            10 | 11 => drop(self.pair.write(side, amount * 8)),
            12 => drop(self.pair.read(side, amount * 8)),
            13 => drop(self.pair.pump()),
            14 if which < 128 => self.pair.session(side).settle(),
            14 => self.pair.tick(Duration::from_millis(amount as u64)),
            _ => self.request(side, which),
        }
        self.events();
        for side in &self.pair.sides {
            assert_eq!(side.session.error(), None, "honest sessions live");
        }
    }

    fn events(&mut self) {
        for side in 0..2 {
            while let Some(event) = self.pair.session(side).poll_event() {
                match event {
                    Event::Opened(key, _) => {
                        let tracked = self.streams.get_mut(&(1 - side, -key.id()));
                        tracked.expect("somebody opened it").keys[side] = Some(key);
                    }
                    Event::Aborted(key, _) => self.tracked(side, key).is_torn = true,
                    Event::Request(request, _) => self.requests[side].push(request),
                    Event::Reply(_, reply) => {
                        self.replies_due[side] -= 1;
                        assert!(
                            reply.is_ok_and(|body| body == Body::text("yes")) || self.replies_due[side] > 0
                        );
                    }
                    _ => {}
                }
            }
        }
    }

    fn tracked(&mut self, side: usize, key: StreamKey) -> &mut Tracked {
        let opener = if key.id() > 0 { side } else { 1 - side };
        self.streams.get_mut(&(opener, key.id().abs())).expect("it was opened")
    }

    /// One of the streams that the side knows; released ones are among them, since keys outlive their streams.
    fn pick(&mut self, side: usize, which: u8) -> Option<StreamKey> {
        let keys: Vec<_> = self.streams.values().filter_map(|tracked| tracked.keys[side]).collect();
        keys.get(usize::from(which) % keys.len().max(1)).copied()
    }

    fn open(&mut self, side: usize, halves: Halves) {
        if self.streams.len() >= 12 {
            return;
        }
        let key = self.pair.session(side).open(halves, &Outgoing::from("open")).expect("it is open");
        let mut tracked = Tracked::default();
        tracked.keys[side] = Some(key);
        tracked.halves[side] = Some(halves);
        self.streams.insert((side, key.id()), tracked);
    }

    fn accept(&mut self, side: usize, which: u8) {
        let Some(key) = self.pick(side, which) else { return };
        let tracked = self.tracked(side, key);
        if key.id() > 0 || tracked.halves[side].is_some() {
            return;
        }
        let expected = opposite(tracked.halves[1 - side].expect("openers know"));
        let halves = if which >= 200 { HALVES[usize::from(which) % 3] } else { expected };
        tracked.is_torn |= halves != expected;
        tracked.halves[side] = Some(halves);
        self.pair.session(side).accept(key, halves);
    }

    fn send(&mut self, side: usize, which: u8, amount: usize) {
        let Some(key) = self.pick(side, which) else { return };
        let tracked = self.tracked(side, key);
        let Some(halves) = tracked.halves[side] else { return };
        let way = tracked.ways[side].clone();
        let body = numbered(key.id().abs(), way.sent, amount * 4);
        let sent = self.pair.session(side).send(key, &Outgoing::from(body));
        if sent == Ok(Sent::Queued) {
            assert!(halves.send && !way.is_finished, "a half that is over takes no data");
            self.tracked(side, key).ways[side].sent += 1;
        }
    }

    fn recv(&mut self, side: usize, which: u8, count: usize) {
        let Some(key) = self.pick(side, which) else { return };
        for _ in 0..count {
            let received = self.pair.session(side).recv(key);
            let tracked = self.tracked(side, key);
            // A half that carries no data ends when the other side has no more use for it.
            let is_whole = !tracked.is_torn && tracked.halves[side].is_some_and(|halves| halves.recv);
            let way = &mut tracked.ways[1 - side];
            match received {
                Received::Body(body) => {
                    let expected = numbered(key.id().abs(), way.received, body.bytes.len());
                    assert_eq!(body.bytes, expected.bytes, "in order, once");
                    assert!(!way.is_end_seen, "nothing follows an end");
                    way.received += 1;
                    assert!(way.received <= way.sent);
                }
                Received::End => {
                    way.is_end_seen = true;
                    if is_whole {
                        assert!(way.is_finished, "an end is somebody's");
                        assert_eq!(way.received, way.sent, "a clean end means that all came");
                    }
                    return;
                }
                Received::Pending => return,
                Received::Error(_) => {
                    assert!(!is_whole, "an error is somebody's");
                    return;
                }
                Received::Closed(error) => panic!("the session ended: {error}"),
            }
        }
    }

    fn end(&mut self, side: usize, which: u8, amount: usize) {
        let Some(key) = self.pick(side, which) else { return };
        let tracked = self.tracked(side, key);
        let is_sender = tracked.halves[side].is_some_and(|halves| halves.send);
        let is_error = amount.is_multiple_of(4);
        // The end of a half that carries no data says that its owner listens no longer.
        tracked.is_torn |= is_error || !is_sender;
        tracked.ways[side].is_finished = true;
        if is_error {
            self.pair.session(side).fail(key, &error_body("failed"));
        } else {
            self.pair.session(side).finish(key);
        }
    }

    fn give_up(&mut self, side: usize, which: u8, amount: usize) {
        let Some(key) = self.pick(side, which) else { return };
        let tracked = self.tracked(side, key);
        tracked.is_torn = true;
        if amount.is_multiple_of(2) {
            self.pair.session(side).discard(key);
        } else {
            tracked.ways[side].is_finished = true;
            let error = (amount % 4 == 1).then(|| error_body("cancelled"));
            self.pair.session(side).cancel(key, error);
        }
    }

    fn release(&mut self, side: usize, which: u8) {
        let Some(key) = self.pick(side, which) else { return };
        let tracked = self.tracked(side, key);
        tracked.is_torn = true;
        tracked.ways[side].is_finished = true;
        tracked.is_released[side] = true;
        self.pair.session(side).release(key);
    }

    fn request(&mut self, side: usize, which: u8) {
        if which < 100 {
            if let Some(request) = self.requests[side].pop() {
                self.pair.session(side).reply(request, &Outgoing::from("yes")).expect("it is short");
            }
        } else if let Ok(Some(_)) = self.pair.session(side).request(&Outgoing::from("ask")) {
            self.replies_due[side] += 1;
        }
    }

    /// Whoever reads, reads; whoever serves, answers: everything that can still happen does.
    fn complete(&mut self) {
        for _ in 0..400 {
            let mut moved = self.pair.pump();
            self.events();
            for side in 0..2 {
                while !self.requests[side].is_empty() {
                    self.request(side, 0);
                    moved += 1;
                }
                for which in 0..self.streams.len() {
                    let which = u8::try_from(which).expect("few");
                    self.accept(side, which);
                    self.recv(side, which, 1000);
                }
            }
            moved += self.pair.pump();
            if moved == 0 {
                break;
            }
            self.pair.tick(Duration::from_millis(150));
        }
        self.events();
        for (name, tracked) in &self.streams {
            for (side, way) in tracked.ways.iter().enumerate() {
                let is_heard = tracked.halves[1 - side].is_some_and(|halves| halves.recv);
                if !tracked.is_torn && is_heard {
                    assert_eq!(way.received, way.sent, "{name:?} from {side}: all that was queued arrives");
                    assert!(!way.is_finished || way.is_end_seen, "{name:?} from {side}: and its end");
                }
            }
        }
        assert_eq!(self.replies_due, [0, 0], "every request is answered");
    }

    fn release_all(&mut self) {
        for side in 0..2 {
            for which in 0..self.streams.len() {
                self.release(side, u8::try_from(which).expect("few"));
            }
        }
        self.pair.pump();
        self.events();
        for (name, side) in self.pair.sides.iter_mut().enumerate() {
            let session = &mut side.session;
            assert_eq!(session.streams_open(), 0, "side {name}: streams");
            assert_eq!(session.received_bytes(), 0, "side {name}: received");
            assert_eq!(session.committed_bytes(), 0, "side {name}: committed");
            assert_eq!(session.queued_bytes(), 0, "side {name}: queued");
            assert_eq!(session.requests_open(), 0, "side {name}: requests");
            assert!(!session.is_paused() && !session.wants_transmit(), "side {name}: idle");
        }
        for tracked in self.streams.values() {
            for side in 0..2 {
                let Some(key) = tracked.keys[side] else { continue };
                let refused = self.pair.session(side).send(key, &Outgoing::from("late"));
                assert_eq!(refused, Err(RefusedSend::Ended), "a stale key finds nothing");
            }
        }
    }
}
