//! The ladder: what is ignored, what costs a stream, what costs the connection; and that no pause lasts for ever.

use crate::{
    frames::{binary, data, end, json, raw_header},
    peer::{Peer, config},
};
use bytes::Bytes;
use push_mux::{
    flow::Pool,
    mux::{
        Config, Event, Halves, Outgoing, Output, Received, Session, SessionError, StreamKey, Time, error_body,
    },
    wire::Decoder,
};
use std::time::Duration;

/// Fills a peer without credit up to its receive budget of 100,000: so much on the first stream, the rest on another.
fn filled(first: usize) -> (Peer, [StreamKey; 2]) {
    let mut peer = Peer::new(config(|limits| limits.receive_bytes_max = 100_000));
    let keys = [2, 3].map(|id| peer.opens(id, Halves::RECV));
    peer.says(&data(2, &binary(first)));
    while !peer.session.is_paused() {
        peer.says(&data(3, &binary(1000)));
        assert!(peer.session.received_bytes() <= 102_000, "bounded by the budget and one frame");
    }
    let _ = peer.events();
    (peer, keys)
}

#[test]
fn a_peer_without_credit_pauses_reading_at_the_budget_and_reading_resumes_it() {
    let (mut peer, keys) = filled(1000);
    assert_eq!(peer.session.counters().reads_paused, 1);
    peer.drains(keys[1]);
    assert!(!peer.session.is_paused());
    assert_eq!(peer.session.next_timeout(), None);
}

#[test]
fn a_pause_that_nobody_ends_costs_the_stream_that_holds_most() {
    let (mut peer, keys) = filled(70_000);
    peer.lives(Duration::from_secs(6)).expect("the session lives");
    assert!(!peer.session.is_paused());
    assert_eq!(peer.session.counters().watchdog_resets, 1);
    assert!(matches!(peer.events()[..], [.., Event::Aborted(key, _)] if key == keys[0]));
    assert_eq!(peer.session.recv(keys[0]), Received::End);
    let (bodies, rest) = peer.drains(keys[1]);
    assert!(bodies > 20 && rest == Received::Pending, "the other stream lost nothing");
}

#[test]
fn a_reader_that_moves_at_all_is_not_cut() {
    let (mut peer, keys) = filled(70_000);
    for _ in 0..20 {
        assert!(matches!(peer.session.recv(keys[1]), Received::Body(_)));
        peer.lives(Duration::from_secs(4)).expect("alive");
    }
    assert_eq!(peer.session.counters().watchdog_resets, 0);
}

#[test]
fn a_pause_just_under_the_budget_has_a_watchdog_too() {
    let (mut peer, keys) = filled(80_000);
    // What is left is neither full nor a quarter free, and its reader is gone.
    peer.drains(keys[1]);
    assert!(peer.session.is_paused());
    peer.lives(Duration::from_secs(120)).expect("alive");
    assert!(!peer.session.is_paused(), "paused for ever");
    assert_eq!(peer.session.counters().watchdog_resets, 1);
}

#[test]
fn replies_under_the_bound_hold_nothing_up_however_slowly_they_leave() {
    let mut peer = Peer::new(config(|limits| limits.replies_bytes_max = 60_000));
    for id in 2..17 {
        peer.says(&crate::frames::ask(id, &json("{}")));
        let request = peer.request();
        peer.session.reply(request, &Outgoing::from(vec![b'r'; 4000])).expect("short");
    }
    assert!(peer.session.next_timeout().is_some(), "over the bound they are watched");
    let mut output = push_mux::mux::Output::default();
    peer.session.poll_transmit(peer.now, &mut output, 1000);
    assert_eq!(peer.session.next_timeout(), None, "some have left");
    peer.says(&crate::frames::ask(17, &json("{}")));
    let _ = peer.request();
    assert_eq!(peer.waits(Duration::from_secs(40)), Ok(()));
}

#[test]
fn one_byte_frames_cost_a_peer_what_they_cost_us() {
    let mut peer = Peer::new(config(|limits| limits.receive_bytes_max = 100_000));
    let key = peer.opens(2, Halves::RECV);
    let mut frames = 0;
    while !peer.session.is_paused() {
        peer.says(&data(2, &binary(1)));
        frames += 1;
    }
    assert!(frames <= 100_000 / 74 + 1, "{frames} frames, each its own run");
    assert_eq!(peer.drains(key).0, frames);
    assert_eq!(peer.session.received_bytes(), 0);
}

#[test]
fn many_small_frames_slowly_read_are_never_cut() {
    let mut peer = Peer::with_window(64 << 10);
    let key = peer.opens(2, Halves::RECV);
    let (mut sent, mut read) = (0_u64, 0);
    for turn in 0..40_000 {
        // The peer keeps to its credit; the reader takes one frame in four turns.
        if turn % 4 == 0 && sent < read * 609 + (64 << 10) && sent < 10_000 * 609 {
            peer.says(&data(2, &binary(600)));
            sent += 609;
        } else if let Received::Body(_) = peer.session.recv(key) {
            read += 1;
        }
        peer.session.settle();
        let _ = (peer.hears(), peer.events());
    }
    assert_eq!((read, sent), (10_000, 6_090_000));
    assert_eq!((peer.session.counters().window_violations, peer.session.counters().glitches), (0, 0));
}

#[test]
fn settling_copies_what_stays_unread_and_gives_back_what_it_saves() {
    let mut peer = Peer::new(Config::default());
    let key = peer.opens(2, Halves::RECV);
    for _ in 0..100 {
        peer.says(&data(2, &binary(100)));
    }
    let before = peer.session.received_bytes();
    peer.session.settle();
    assert_eq!(peer.session.counters().compacted_bytes, 10_900);
    assert_eq!(peer.session.received_bytes(), before - 99 * 64);
    assert_eq!(peer.drains(key).0, 100);
    assert_eq!(peer.session.received_bytes(), 0);
}

#[test]
fn streams_opened_and_aborted_in_a_storm_end_the_session() {
    let mut peer = Peer::new(Config::default());
    let mut ended = None;
    for id in 2..100_000 {
        let storm = [data(id, &json("{}")), end(id, &error_body("never mind"))].concat();
        if let Err(error) = peer.tries(&storm) {
            ended = Some((id, error));
            break;
        }
        for event in peer.events() {
            if let Event::Opened(key, _) = event {
                peer.session.accept(key, Halves::SEND);
                peer.session.release(key);
            }
        }
        let _ = peer.hears();
    }
    assert_eq!(ended, Some((1002, SessionError::ResetFlood)));
    peer.must_hear(["-1002 end json(true)", "goodbye"].map(|line| line));
}

#[test]
fn a_storm_of_sources_ended_cleanly_before_they_were_accepted_counts_as_well() {
    let mut peer = Peer::new(Config::default());
    let ended = (2..5000).find_map(|id| {
        let storm = [data(id, &json("{}")), end(id, &json("true"))].concat();
        let ended = peer.tries(&storm).err();
        for event in peer.events() {
            if let Event::Opened(key, _) = event {
                peer.session.accept(key, Halves::SEND);
                peer.session.release(key);
            }
        }
        let _ = peer.hears();
        ended
    });
    assert_eq!(ended, Some(SessionError::ResetFlood));
}

#[test]
fn streams_aborted_after_a_while_or_one_in_thirty_milliseconds_are_no_storm() {
    let mut peer = Peer::new(Config::default());
    for id in 2..3000 {
        let key = peer.opens(id, Halves::SEND);
        peer.waits(Duration::from_millis(31)).expect("alive");
        peer.says(&end(id, &error_body("enough")));
        peer.session.release(key);
        let _ = (peer.hears(), peer.events());
    }
}

#[test]
fn ten_thousand_streams_of_ours_aborted_at_once_flood_nobody() {
    let mut peer = Peer::controlled(Config::default());
    let keys: Vec<_> = (0..10_000)
        .map(|_| peer.session.open(Halves::BOTH, &Outgoing::from("open")).expect("open"))
        .collect();
    let _ = peer.hears();
    for key in keys {
        peer.session.cancel(key, None);
        peer.session.release(key);
    }
    assert_eq!(peer.hears().len(), 10_000, "one end each");
    for id in 2..10_002 {
        peer.says(&end(-id, &json("true")));
    }
    peer.must_be_empty();
    assert_eq!(peer.session.counters().glitches, 0);
}

#[test]
fn oddities_are_borne_at_a_rate_and_no_faster() {
    let odd = end(0, &json("true"));
    let wire = [raw_header(0b0100, 1, 0).as_slice(), b"1", &odd].concat();
    let mut patient =
        Peer::new(config(|limits| (limits.glitches_max, limits.glitches_per_second) = (100, 10)));
    for _ in 0..1000 {
        patient.waits(Duration::from_millis(200)).expect("alive");
        patient.says(&wire);
    }
    let mut flooded =
        Peer::new(config(|limits| (limits.glitches_max, limits.glitches_per_second) = (100, 10)));
    let ended = (0..1000).find_map(|turn| flooded.tries(&wire).err().map(|error| (turn >= 50, error)));
    assert_eq!(ended, Some((true, SessionError::Glitches)));
    flooded.must_hear(["goodbye"]);
    assert_eq!(flooded.tries(&wire), Err(SessionError::Glitches), "and stays ended");
}

#[test]
fn a_pool_shared_by_sessions_refuses_streams_when_it_is_short_and_gets_all_back() {
    let pool = Pool::new(100_000);
    let mut full = Peer::new(Config::default());
    let mut other = Peer::new(Config::default());
    full.session.share(pool.clone());
    other.session.share(pool.clone());
    let key = full.opens(2, Halves::RECV);
    full.says(&data(2, &binary(86_000)));
    other.says(&data(2, &json("{}")));
    assert_eq!(other.session.counters().streams_refused, 1);
    assert!(other.hears()[0].starts_with("-2 end json"));
    assert_eq!(full.drains(key).0, 1);
    other.opens(3, Halves::BOTH);
    full.says(&data(2, &binary(50_000)));
    full.session.handle_closed(SessionError::Truncated);
    full.session.release(key);
    assert_eq!(pool.used(), 0);
}

#[test]
fn a_stream_takes_no_more_than_its_room_and_says_when_there_is_more() {
    let mut peer = Peer::new(config(|limits| limits.stream_send_bytes_max = 10_000));
    let keys = [2, 3].map(|id| peer.opens(id, Halves::SEND));
    assert_eq!(peer.sends(keys[0], 100, 991), 10);
    assert_eq!(peer.sends(keys[1], 1, 991), 1, "others have room of their own");
    assert_eq!(peer.events(), []);
    let _ = peer.hears();
    assert!(peer.events().contains(&Event::Writable(keys[0])));
}

#[test]
fn all_streams_together_take_no_more_than_the_sessions_room_and_all_are_told() {
    let limits = |limits: &mut push_mux::mux::Limits| {
        (limits.stream_send_bytes_max, limits.send_bytes_max) = (10_000, 25_000);
    };
    let mut peer = Peer::new(config(limits));
    let keys: Vec<_> = (2..12).map(|id| peer.opens(id, Halves::SEND)).collect();
    let mut waiting: Vec<_> = keys.iter().copied().filter(|key| peer.sends(*key, 100, 991) < 100).collect();
    assert_eq!(waiting.len(), 10);
    assert!(peer.session.queued_bytes() <= 26_000);
    for _ in 0..20 {
        let _ = peer.hears();
        for event in peer.events() {
            // Whoever is told sends nothing: the others must not wait for it.
            waiting.retain(|key| event != Event::Writable(*key));
        }
    }
    assert_eq!(waiting, []);
}

#[test]
fn a_silent_peer_is_asked_and_then_given_up() {
    let mut config = config(|limits| limits.idle_max = Duration::from_secs(10));
    config.keepalive = Some("{}");
    let mut session = Session::new(config, Time::default());
    let at = |secs: u64| Time::from_micros(secs * 1_000_000);
    assert_eq!(session.next_timeout(), Some(at(4)));
    session.handle_timeout(at(4)).expect("asked");
    let mut output = Output::default();
    session.poll_transmit(at(4), &mut output, 1 << 10);
    assert_eq!(&output.take()[..], [2, 0, 0, 0, 2, 0, 0, 0, 2, b'{', b'}'], "a call");
    assert_eq!(session.next_timeout(), Some(at(10)));
    // The reply is nobody's business, and begins a new silence.
    let mut decoder = Decoder::new(100);
    decoder.push(Bytes::from_static(&[2, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe, b'1']));
    let reply = decoder.next_item().expect("a frame").expect("whole");
    session.handle_item(at(6), reply).expect("welcome");
    assert_eq!(session.poll_event(), None);
    assert_eq!((session.next_timeout(), session.counters().keepalives), (Some(at(10)), 1));
    session.handle_timeout(at(10)).expect("asked again");
    assert_eq!(session.handle_timeout(at(16)), Err(SessionError::Idle));
    assert_eq!(session.next_timeout(), None);
}
