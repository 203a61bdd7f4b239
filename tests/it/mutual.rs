//! Two ends that want much of each other at once, over a line that holds little.

use crate::pair::Pair;
use push_mux::mux::{Config, ControlMode, Event, Halves, Outgoing, Received, Sent, StreamKey};
use std::{collections::BTreeMap, time::Duration};

fn pair(pipe_bytes: usize) -> Pair {
    let offer = Config { control: ControlMode::Offer, ..Config::default() };
    Pair::new([offer, Config::default()], pipe_bytes)
}

/// Each side asks the other `count` times for `bytes`; every request is answered.
fn ask_each_other(count: usize, ask_bytes: usize, reply_bytes: usize, pipe_bytes: usize) {
    let mut pair = pair(pipe_bytes);
    for side in 0..2 {
        for _ in 0..count {
            let asked = pair.session(side).request(&Outgoing::from(vec![b'q'; ask_bytes]));
            asked.expect("open").expect("room");
        }
    }
    let mut answered = [0, 0];
    for _ in 0..1_000_000 {
        let mut moved = 0;
        for (side, answered) in answered.iter_mut().enumerate() {
            moved += pair.write(side, usize::MAX) + pair.read(side, usize::MAX);
            while let Some(event) = pair.session(side).poll_event() {
                match event {
                    Event::Request(request, _) => {
                        let reply = Outgoing::from(vec![b'r'; reply_bytes]);
                        pair.session(side).reply(request, &reply).expect("short");
                    }
                    Event::Reply(_, reply) => {
                        assert_eq!(reply.map(|body| body.bytes.len()), Ok(reply_bytes));
                        *answered += 1;
                    }
                    _ => {}
                }
            }
        }
        if moved == 0 {
            break;
        }
    }
    let paused = [0, 1].map(|side| pair.sides[side].session.is_paused());
    assert_eq!(answered, [count, count], "paused: {paused:?}");
}

#[test]
fn two_sides_that_ask_little_get_their_answers() {
    ask_each_other(200, 100, 500, 1024);
}

#[test]
fn two_sides_that_ask_at_length_get_their_answers() {
    ask_each_other(250, 2000, 10, 1024);
}

#[test]
fn two_sides_that_answer_at_length_get_their_answers() {
    ask_each_other(100, 10, 10_000, 1024);
}

/// Both sides send on every stream and read what comes, as events tell them.
fn echo_each_other(streams: usize, frames: usize, pipe_bytes: usize) {
    let mut pair = pair(pipe_bytes);
    // By side and stream: frames still to send, frames taken.
    let mut work: [BTreeMap<StreamKey, (usize, usize)>; 2] = Default::default();
    for _ in 0..streams {
        let key = pair.session(0).open(Halves::BOTH, &Outgoing::from("echo")).expect("open");
        work[0].insert(key, (frames, 0));
    }
    let push = |pair: &mut Pair, side: usize, key: StreamKey, left: &mut usize| {
        while *left > 0 && pair.session(side).send(key, &Outgoing::from(vec![b'e'; 1000])) == Ok(Sent::Queued)
        {
            *left -= 1;
        }
    };
    for (key, (left, _)) in &mut work[0] {
        push(&mut pair, 0, *key, left);
    }
    for _ in 0..1_000_000 {
        let mut moved = 0;
        for (side, work) in work.iter_mut().enumerate() {
            moved += pair.write(side, usize::MAX) + pair.read(side, usize::MAX);
            while let Some(event) = pair.session(side).poll_event() {
                let key = match event {
                    Event::Opened(key, _) => {
                        pair.session(side).accept(key, Halves::BOTH);
                        work.insert(key, (frames, 0));
                        key
                    }
                    Event::Readable(key) | Event::Writable(key) => key,
                    _ => continue,
                };
                let (left, taken) = work.get_mut(&key).expect("known");
                push(&mut pair, side, key, left);
                while let Received::Body(_) = pair.session(side).recv(key) {
                    *taken += 1;
                }
            }
        }
        if moved == 0 && !advance(&mut pair) {
            break;
        }
    }
    for side in &work {
        assert_eq!(side.len(), streams);
        assert!(side.values().all(|(left, taken)| (*left, *taken) == (0, frames)), "{side:?}");
    }
}

/// Lets the next timer fire; says whether there was one within a minute of the start.
fn advance(pair: &mut Pair) -> bool {
    let next = pair.sides.iter().filter_map(|side| side.session.next_timeout()).min();
    let Some(at) = next.filter(|at| at.as_micros() < 60_000_000) else { return false };
    pair.tick(at.since(pair.now) + Duration::from_micros(1));
    true
}

#[test]
fn two_sides_echo_over_a_line_of_a_kibibyte() {
    for (streams, frames, pipe_bytes) in [(1, 1000, 1024), (1, 300, 7), (16, 60, 1024), (512, 4, 1024)] {
        echo_each_other(streams, frames, pipe_bytes);
    }
}
