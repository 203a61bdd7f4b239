//! An exhaustive search for I5: two real sessions, a pipe of few bytes each way, applications that read; every order in
//! which bodies are sent, bytes written, bytes read and bodies taken. A state with work left and nothing to do is a
//! deadlock. Two rules known to be bad are searched as well, and must be found so.

use crate::pair::Pair;
use push_mux::{
    flow::GrantRule,
    mux::{Config, ControlMode, Credit, Event, Halves, Limits, Outgoing, Received, Sent, StreamKey, Time},
};
use std::{
    collections::{HashSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

/// Cost of a frame with a body of one byte.
const FRAME: u64 = 10;

#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Windows of the two ends, in frames.
    windows: [u64; 2],
    /// Frames each end has to send, on one duplex stream.
    frames: [u8; 2],
    pipe_bytes: usize,
    rule: GrantRule,
    /// The driver does not read while it cannot write.
    gates_reads: bool,
}

const GOOD: Plan =
    Plan { windows: [2, 2], frames: [4, 0], pipe_bytes: 30, rule: GrantRule::Quarter, gates_reads: false };

#[derive(Clone)]
struct State {
    pair: Pair,
    keys: [StreamKey; 2],
    left: [u8; 2],
    taken: [u8; 2],
    /// Waits for an event before it tries to send again, as an application does.
    is_blocked: [bool; 2],
    may_read: [bool; 2],
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// States seen.
    Completes(usize),
    Deadlock(usize),
}

fn config(plan: Plan, side: usize) -> Config {
    let window = plan.windows[side] * FRAME;
    let control = [ControlMode::Offer, ControlMode::Respond][side];
    Config {
        credit: Credit::Fixed(window),
        control,
        grant_rule: plan.rule,
        // Without a clock nothing is probed or refreshed: the rule has to do alone.
        overdraft: Some(window / 2),
        keepalive: None,
        limits: Limits::default(),
    }
}

impl State {
    fn new(plan: Plan) -> Self {
        let mut pair = Pair::new([config(plan, 0), config(plan, 1)], 4096);
        pair.pump();
        let ours = pair.session(0).open(Halves::BOTH, &Outgoing::from("o")).expect("open");
        pair.pump();
        let opened = std::iter::from_fn(|| pair.session(1).poll_event()).find_map(|event| match event {
            Event::Opened(key, _) => Some(key),
            _ => None,
        });
        let theirs = opened.expect("it arrived");
        // The grants of the beginning are still to be written when the search begins.
        pair.session(1).accept(theirs, Halves::BOTH);
        pair.pipe_bytes = plan.pipe_bytes;
        Self {
            pair,
            keys: [ours, theirs],
            left: plan.frames,
            taken: [0, 0],
            is_blocked: [false; 2],
            may_read: [true; 2],
        }
    }

    fn is_done(&self, plan: Plan) -> bool {
        (0..2).all(|side| self.taken[side] == plan.frames[1 - side])
    }

    /// All states one action away.
    fn next(&self, plan: Plan) -> Vec<Self> {
        let mut next = Vec::new();
        for side in 0..2 {
            for act in [Self::send, Self::take, Self::write, Self::read] {
                let mut state = self.clone();
                if act(&mut state, side, plan) {
                    state.hear(side);
                    next.push(state);
                }
            }
        }
        next
    }

    fn send(&mut self, side: usize, _plan: Plan) -> bool {
        if self.left[side] == 0 || self.is_blocked[side] {
            return false;
        }
        match self.pair.session(side).send(self.keys[side], &Outgoing::from("x")).expect("open") {
            Sent::Queued => self.left[side] -= 1,
            Sent::Blocked => self.is_blocked[side] = true,
        }
        true
    }

    fn take(&mut self, side: usize, _plan: Plan) -> bool {
        if !self.may_read[side] {
            return false;
        }
        match self.pair.session(side).recv(self.keys[side]) {
            Received::Body(_) => self.taken[side] += 1,
            _ => self.may_read[side] = false,
        }
        true
    }

    fn write(&mut self, side: usize, _plan: Plan) -> bool {
        self.pair.write(side, usize::MAX) > 0
    }

    fn read(&mut self, side: usize, plan: Plan) -> bool {
        if plan.gates_reads && !self.pair.sides[side].output.is_empty() {
            return false;
        }
        self.pair.read(side, usize::MAX) > 0
    }

    fn hear(&mut self, side: usize) {
        while let Some(event) = self.pair.session(side).poll_event() {
            match event {
                Event::Readable(_) => self.may_read[side] = true,
                Event::Writable(_) => self.is_blocked[side] = false,
                Event::Aborted(..) => panic!("nobody gives up"),
                _ => {}
            }
        }
        assert_eq!(self.pair.sides[side].session.error(), None);
    }

    /// What the state is, without the counters, which only tell how it came about.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for side in &self.pair.sides {
            let text = format!("{:?}", side.session);
            let (head, tail) = text.split_once("counters: Counters {").expect("sessions count");
            head.hash(&mut hasher);
            tail.split_once('}').expect("it closes").1.hash(&mut hasher);
            format!("{:?}{:?}", side.decoder, side.inbox).hash(&mut hasher);
            side.output.clone().take().hash(&mut hasher);
        }
        (self.left, self.taken, self.is_blocked, self.may_read).hash(&mut hasher);
        hasher.finish()
    }
}

/// Breadth first through every state.
fn search(plan: Plan) -> Outcome {
    let first = State::new(plan);
    let mut seen = HashSet::from([first.fingerprint()]);
    let mut queue = VecDeque::from([first]);
    let mut has_completed = false;
    while let Some(state) = queue.pop_front() {
        assert_eq!(state.pair.now, Time::from_micros(1_000_000), "no clock runs");
        let next = state.next(plan);
        has_completed |= state.is_done(plan);
        if next.is_empty() && !state.is_done(plan) {
            return Outcome::Deadlock(seen.len());
        }
        for state in next {
            if seen.insert(state.fingerprint()) {
                queue.push_back(state);
            }
        }
    }
    assert!(has_completed);
    Outcome::Completes(seen.len())
}

fn must_complete(plans: impl IntoIterator<Item = Plan>) {
    let mut states = 0;
    for plan in plans {
        match search(plan) {
            Outcome::Completes(seen) => states += seen,
            Outcome::Deadlock(seen) => panic!("{plan:?} deadlocks, after {seen} states"),
        }
    }
    println!("{states} states");
}

#[test]
fn one_way_completes_for_all_windows_and_pipes() {
    let small = (1..=2).flat_map(|ours| (1..=2).map(move |theirs| [ours, theirs]));
    must_complete(small.flat_map(|windows| [9, 31].map(|pipe_bytes| Plan { windows, pipe_bytes, ..GOOD })));
    let unlike = [[1, 4], [4, 1], [4, 3], [3, 4]];
    must_complete(unlike.map(|windows| Plan { windows, frames: [6, 0], pipe_bytes: 20, ..GOOD }));
}

#[test]
fn both_ways_complete_for_unlike_windows() {
    let windows = [[1, 1], [1, 4], [4, 1], [2, 3]];
    must_complete(windows.map(|windows| Plan { windows, frames: [2, 2], ..GOOD }));
}

#[test]
fn the_grant_rule_of_javascript_deadlocks_when_windows_differ_the_wrong_way() {
    let plan = Plan { windows: [4, 6], frames: [6, 0], rule: GrantRule::AfterExhaustion, ..GOOD };
    assert!(matches!(search(plan), Outcome::Deadlock(_)), "4 against 6 stops after 2 of 3 frames");
    // The right way around it is slow and completes, so it is the rule that is found bad and not the search.
    must_complete([Plan { windows: [6, 4], ..plan }, Plan { windows: [4, 4], ..plan }]);
    must_complete([Plan { rule: GrantRule::Quarter, ..plan }]);
}

#[test]
fn a_driver_that_does_not_read_while_it_cannot_write_deadlocks() {
    let plan = Plan { windows: [4, 4], frames: [3, 3], pipe_bytes: 10, gates_reads: true, ..GOOD };
    assert!(matches!(search(plan), Outcome::Deadlock(_)));
    must_complete([Plan { gates_reads: false, frames: [2, 2], ..plan }]);
}
