//! How streams begin and end: half-closing in every order, and frames of ids that are over or never were.

use crate::{
    frames::{ask, binary, data, end, fail, json, text},
    peer::Peer,
};
use push_mux::{
    mux::{Config, End, Event, Halves, Outgoing, Received, RefusedSend, SessionError, error_body},
    wire::Body,
};

fn aborted(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Aborted(..))).count()
}

#[test]
fn a_source_ends_and_its_caller_confirms() {
    let mut peer = Peer::new(Config::default());
    let key = peer.opens(2, Halves::SEND);
    assert_eq!(peer.sends(key, 2, 3), 2);
    peer.session.finish(key);
    peer.must_hear(["-2 data binary(3 bytes)", "-2 data binary(3 bytes)", "-2 end json(true)"]);
    peer.says(&end(2, &json("true")));
    assert_eq!(aborted(&peer.events()), 0, "a confirmation aborts nothing");
    peer.session.release(key);
    peer.must_be_empty();
}

#[test]
fn the_end_of_a_source_we_called_is_confirmed_at_once() {
    let mut peer = Peer::new(Config::default());
    let key = peer.session.open(Halves::RECV, &Outgoing::from("source")).expect("open");
    let _ = peer.hears();
    peer.says(&data(-2, &text("last")));
    peer.says(&end(-2, &json("true")));
    peer.must_hear(["2 end json(true)"]);
    assert_eq!(peer.session.recv(key), Received::Body(text("last")), "data before the end is not lost");
    assert_eq!(peer.session.recv(key), Received::End);
    assert_eq!(peer.session.recv(key), Received::End, "and stays the end");
    peer.session.release(key);
    peer.must_be_empty();
}

#[test]
fn an_error_at_the_end_of_a_source_comes_after_its_data() {
    let mut peer = Peer::new(Config::default());
    let key = peer.session.open(Halves::RECV, &Outgoing::from("source")).expect("open");
    let _ = peer.hears();
    let error = error_body("no such feed");
    peer.says(&[data(-2, &text("first")), end(-2, &error)].concat());
    assert_eq!(peer.session.recv(key), Received::Body(text("first")));
    assert_eq!(peer.session.recv(key), Received::Error(error));
    peer.must_hear(["2 end json(true)"]);
}

#[test]
fn a_source_aborted_by_its_caller_stops_at_once_and_is_confirmed() {
    for end_body in [json("true"), error_body("enough")] {
        let mut peer = Peer::new(Config::default());
        let key = peer.opens(2, Halves::SEND);
        assert_eq!(peer.sends(key, 5, 100), 5);
        peer.says(&end(2, &end_body));
        assert_eq!(aborted(&peer.events()), 1, "{end_body:?}");
        peer.must_hear(["-2 end json(true)"]);
        assert!(matches!(peer.session.send(key, &Outgoing::from("x")), Err(RefusedSend::Aborted(_))));
        peer.session.release(key);
        peer.must_be_empty();
    }
}

#[test]
fn a_sink_answers_after_its_caller_has_ended() {
    let mut peer = Peer::new(Config::default());
    let key = peer.opens(2, Halves::RECV);
    peer.says(&[data(2, &text("a")), data(2, &text("b")), end(2, &json("true"))].concat());
    assert_eq!(peer.drains(key), (2, Received::End));
    peer.session.finish(key);
    peer.must_hear(["-2 end json(true)"]);
    peer.session.release(key);
    peer.must_be_empty();
}

/// The four things that happen to a duplex stream, in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    PeerData,
    PeerEnd,
    OurData,
    OurEnd,
}

fn orders(rest: &[Step], sofar: &mut Vec<Step>, all: &mut Vec<Vec<Step>>) {
    if rest.is_empty() {
        all.push(sofar.clone());
    }
    for (at, step) in rest.iter().enumerate() {
        let others: Vec<Step> =
            rest.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, step)| *step).collect();
        sofar.push(*step);
        orders(&others, sofar, all);
        sofar.pop();
    }
}

#[test]
fn a_duplex_closes_half_by_half_in_every_order() {
    let mut all = Vec::new();
    orders(&[Step::PeerData, Step::PeerEnd, Step::OurData, Step::OurEnd], &mut Vec::new(), &mut all);
    for (order, ours) in all.iter().flat_map(|order| [(order, true), (order, false)]) {
        let mut peer = Peer::new(Config::default());
        let (key, theirs) = if ours {
            (peer.session.open(Halves::BOTH, &Outgoing::from("duplex")).expect("open"), -2)
        } else {
            (peer.opens(2, Halves::BOTH), 2)
        };
        let _ = peer.hears();
        let (mut heard, mut got) = (Vec::new(), 0);
        let (mut sent, mut expected, mut peer_ended, mut we_ended) = (0, 0, false, false);
        for step in order {
            match step {
                Step::PeerData => {
                    peer.says(&data(theirs, &text("in")));
                    expected += usize::from(!peer_ended);
                }
                Step::PeerEnd => {
                    peer.says(&end(theirs, &json("true")));
                    peer_ended = true;
                }
                Step::OurData => sent += peer.sends(key, 1, 3),
                Step::OurEnd => {
                    peer.session.finish(key);
                    assert_eq!(peer.sends(key, 1, 1), 0);
                    we_ended = true;
                }
            }
            heard.extend(peer.hears());
            let (bodies, rest) = peer.drains(key);
            got += bodies;
            assert_eq!(rest, if peer_ended { Received::End } else { Received::Pending }, "{order:?}");
            assert_eq!(peer.session.is_send_over(key), we_ended, "{order:?}: our half is ours to end");
        }
        assert_eq!(got, expected, "{order:?}");
        assert_eq!(heard.len(), sent + 1, "{order:?}: {heard:?}");
        assert_eq!(heard.last(), Some(&format!("{} end json(true)", -theirs)));
        assert_eq!(aborted(&peer.events()), 0, "{order:?}");
        peer.session.release(key);
        peer.must_be_empty();
    }
}

#[test]
fn an_error_ends_both_halves_of_a_duplex_and_is_confirmed_once() {
    for order in 0..3 {
        let mut peer = Peer::new(Config::default());
        let key = peer.opens(2, Halves::BOTH);
        if order == 0 {
            peer.session.finish(key);
        }
        peer.says(&[data(2, &text("before")), end(2, &error_body("gone"))].concat());
        if order == 1 {
            peer.session.finish(key);
        }
        peer.must_hear(["-2 end json(true)"]);
        assert_eq!(peer.session.recv(key), Received::Body(text("before")));
        assert!(matches!(peer.session.recv(key), Received::Error(_)));
        peer.session.release(key);
        peer.must_be_empty();
    }
}

#[test]
fn frames_after_an_end_are_oddities_that_reach_nobody() {
    let mut peer = Peer::new(Config::default());
    let key = peer.opens(2, Halves::BOTH);
    peer.says(&end(2, &json("true")));
    peer.says(&data(2, &text("late")));
    peer.says(&end(2, &json("true")));
    assert_eq!(peer.drains(key), (0, Received::End));
    assert_eq!(peer.session.counters().glitches, 2);
    assert_eq!(peer.session.received_bytes(), 0);
}

#[test]
fn data_after_we_gave_up_is_thrown_away_and_counted() {
    let mut peer = Peer::with_window(10_000);
    let key = peer.opens(2, Halves::BOTH);
    peer.says(&data(2, &binary(100)));
    peer.session.cancel(key, Some(error_body("enough")));
    for _ in 0..50 {
        peer.says(&data(2, &binary(91)));
    }
    assert_eq!(peer.session.received_bytes(), 0);
    assert_eq!(peer.session.counters().late_bytes, 5000);
    peer.says(&end(2, &json("true")));
    peer.session.release(key);
    peer.must_be_empty();
    assert_eq!(peer.session.counters().glitches, 0, "an honest peer cannot know yet");
}

#[test]
fn frames_of_a_closed_id_open_nothing() {
    let mut peer = Peer::controlled(Config::default());
    let theirs = peer.opens(2, Halves::SEND);
    let ours = peer.session.open(Halves::SEND, &Outgoing::from("sink")).expect("open");
    let id = ours.id();
    let _ = peer.hears();
    for (key, wire) in [(theirs, 2), (ours, -id)] {
        peer.session.finish(key);
        peer.says(&end(wire, &json("true")));
        peer.session.release(key);
    }
    let _ = (peer.hears(), peer.events());
    for wire in [2, -id] {
        peer.says(&data(wire, &text("late")));
        peer.says(&end(wire, &json("true")));
        peer.says(&data(1, &json(&format!("[{},9000]", -wire))));
    }
    assert_eq!(peer.events(), [], "W7: no phantom stream");
    peer.must_hear([]);
    assert_eq!(peer.session.streams_open(), 0);
}

#[test]
fn frames_of_ids_that_never_were_open_nothing_or_one_stream() {
    let mut peer = Peer::controlled(Config::default());
    peer.says(&end(7, &json("true")));
    assert_eq!(peer.events(), [], "an end never opens");
    peer.says(&data(7, &text("after its end")));
    assert_eq!(peer.events(), [], "nor does what follows it");
    for wire in [-7, -2, i32::MIN + 1] {
        peer.says(&data(wire, &text("whose?")));
        peer.says(&end(wire, &json("true")));
        peer.says(&ask(wire, &text("an answer to nothing")));
        peer.says(&fail(wire, &error_body("nothing")));
    }
    assert_eq!(peer.events(), []);
    peer.must_hear([]);
    assert!(peer.session.counters().glitches >= 10);
    peer.says(&data(i32::MAX, &json("{}")));
    assert!(matches!(peer.events()[..], [Event::Opened(key, _)] if key.id() == -i32::MAX));
}

#[test]
fn id_zero_opens_nothing() {
    let mut peer = Peer::new(Config::default());
    for wire in [data(0, &text("a")), end(0, &json("true")), ask(0, &text("message")), fail(0, &json("{}"))] {
        peer.says(&wire);
    }
    assert_eq!(peer.events(), []);
    assert!(peer.session.counters().glitches >= 3);
}

#[test]
fn ids_may_come_out_of_order_but_not_twice() {
    let mut peer = Peer::new(Config::default());
    for id in [5, 3, 9, 4, 200, 100] {
        let key = peer.opens(id, Halves::SEND);
        peer.session.finish(key);
        peer.session.release(key);
    }
    let _ = (peer.hears(), peer.events());
    for id in [5, 3, 9, 4, 200, 100] {
        peer.says(&data(id, &json("{}")));
    }
    assert_eq!(peer.events(), []);
    peer.must_be_empty();
}

#[test]
fn closed_ids_take_no_memory() {
    let mut peer = Peer::new(Config::default());
    let debugged = |peer: &Peer| format!("{:?}", peer.session).len();
    let mut early = 0;
    for id in 2..20_002 {
        let key = peer.opens(id, Halves::SEND);
        peer.session.finish(key);
        peer.session.release(key);
        peer.says(&end(id, &json("true")));
        let _ = peer.hears();
        if id == 2000 {
            early = debugged(&peer);
        }
    }
    assert!(debugged(&peer) < early + 200, "I9: nothing grows with the streams that were");
}

#[test]
fn an_end_before_the_stream_was_accepted_is_not_lost() {
    for (halves, aborts) in [(Halves::SEND, 1), (Halves::RECV, 0), (Halves::BOTH, 0)] {
        let mut peer = Peer::new(Config::default());
        let key = peer.opens_unaccepted(2);
        peer.says(&[data(2, &text("x")), end(2, &json("true"))].concat());
        peer.session.accept(key, halves);
        assert_eq!(aborted(&peer.events()), aborts, "{halves:?}");
        if halves.recv {
            assert_eq!(peer.drains(key), (1, Received::End));
        }
        peer.session.release(key);
        peer.must_be_empty();
    }
}

#[test]
fn a_stream_cancelled_before_its_opening_left_is_never_heard_of() {
    let mut peer = Peer::new(Config::default());
    let key = peer.session.open(Halves::BOTH, &Outgoing::from("open")).expect("open");
    assert_eq!(peer.sends(key, 3, 100), 3);
    peer.session.cancel(key, Some(error_body("never mind")));
    peer.must_hear([]);
    peer.session.release(key);
    peer.must_be_empty();
}

#[test]
fn a_released_stream_that_the_peer_aborts_before_it_left_is_freed() {
    let mut peer = Peer::new(Config::default());
    let key = peer.session.open(Halves::BOTH, &Outgoing::from("open")).expect("open");
    peer.session.release(key);
    // Nobody can know of it yet; a guess must not keep its slot for ever.
    peer.says(&end(-2, &error_body("guessed")));
    peer.must_be_empty();
}

#[test]
fn a_clean_end_may_be_spelled_as_go_does() {
    let mut peer = Peer::new(Config::default());
    let key = peer.opens(2, Halves::BOTH);
    peer.says(&end(2, &json("true\n")));
    assert_eq!(peer.drains(key), (0, Received::End));
    let End::Error(body) = End::from_body(text("closed by kuska")) else { panic!("an error") };
    assert_eq!(body, text("closed by kuska"));
}

#[test]
fn no_body_is_ever_sent_empty() {
    let mut peer = Peer::new(Config::default());
    let key = peer.opens(2, Halves::BOTH);
    assert_eq!(peer.session.send(key, &Outgoing::from(&b""[..])), Err(RefusedSend::Empty));
    assert_eq!(peer.session.send(key, &Outgoing::from(Body::json(""))), Err(RefusedSend::Empty));
    assert!(peer.session.send(key, &Outgoing::from("")).is_ok(), "the empty text has a form");
    assert_eq!(peer.session.open(Halves::BOTH, &Outgoing::from(vec![])), Err(RefusedSend::Empty));
    assert_eq!(peer.session.request(&Outgoing::from(vec![])), Err(RefusedSend::Empty));
    peer.says(&ask(3, &json("{}")));
    let request = peer.request();
    assert_eq!(peer.session.reply(request, &Outgoing::from(vec![])), Err(RefusedSend::Empty));
    let heard = peer.hears();
    assert_eq!(
        heard[0],
        "-3 fail json({\"message\":\"an empty body cannot be sent: peers read it as goodbye\",\"name\":\"Error\",\"stack\":\"\"})"
    );
    assert_eq!(heard[1], "-2 data json(\"\")");
}

#[test]
fn an_end_with_an_empty_body_is_not_sent_as_a_goodbye() {
    for way in 0..4 {
        let mut peer = Peer::new(Config::default());
        let key = peer.opens(2, Halves::BOTH);
        peer.says(&ask(3, &json("{}")));
        let request = peer.request();
        match way {
            0 => peer.session.fail(key, &text("")),
            1 => peer.session.cancel(key, Some(json(""))),
            2 => peer.session.reply_error(request, &text("")),
            _ => {
                assert_eq!(peer.sends(key, 1, 10), 1);
                peer.session.fail(key, &text(""));
            }
        }
        let heard = peer.hears();
        assert!(!heard.contains(&"goodbye".to_owned()), "way {way}: {heard:?}");
    }
}

#[test]
fn an_end_with_a_body_over_the_limit_does_not_cost_the_connection() {
    let mut peer = Peer::new(crate::peer::config(|limits| limits.body_bytes_max = 1000));
    let key = peer.opens(2, Halves::BOTH);
    peer.session.fail(key, &text(&"long".repeat(1000)));
    let longest = peer.hears().iter().map(String::len).max();
    assert!(longest < Some(1100), "a peer with our limit would close: {longest:?}");
}

#[test]
fn a_body_over_the_limit_is_refused_and_the_limit_itself_is_not() {
    let mut peer = Peer::new(crate::peer::config(|limits| limits.body_bytes_max = 1000));
    let key = peer.opens(2, Halves::BOTH);
    assert_eq!(peer.sends(key, 1, 1000), 1);
    let refused = RefusedSend::TooLong { body_bytes: 1001, body_bytes_max: 1000 };
    assert_eq!(peer.session.send(key, &Outgoing::from(vec![0; 1001])), Err(refused));
    let over = peer.tries(&data(2, &binary(1001)));
    assert!(matches!(over, Err(SessionError::Wire(_))), "{over:?}");
    peer.must_hear(["-2 data binary(1000 bytes)"].map(|_| "goodbye"));
}
