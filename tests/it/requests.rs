//! Requests and replies, and what happens to those that nobody answers or asked for.

use crate::{
    frames::{ask, data, end, fail, json, text},
    peer::{Peer, config},
};
use push_mux::mux::{
    Config, Event, Halves, OPENINGS_UNSENT_MAX, Outgoing, RefusedSend, SessionError, error_body,
};
use std::time::Duration;

fn replies(peer: &mut Peer) -> Vec<(i32, bool)> {
    let events = peer.events();
    let replies = events.into_iter().filter_map(|event| match event {
        Event::Reply(id, reply) => Some((id, reply.is_ok())),
        _ => None,
    });
    replies.collect()
}

#[test]
fn a_request_is_answered_once_and_later_answers_are_ignored() {
    let mut peer = Peer::new(Config::default());
    let id = peer.session.request(&Outgoing::from("ask")).expect("open").expect("room");
    peer.must_hear(["2 ask text(\"ask\")"]);
    peer.says(&ask(-id, &text("yes")));
    peer.says(&fail(-id, &error_body("replayed when JavaScript closes")));
    peer.says(&ask(-id, &text("again")));
    assert_eq!(replies(&mut peer), [(id, true)]);
    assert_eq!(peer.session.requests_open(), 0);
}

#[test]
fn the_id_of_a_reply_decides_and_not_its_stream_bit() {
    // scuttlego sets the stream bit on all replies.
    for (wire, is_ok) in [(data(-2, &text("yes")), true), (end(-2, &error_body("no")), false)] {
        let mut peer = Peer::new(Config::default());
        peer.session.request(&Outgoing::from("ask")).expect("open").expect("room");
        let _ = peer.hears();
        peer.says(&wire);
        peer.says(&end(-2, &json("true")));
        assert_eq!(replies(&mut peer), [(2, is_ok)]);
        assert_eq!(peer.session.requests_open(), 0);
    }
}

#[test]
fn a_refusal_without_the_stream_bit_ends_the_stream_it_names() {
    let mut peer = Peer::new(Config::default());
    let key = peer.session.open(Halves::RECV, &Outgoing::from("source")).expect("open");
    let _ = peer.hears();
    peer.says(&fail(-2, &error_body("no such method")));
    assert!(matches!(peer.session.recv(key), push_mux::mux::Received::Error(_)));
}

#[test]
fn a_forgotten_request_makes_room_and_its_reply_is_dropped() {
    let mut peer = Peer::new(config(|limits| limits.requests_out_max = 1));
    let id = peer.session.request(&Outgoing::from("a")).expect("open").expect("room");
    assert_eq!(peer.session.request(&Outgoing::from("b")), Ok(None), "they wait");
    peer.session.forget_request(id);
    assert_eq!(peer.events(), [Event::RequestsWritable]);
    assert_eq!(peer.session.request(&Outgoing::from("b")), Ok(Some(id + 1)));
    peer.says(&ask(-id, &text("too late")));
    assert_eq!(replies(&mut peer), []);
}

#[test]
fn requests_over_the_limit_are_answered_with_an_error_and_others_live() {
    let mut peer = Peer::new(config(|limits| limits.requests_in_max = 2));
    for id in 2..5 {
        peer.says(&ask(id, &json("{}")));
    }
    peer.must_hear([r#"-4 fail json({"message":"too many requests","name":"Error","stack":""})"#]);
    assert_eq!(peer.session.counters().requests_refused, 1);
    let request = peer.request();
    peer.session.reply(request, &Outgoing::from("yes")).expect("short");
    peer.must_hear(["-2 ask text(\"yes\")"]);
    peer.says(&ask(5, &json("{}")));
    assert_eq!(peer.request().id(), -5, "an answer makes room");
}

#[test]
fn streams_over_the_limit_are_ended_with_an_error_and_others_live() {
    let mut peer = Peer::new(config(|limits| limits.streams_open_max = 2));
    let keys = [2, 3].map(|id| peer.opens(id, Halves::BOTH));
    peer.says(&data(4, &json("{}")));
    peer.must_hear([r#"-4 end json({"message":"too many open streams","name":"Error","stack":""})"#]);
    peer.says(&data(4, &text("not heard yet")));
    peer.says(&end(4, &json("true")));
    assert_eq!(peer.sends(keys[0], 1, 10), 1);
    peer.session.release(keys[1]);
    let _ = peer.hears();
    peer.opens(5, Halves::BOTH);
    assert_eq!(peer.session.counters().streams_refused, 1);
}

#[test]
fn a_reply_that_cannot_be_sent_becomes_an_error_for_the_caller() {
    let mut peer = Peer::new(config(|limits| limits.body_bytes_max = 100));
    peer.says(&ask(2, &json("{}")));
    let request = peer.request();
    let refused = peer.session.reply(request, &Outgoing::from(vec![0; 101]));
    assert!(matches!(refused, Err(RefusedSend::TooLong { body_bytes: 101, .. })));
    assert!(peer.hears()[0].starts_with("-2 fail json({\"message\":\"a body of 101 bytes"));
}

#[test]
fn replies_to_a_peer_that_does_not_read_hold_its_requests_and_then_end_the_session() {
    let mut peer = Peer::new(Config::default());
    let mut answered = 0;
    for asked in 0..400 {
        peer.says(&ask(asked + 2, &json("{}")));
        for event in peer.events() {
            let Event::Request(request, _) = event else { panic!("{event:?}") };
            peer.session.reply(request, &Outgoing::from(vec![b'r'; 1000])).expect("short");
            answered += 1;
        }
    }
    assert!((250..300).contains(&answered), "256 KiB of replies are enough: {answered}");
    assert!(peer.session.queued_bytes() < 300_000);
    assert!(!peer.session.is_paused(), "the peer may be waiting for us to read something else");
    let mut ended = Ok(());
    for _ in 0..8 {
        ended = ended.and_then(|()| peer.waits(Duration::from_secs(5)));
    }
    assert_eq!(ended, Err(SessionError::RepliesStuck));
}

#[test]
fn requests_that_were_held_are_answered_when_the_replies_have_left() {
    let mut peer = Peer::new(config(|_| {}));
    for id in 2..202 {
        peer.says(&ask(id, &json("{}")));
    }
    let mut heard = 0;
    for _ in 0..10 {
        for event in peer.events() {
            let Event::Request(request, _) = event else { panic!("{event:?}") };
            peer.session.reply(request, &Outgoing::from(vec![b'r'; 3000])).expect("short");
        }
        heard += peer.hears().len();
    }
    assert_eq!(heard, 200);
    assert_eq!(peer.session.received_bytes(), 0, "what waited was charged, and given back");
    assert_eq!(peer.session.next_timeout(), None);
}

/// Opens that are answered with an error each, by a peer that reads none of it.
fn floods_until_paused(frame: impl Fn(i32) -> Vec<u8>) -> (Peer, i32) {
    let mut peer = Peer::new(Config::default());
    for id in 2..20_000 {
        if peer.session.is_paused() || peer.tries(&frame(id)).is_err() {
            return (peer, id);
        }
        for event in peer.events() {
            match event {
                Event::Opened(key, _) => {
                    peer.session
                        .cancel(key, Some(error_body("method:nope is not in list of allowed methods")));
                    peer.session.release(key);
                }
                Event::Request(request, _) => {
                    peer.session
                        .reply_error(request, &error_body("method:nope is not in list of allowed methods"));
                }
                _ => {}
            }
        }
    }
    let queued = peer.session.queued_bytes();
    panic!("{queued} bytes wait for a peer that does not read, and its frames are still taken");
}

#[test]
fn refused_opens_of_a_peer_that_does_not_read_pause_reading() {
    let (peer, _) = floods_until_paused(|id| data(id, &json("{}")));
    assert!(peer.session.queued_bytes() <= 300_000);
}

#[test]
fn refused_requests_of_a_peer_that_does_not_read_pause_reading() {
    let (peer, _) = floods_until_paused(|id| ask(id, &json("{}")));
    // Answers up to the bound, then refusals up to the same.
    assert!(peer.session.queued_bytes() <= 600_000);
}

#[test]
fn our_own_requests_do_not_stop_us_from_reading() {
    let mut peer = Peer::new(Config::default());
    for _ in 0..1000 {
        peer.session.request(&Outgoing::from(vec![b'q'; 1000])).expect("open").expect("room");
    }
    assert!(!peer.session.is_paused(), "two sides that ask much at once would wait for each other");
}

#[test]
fn long_replies_share_the_line_with_bulk_and_short_ones_overtake_it() {
    let mut peer = Peer::new(Config::default());
    let bulk = peer.opens(2, Halves::SEND);
    assert_eq!(peer.sends(bulk, 3, 16 << 10), 3);
    for (id, bytes) in [(3, 100_000), (4, 10)] {
        peer.says(&ask(id, &json("{}")));
        let request = peer.request();
        peer.session.reply(request, &Outgoing::from(vec![b'r'; bytes])).expect("short");
    }
    let heard = peer.hears();
    let at = |start: &str| heard.iter().position(|line| line.starts_with(start)).expect("heard");
    assert!(at("-4 ask") < at("-2 data") && at("-2 data") < at("-3 ask"), "{heard:?}");
}

#[test]
fn whoever_opens_streams_faster_than_they_leave_is_asked_to_wait() {
    let mut peer = Peer::new(Config::default());
    let mut keys = Vec::new();
    while peer.session.may_open() {
        keys.push(peer.session.open(Halves::BOTH, &Outgoing::from("duplex")).expect("open"));
    }
    assert_eq!(keys.len(), OPENINGS_UNSENT_MAX);
    let over = peer.session.open(Halves::BOTH, &Outgoing::from("duplex")).expect("nobody is refused");
    peer.session.cancel(over, None);
    peer.session.release(over);
    assert!(!peer.session.may_open(), "what is given up makes room, but not for one more than may");
    let told = |peer: &mut Peer| {
        let events = peer.events();
        events.iter().filter(|event| **event == Event::RequestsWritable).count()
    };
    assert_eq!(told(&mut peer), 0);
    for key in &keys[..OPENINGS_UNSENT_MAX / 2] {
        peer.session.cancel(*key, None);
        peer.session.release(*key);
    }
    assert_eq!(told(&mut peer), 1, "once half of them are gone");
    assert!(peer.session.may_open());
    let _ = peer.hears();
    assert_eq!(told(&mut peer), 0, "nobody asked since");
}
