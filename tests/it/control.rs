//! The control stream: who opens it when, and what each side says on it.

use crate::{
    frames::{binary, data, end, json, text},
    peer::{HELLO, Peer, config, is_writable, offering},
};
use std::time::Duration;

use push_mux::mux::{
    Config, ControlMode, Credit, Event, Halves, Outgoing, Received, SessionError, error_body,
};

const CONTROL: &str = "1 data text(\"control\")";

#[test]
fn offer_opens_control_before_anything_else() {
    let mut peer = Peer::new(offering());
    let _ = peer.session.request(&Outgoing::from("ask"));
    peer.must_hear([CONTROL, "2 ask text(\"ask\")"]);
}

#[test]
fn respond_opens_control_only_in_answer_and_says_hello_once() {
    let mut peer = Peer::new(Config::default());
    peer.must_hear([]);
    peer.says(&data(1, &text("control")));
    peer.must_hear([CONTROL, HELLO]);
    peer.says(&data(1, &text("control")));
    peer.must_hear([]);
    assert_eq!(peer.session.counters().glitches, 1, "control once more is an oddity");
    assert!(peer.session.is_controlled());
}

#[test]
fn off_refuses_control_as_javascript_does_and_lives_on() {
    let mut peer = Peer::new(Config { control: ControlMode::Off, ..Config::default() });
    peer.says(&data(1, &text("control")));
    peer.must_hear([r#"-1 end json({"message":"flow-control not supported","name":"Error","stack":""})"#]);
    peer.says(&end(1, &json("true")));
    peer.says(&data(1, &json("[-2,9]")));
    let key = peer.opens(2, Halves::BOTH);
    assert_eq!(peer.sends(key, 1, 10), 1);
    assert_eq!(peer.session.streams_open(), 1);
}

#[test]
fn hello_comes_after_the_peers_control_and_grants_after_hello() {
    let mut peer = Peer::new(offering());
    let _ = peer.session.open(Halves::RECV, &Outgoing::from("source"));
    peer.must_hear([CONTROL, "2 data text(\"source\")"]);
    peer.says(&data(1, &text("control")));
    peer.must_hear([HELLO, "1 data json([2,65536])"]);
}

#[test]
fn grants_wait_for_the_peers_control() {
    let mut peer = Peer::new(Config::default());
    let key = peer.opens(2, Halves::RECV);
    peer.says(&data(2, &binary(1000)));
    assert!(matches!(peer.session.recv(key), Received::Body(_)));
    peer.must_hear([]);
    peer.says(&data(1, &text("control")));
    peer.must_hear([CONTROL, HELLO, "1 data json([-2,66545])"]);
}

#[test]
fn a_refused_offer_is_confirmed_and_lifts_all_limits() {
    let mut peer = Peer::new(offering());
    let key = peer.session.open(Halves::SEND, &Outgoing::from("sink")).expect("open");
    let _ = peer.hears();
    let taken = peer.sends(key, 100_000, 1000);
    assert!(taken < 100_000, "the offer holds us back until it is answered");
    let _ = peer.hears();
    peer.says(&end(-1, &error_body("unsupported stream type: undefined")));
    assert!(is_writable(&peer.events(), key));
    peer.must_hear(["1 end json(true)"]);
    for _ in 0..100 {
        assert_eq!(peer.sends(key, 10, 1000), 10);
        let _ = peer.hears();
    }
    peer.says(&end(-1, &json("true")));
    peer.must_hear([]);
    assert!(!peer.session.is_controlled());
}

#[test]
fn the_end_of_the_peers_control_lifts_our_limits() {
    let mut peer = Peer::new(offering());
    peer.says(&data(1, &text("control")));
    let key = peer.session.open(Halves::SEND, &Outgoing::from("sink")).expect("open");
    let _ = peer.hears();
    let taken = peer.sends(key, 1000, 1000);
    assert!(taken < 1000);
    let _ = (peer.hears(), peer.events());
    peer.says(&end(1, &json("true")));
    assert!(is_writable(&peer.events(), key), "whoever waited for credit is told");
    assert_eq!(peer.sends(key, 50, 1000), 50);
}

#[test]
fn an_offer_met_with_silence_limits_us_no_longer_than_the_probe() {
    let mut peer = Peer::new(offering());
    let key = peer.session.open(Halves::SEND, &Outgoing::from("sink")).expect("open");
    let (mut taken, mut waits) = (0, 0);
    // Eight times what the probe allows; each wait is at most one doubling.
    while taken < 32 << 10 {
        let _ = peer.hears();
        taken += peer.sends(key, 64, 1000);
        if peer.session.next_timeout().is_some() {
            waits += 1;
            assert_eq!(peer.lives(Duration::from_millis(50)), Ok(()));
        }
        assert!(waits < 1000, "stuck after {taken} frames");
    }
}

#[test]
fn a_peer_that_ended_its_own_control_still_gets_our_grants() {
    let mut peer = Peer::with_window(10_000);
    let key = peer.opens(2, Halves::RECV);
    peer.must_hear(["1 data json([-2,10000])"]);
    peer.says(&end(1, &json("true")));
    for _ in 0..9 {
        peer.says(&data(2, &binary(991)));
    }
    let _ = peer.drains(key);
    peer.must_hear(["1 data json([-2,19000])"]);
}

#[test]
fn grants_that_were_due_when_control_ended_do_not_keep_the_session_busy() {
    let mut peer = Peer::with_window(10_000);
    let key = peer.opens(2, Halves::RECV);
    peer.says(&end(1, &json("true")));
    let _ = peer.hears();
    let _ = key;
    assert!(!peer.session.wants_transmit(), "nothing is left to say");
}

#[test]
fn control_is_control_only_as_first_text_frame_of_id_one() {
    for first in [json("\"control\""), json("[-2,5]"), text("Control"), binary(7)] {
        let mut peer = Peer::new(Config::default());
        peer.says(&data(1, &first));
        assert!(
            matches!(peer.events()[..], [Event::Opened(key, _)] if key.id() == -1),
            "{first:?} opens a stream"
        );
        peer.says(&data(1, &text("control")));
        peer.must_hear([]);
        assert!(!peer.session.is_controlled());
    }
    let mut peer = Peer::new(Config::default());
    peer.says(&data(3, &text("control")));
    assert!(matches!(peer.events()[..], [Event::Opened(key, _)] if key.id() == -3));
}

#[test]
fn control_may_come_late() {
    let mut peer = Peer::new(Config::default());
    for id in 2..400 {
        let key = peer.opens(id, Halves::RECV);
        peer.session.release(key);
    }
    let _ = peer.hears();
    peer.says(&data(1, &text("control")));
    peer.must_hear([CONTROL, HELLO]);
}

#[test]
fn a_request_of_id_one_is_a_request() {
    let mut peer = Peer::new(Config::default());
    peer.says(&crate::frames::ask(1, &json("{}")));
    let request = peer.request();
    peer.session.reply(request, &Outgoing::from("yes")).expect("short");
    peer.must_hear(["-1 ask text(\"yes\")"]);
}

#[test]
fn data_on_our_own_control_stream_belongs_to_nobody() {
    let mut peer = Peer::new(offering());
    peer.says(&data(-1, &json("[2,5]")));
    assert_eq!(peer.events(), []);
    assert_eq!(peer.session.streams_open(), 0);
}

#[test]
fn what_is_no_array_is_left_to_the_future() {
    let mut peer = Peer::controlled(Config::default());
    for unknown in [r#"{"ping":1}"#, "null", "5", "\"text\"", r#"{"push-mux":3}"#] {
        peer.says(&data(1, &json(unknown)));
    }
    peer.must_hear([]);
    assert_eq!(peer.session.counters().glitches, 0);
}

#[test]
fn a_control_frame_that_is_no_json_or_too_long_ends_the_session_with_goodbye() {
    for frame in [json("[1,"), json(""), json("nonsense"), json(&format!("[{}2]", "1,".repeat(40_000)))] {
        if frame.bytes.is_empty() {
            continue;
        }
        let mut peer = Peer::controlled(Config::default());
        assert_eq!(peer.tries(&data(1, &frame)), Err(SessionError::Control));
        peer.must_hear(["goodbye"]);
    }
}

#[test]
fn a_million_pairs_in_one_frame_end_the_session_and_ten_thousand_do_not() {
    let pairs = |count: usize| (0..count).map(|id| format!("{id},1")).collect::<Vec<_>>().join(",");
    let mut peer = Peer::controlled(config(|limits| limits.control_bytes_max = 256 << 10));
    peer.says(&data(1, &json(&format!("[{}]", pairs(10_000)))));
    assert_eq!(peer.session.counters().glitches, 0, "unknown ids are nobody's mistake");
    let many = json(&format!("[{}]", pairs(60_000)));
    assert_eq!(peer.tries(&data(1, &many)), Err(SessionError::Control));
}

#[test]
fn hello_makes_windows_exact() {
    let mut peer = Peer::controlled(Config { credit: Credit::Fixed(4000), ..Config::default() });
    let key = peer.opens(2, Halves::SEND);
    assert_eq!(peer.sends(key, 100, 991), 2, "an overdraft of half a window, before");
    peer.says(&data(1, &json(r#"{"push-mux":2,"overdraft":0}"#)));
    peer.says(&data(1, &json("[2,3000]")));
    assert_eq!(peer.sends(key, 100, 991), 1, "nothing beyond credit, after");
}

#[test]
fn all_grants_of_a_turn_leave_as_one_frame_ahead_of_data() {
    let mut peer = Peer::with_window(1000);
    let busy = peer.opens(2, Halves::BOTH);
    let _ = peer.hears();
    assert_eq!(peer.sends(busy, 1, 400), 1);
    for id in 3..6 {
        peer.opens(id, Halves::RECV);
    }
    peer.must_hear(["1 data json([-3,1000,-4,1000,-5,1000])", "-2 data binary(400 bytes)"]);
}

#[test]
fn no_control_frame_carries_more_than_1024_pairs() {
    let mut peer = Peer::controlled(config(|limits| limits.streams_open_max = 3000));
    for id in 2..2500 {
        peer.opens(id, Halves::RECV);
    }
    let pairs: Vec<usize> = peer.hears().iter().map(|line| line.matches(',').count().div_ceil(2)).collect();
    assert_eq!(pairs, [1024, 1024, 450]);
}
