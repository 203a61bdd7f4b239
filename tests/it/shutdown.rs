//! Draining, goodbye, and what a session does when it is over.

use crate::{
    frames::{ask, data, end, goodbye, json, text},
    peer::Peer,
};
use push_mux::mux::{Blame, Config, Event, Halves, Outgoing, Received, RefusedSend, SessionError};

#[test]
fn draining_with_nothing_to_do_says_goodbye_at_once() {
    let mut peer = Peer::new(Config::default());
    peer.session.drain();
    assert!(!peer.session.is_goodbye_said());
    peer.must_hear(["goodbye"]);
    assert!(peer.session.is_goodbye_said());
    peer.session.drain();
    peer.session.goodbye();
    peer.must_hear([]);
}

#[test]
fn draining_refuses_new_work_and_finishes_the_old() {
    let mut peer = Peer::new(Config::default());
    let key = peer.opens(2, Halves::SEND);
    peer.says(&ask(3, &json("{}")));
    let request = peer.request();
    assert_eq!(peer.sends(key, 1, 5), 1);
    peer.session.drain();
    peer.must_hear(["-2 data binary(5 bytes)"]);
    peer.says(&data(4, &json("{}")));
    peer.says(&ask(5, &json("{}")));
    assert_eq!(peer.session.open(Halves::BOTH, &Outgoing::from("x")), Err(RefusedSend::Ended));
    assert_eq!(peer.session.request(&Outgoing::from("x")), Err(RefusedSend::Ended));
    let refused: Vec<_> = peer.hears().iter().map(|line| line[..7].to_owned()).collect();
    assert_eq!(refused, ["-4 end ", "-5 fail"]);
    peer.session.reply(request, &Outgoing::from("yes")).expect("old work");
    peer.must_hear(["-3 ask text(\"yes\")"]);
    assert_eq!(peer.sends(key, 1, 5), 1);
    peer.session.finish(key);
    peer.session.release(key);
    peer.must_hear(["-2 data binary(5 bytes)", "-2 end json(true)", "goodbye"]);
}

#[test]
fn draining_waits_for_the_replies_we_asked_for() {
    let mut peer = Peer::new(Config::default());
    let id = peer.session.request(&Outgoing::from("ask")).expect("open").expect("room");
    peer.session.drain();
    peer.must_hear(["2 ask text(\"ask\")"]);
    peer.says(&ask(-id, &text("yes")));
    assert_eq!(peer.events(), [Event::Reply(id, Ok(text("yes")))]);
    peer.must_hear(["goodbye"]);
}

#[test]
fn draining_waits_for_the_peers_half_of_a_stream_that_somebody_reads() {
    let mut peer = Peer::new(Config::default());
    let key = peer.opens(2, Halves::BOTH);
    peer.session.finish(key);
    peer.session.drain();
    peer.must_hear(["-2 end json(true)"]);
    peer.says(&data(2, &text("still coming")));
    peer.says(&end(2, &json("true")));
    assert_eq!(peer.drains(key), (1, Received::End));
    peer.session.release(key);
    peer.must_hear(["goodbye"]);
}

#[test]
fn goodbye_ends_all_streams_with_the_words_javascript_takes_for_a_hang_up() {
    let mut peer = Peer::new(Config::default());
    let keys = [2, 3].map(|id| peer.opens(id, Halves::BOTH));
    assert_eq!(peer.sends(keys[0], 1, 5), 1);
    peer.session.goodbye();
    let ended = r#"end json({"message":"unexpected end of parent stream","name":"Error","stack":""})"#;
    peer.must_hear([&format!("-2 {ended}"), &format!("-3 {ended}"), "goodbye"]);
    let aborted = peer.events().iter().filter(|event| matches!(event, Event::Aborted(..))).count();
    assert_eq!(aborted, 2);
    for key in keys {
        peer.session.release(key);
    }
    peer.must_be_empty();
}

#[test]
fn the_peers_goodbye_ends_the_session_and_what_follows_is_ignored() {
    let mut peer = Peer::new(Config::default());
    let key = peer.opens(2, Halves::BOTH);
    let _ = peer.session.request(&Outgoing::from("ask"));
    let _ = peer.hears();
    let wire = [data(2, &text("last words")), goodbye(), data(2, &text("ghost")), goodbye()].concat();
    assert_eq!(peer.tries(&wire), Err(SessionError::Goodbye));
    peer.must_hear(["goodbye"]);
    assert_eq!(peer.session.recv(key), Received::Body(text("last words")), "what was accepted is not lost");
    assert_eq!(peer.session.recv(key), Received::Closed(SessionError::Goodbye));
    assert_eq!(peer.sends(key, 1, 1), 0);
    assert_eq!(peer.session.error().map(SessionError::blame), Some(Blame::Peer));
    peer.session.release(key);
    peer.must_be_empty();
}

#[test]
fn an_end_and_a_goodbye_in_one_read_are_an_end() {
    let mut peer = Peer::new(Config::default());
    let key = peer.opens(2, Halves::RECV);
    let wire = [data(2, &text("all")), end(2, &json("true")), goodbye()].concat();
    assert_eq!(peer.tries(&wire), Err(SessionError::Goodbye));
    assert_eq!(peer.drains(key), (1, Received::End));
}

#[test]
fn a_lost_connection_wakes_everybody_and_keeps_what_arrived() {
    let mut peer = Peer::with_window(100);
    let [reader, writer] = [(2, Halves::RECV), (3, Halves::SEND)].map(|(id, halves)| peer.opens(id, halves));
    let _ = (peer.sends(writer, 100, 91), peer.hears(), peer.events());
    peer.says(&data(2, &text("unread")));
    peer.session.handle_closed(SessionError::Truncated);
    let events = peer.events();
    assert!(events.contains(&Event::Readable(reader)) && events.contains(&Event::Writable(writer)));
    assert_eq!(peer.session.recv(reader), Received::Body(text("unread")));
    assert_eq!(peer.session.recv(reader), Received::Closed(SessionError::Truncated));
    let refused = peer.session.send(writer, &Outgoing::from("x"));
    assert_eq!(refused, Err(RefusedSend::Session(SessionError::Truncated)));
    peer.must_hear([]);
    for key in [reader, writer] {
        peer.session.release(key);
    }
    peer.must_be_empty();
    assert_eq!(peer.session.error().map(SessionError::blame), Some(Blame::Transport));
}

#[test]
fn the_first_error_is_kept_and_goodbye_is_said_once() {
    let mut peer = Peer::controlled(Config::default());
    assert_eq!(peer.tries(&data(1, &json("[1,"))), Err(SessionError::Control));
    peer.session.handle_closed(SessionError::Truncated);
    assert_eq!(peer.session.error(), Some(&SessionError::Control));
    peer.session.goodbye();
    peer.must_hear(["goodbye"]);
    peer.must_hear([]);
}

#[test]
fn framing_that_breaks_costs_the_connection_and_nothing_that_came_before() {
    let mut peer = Peer::new(Config::default());
    let key = peer.opens(2, Halves::RECV);
    let wire = [data(2, &text("good")), crate::frames::raw_header(0b1011, 1, 2).to_vec()].concat();
    assert!(matches!(peer.tries(&wire), Err(SessionError::Wire(_))));
    assert_eq!(peer.session.recv(key), Received::Body(text("good")));
    peer.must_hear(["goodbye"]);
}
