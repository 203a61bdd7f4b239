//! Grants given and taken, and what becomes of numbers that are no credit.

use crate::{
    frames::{binary, data, end, json, text},
    peer::{Peer, config, is_writable, offering},
};
use push_mux::mux::{
    Config, ControlMode, Credit, Event, Halves, Outgoing, Received, Sent, SessionError, error_body,
};
use std::time::Duration;

/// A session that serves a source and has spent its overdraft of 500.
fn blocked_sender() -> (Peer, push_mux::mux::StreamKey) {
    let mut peer = Peer::with_window(1000);
    let key = peer.opens(2, Halves::SEND);
    assert_eq!(peer.sends(key, 100, 91), 5);
    let _ = (peer.hears(), peer.events());
    (peer, key)
}

#[test]
fn a_stream_that_expects_data_is_granted_its_window_at_open() {
    let mut peer = Peer::with_window(5000);
    peer.opens(2, Halves::RECV);
    peer.opens(3, Halves::SEND);
    peer.opens(4, Halves::BOTH);
    let _ = peer.opens_unaccepted(5);
    peer.must_hear(["1 data json([-2,5000,-4,5000])"]);
}

#[test]
fn no_grant_overtakes_the_opening_it_is_for() {
    let mut peer = Peer::with_window(5000);
    for _ in 0..2 {
        let key = peer.session.open(Halves::RECV, &Outgoing::from("source")).expect("open");
        let id = key.id();
        peer.must_hear([&format!("{id} data text(\"source\")"), &format!("1 data json([{id},5000])")]);
    }
}

#[test]
fn a_quarter_of_the_window_read_is_granted_again_and_less_is_not() {
    let mut peer = Peer::with_window(40_000);
    let key = peer.opens(2, Halves::RECV);
    let _ = peer.hears();
    peer.says(&data(2, &binary(9990)));
    peer.must_hear([]);
    assert_eq!(peer.drains(key).0, 1);
    peer.must_hear([]);
    peer.says(&data(2, &binary(1)));
    assert_eq!(peer.drains(key).0, 1);
    peer.must_hear(["1 data json([-2,50009])"]);
}

#[test]
fn what_was_not_read_earns_nothing() {
    let mut peer = Peer::with_window(4000);
    peer.opens(2, Halves::RECV);
    let _ = peer.hears();
    peer.says(&data(2, &binary(3991)));
    peer.must_hear([]);
    assert_eq!(peer.session.committed_bytes(), 4000);
}

#[test]
fn credit_is_for_data_alone() {
    let (mut peer, key) = blocked_sender();
    assert_eq!(peer.session.stream_totals(key), Some((500, 0)), "five frames, headers counted, opening free");
    peer.session.finish(key);
    peer.must_hear(["-2 end json(true)"]);
}

#[test]
fn whether_a_body_would_be_taken_is_known_before_there_is_one() {
    let mut peer = Peer::with_window(1000);
    let key = peer.opens(2, Halves::SEND);
    assert_eq!(peer.session.may_send(key), Ok(Sent::Queued));
    assert_eq!(peer.sends(key, 100, 91), 5);
    let _ = (peer.hears(), peer.events());
    assert_eq!(peer.session.may_send(key), Ok(Sent::Blocked));
    peer.says(&data(1, &json("[2,100]")));
    assert!(is_writable(&peer.events(), key), "who asked is told");
    assert_eq!(peer.session.may_send(key), Ok(Sent::Queued));
    peer.session.finish(key);
    assert!(peer.session.may_send(key).is_err());
}

#[test]
fn numbers_that_are_no_credit_change_nothing_and_count_as_oddities() {
    for odd in [
        "[2,-1]",
        "[2,\"20000\"]",
        "[2,null]",
        "[2,[9]]",
        "[[2],9]",
        "[2,1e999]",
        "[9]",
        "[2,true]",
        "[2,{}]",
    ] {
        let (mut peer, key) = blocked_sender();
        peer.says(&data(1, &json(odd)));
        assert_eq!(peer.session.counters().glitches, 1, "{odd}");
        assert_eq!(peer.sends(key, 1, 91), 0, "{odd}");
    }
}

#[test]
fn credit_that_says_nothing_new_changes_nothing() {
    let (mut peer, key) = blocked_sender();
    for old in ["[2,0]", "[]", "[7,1000]", "[-2,9999]", "[1,1000]", "[-1,5]", "[0,5]", "[-2147483648,5]"] {
        peer.says(&data(1, &json(old)));
        assert_eq!(peer.sends(key, 1, 91), 0, "{old}");
    }
    assert!(!is_writable(&peer.events(), key));
}

#[test]
fn credit_never_falls_and_of_duplicates_the_highest_counts() {
    let (mut peer, key) = blocked_sender();
    peer.says(&data(1, &json("[2,100,2,300,2,200]")));
    assert!(is_writable(&peer.events(), key));
    peer.says(&data(1, &json("[2,0]")));
    assert_eq!(peer.sends(key, 100, 91), 3, "up to 300 and half a window");
}

#[test]
fn floats_are_floored_and_giants_clamped() {
    let (mut peer, key) = blocked_sender();
    peer.says(&data(1, &json("[2,100.9]")));
    assert_eq!(peer.sends(key, 100, 91), 1);
    for giant in ["9007199254740992", "1e308", "99999999999999999999999"] {
        peer.says(&data(1, &json(&format!("[2,{giant}]"))));
        assert_eq!(peer.sends(key, 10, 91), 10, "{giant}");
    }
}

#[test]
fn one_frame_may_overshoot_a_credit_of_one_byte() {
    let mut peer = Peer::with_window(1);
    let key = peer.opens(2, Halves::SEND);
    assert_eq!(peer.sends(key, 10, 4000), 0, "no overdraft of half a byte");
    for total in [1, 4010, 8019] {
        peer.says(&data(1, &json(&format!("[2,{total}]"))));
        assert_eq!(peer.sends(key, 10, 4000), 1);
        let _ = peer.hears();
    }
}

#[test]
fn a_window_of_one_byte_earns_a_grant_for_each_frame() {
    let mut peer = Peer::with_window(1);
    let key = peer.opens(2, Halves::RECV);
    peer.must_hear(["1 data json([-2,1])"]);
    for round in 1..5 {
        peer.says(&data(2, &binary(100)));
        assert_eq!(peer.drains(key).0, 1);
        peer.must_hear([&format!("1 data json([-2,{}])", 109 * round + 1)]);
    }
}

#[test]
fn a_grant_on_one_stream_wakes_the_others_whose_overdraft_grew_with_it() {
    let mut peer = Peer::with_window(1000);
    let [first, second] = [2, 3].map(|id| peer.opens(id, Halves::SEND));
    assert_eq!(peer.sends(first, 2, 90_000), 1, "one frame overshoots");
    assert_eq!(peer.sends(second, 100, 91), 5);
    let _ = (peer.hears(), peer.events());
    // A JavaScript receiver with a credit of 100,000 has read 90,009.
    peer.says(&data(1, &json("[2,190009]")));
    assert!(
        is_writable(&peer.events(), second),
        "it may send 50,000 ahead now, and no other grant will tell it"
    );
    assert_eq!(peer.sends(second, 10, 91), 10);
}

#[test]
fn a_peer_that_never_grants_is_probed_up_to_the_bound() {
    let limits = |limits: &mut push_mux::mux::Limits| limits.probe_bytes_max = 8000;
    let mut peer = Peer::controlled(Config { credit: Credit::Fixed(1000), ..config(limits) });
    let key = peer.opens(2, Halves::SEND);
    let mut taken = Vec::new();
    for _ in 0..8 {
        taken.push(peer.sends(key, 1000, 91));
        let _ = peer.hears();
        peer.waits(Duration::from_millis(60)).expect("alive");
    }
    assert_eq!(taken.iter().sum::<usize>(), 80, "{taken:?}");
    assert!(peer.session.counters().probes > 0 && peer.session.next_timeout().is_none());
}

#[test]
fn a_stream_refreshed_when_idle_repeats_its_last_grant_with_growing_waits() {
    let mut peer = Peer::with_window(100_000);
    let key = peer.opens(2, Halves::RECV);
    let _ = peer.hears();
    peer.says(&data(2, &binary(100)));
    assert_eq!(peer.drains(key).0, 1);
    let start = peer.now;
    let mut at = Vec::new();
    for _ in 0..6 {
        peer.now = peer.session.next_timeout().expect("a refresh is armed");
        peer.session.handle_timeout(peer.now).expect("alive");
        if peer.hears().contains(&"1 data json([-2,100109])".to_owned()) {
            at.push(peer.now.since(start).as_millis());
        }
    }
    assert_eq!(at, [100, 500, 2100, 8500, 38_500, 68_500]);
}

#[test]
fn data_read_late_still_arms_the_refresh() {
    let mut peer = Peer::with_window(100_000);
    let key = peer.opens(2, Halves::RECV);
    let _ = peer.hears();
    peer.says(&data(2, &binary(100)));
    peer.lives(Duration::from_secs(1)).expect("alive");
    assert_eq!(peer.drains(key).0, 1);
    assert!(
        peer.session.next_timeout().is_some(),
        "I4: less than a grant is unadvertised, so a refresh is armed"
    );
}

#[test]
fn a_stream_long_idle_does_not_delay_the_refresh_of_another() {
    let mut peer = Peer::with_window(100_000);
    let [old, new] = [2, 3].map(|id| peer.opens(id, Halves::RECV));
    peer.says(&data(2, &binary(100)));
    assert_eq!(peer.drains(old).0, 1);
    peer.lives(Duration::from_secs(60)).expect("alive");
    peer.says(&data(3, &binary(100)));
    assert_eq!(peer.drains(new).0, 1);
    let wait = peer.session.next_timeout().expect("armed").since(peer.now);
    assert!(wait <= Duration::from_millis(100), "{wait:?}");
}

#[test]
fn a_peer_of_our_own_is_not_refreshed() {
    let mut peer = Peer::with_window(100_000);
    peer.says(&data(1, &json(r#"{"push-mux":2,"overdraft":0}"#)));
    let key = peer.opens(2, Halves::RECV);
    peer.says(&data(2, &binary(100)));
    assert_eq!(peer.drains(key).0, 1);
    let _ = peer.hears();
    assert_eq!(peer.session.next_timeout(), None);
}

#[test]
fn a_first_grant_after_an_uncontrolled_beginning_covers_what_was_read() {
    let mut peer = Peer::new(config(|limits| limits.receive_bytes_max = 64 << 10));
    let key = peer.opens(2, Halves::RECV);
    for _ in 0..20 {
        peer.says(&data(2, &binary(9991)));
        assert_eq!(peer.drains(key).0, 1);
    }
    peer.says(&data(1, &text("control")));
    let grant = peer.hears().pop().expect("a grant");
    let total: u64 =
        grant.trim_end_matches("])").rsplit(',').next().and_then(|n| n.parse().ok()).expect("a total");
    assert!(total > 200_000, "200,000 were sent already, {total} would stop the stream for good");
}

#[test]
fn with_the_budget_spent_each_stream_still_gets_one_frame() {
    let limits = |limits: &mut push_mux::mux::Limits| limits.receive_bytes_max = 10_000;
    let mut peer = Peer::controlled(Config { credit: Credit::Fixed(8000), ..config(limits) });
    for id in 2..6 {
        peer.opens(id, Halves::RECV);
    }
    peer.must_hear(["1 data json([-2,8000,-3,2000,-4,1,-5,1])"]);
    assert!(peer.session.committed_bytes() <= 10_000 + 4);
}

#[test]
fn budget_set_free_goes_to_the_streams_that_were_starved() {
    let limits = |limits: &mut push_mux::mux::Limits| limits.receive_bytes_max = 10_000;
    let mut peer = Peer::controlled(Config { credit: Credit::Fixed(8000), ..config(limits) });
    let keys = [2, 3, 4].map(|id| peer.opens(id, Halves::RECV));
    let _ = peer.hears();
    peer.session.release(keys[0]);
    peer.must_hear(["-2 end json(true)", "1 data json([-3,8000,-4,2000])"]);
}

#[test]
fn a_sender_is_cut_off_past_its_credit_and_all_tolerance_and_others_live() {
    let limits = |limits: &mut push_mux::mux::Limits| {
        (limits.overdraft_bytes_max, limits.body_bytes_max) = (2000, 1000);
    };
    let mut peer = Peer::controlled(Config { credit: Credit::Fixed(1000), ..config(limits) });
    let [greedy, other] = [2, 3].map(|id| peer.opens(id, Halves::RECV));
    let _ = peer.hears();
    for _ in 0..40 {
        peer.says(&data(2, &binary(91)));
    }
    assert_eq!(peer.session.counters().window_violations, 0, "4,000 bytes are the very limit");
    peer.says(&data(2, &binary(1)));
    assert_eq!(peer.session.counters().window_violations, 1);
    assert!(matches!(peer.events()[..], [.., Event::Aborted(key, _)] if key == greedy));
    assert!(peer.hears()[0].starts_with("-2 end json({\"message\":\"flow control"));
    for _ in 0..100 {
        peer.says(&data(2, &binary(900)));
    }
    assert_eq!(peer.session.received_bytes(), 0, "what follows is thrown away");
    peer.says(&data(3, &binary(91)));
    assert_eq!(peer.drains(other), (1, Received::Pending));
}

#[test]
fn a_parked_sender_is_told_of_credit_of_the_peers_end_of_ours_and_of_the_last_end() {
    let told = |act: &dyn Fn(&mut Peer, push_mux::mux::StreamKey)| {
        let (mut peer, key) = blocked_sender();
        assert_eq!(peer.sends(key, 1, 91), 0);
        act(&mut peer, key);
        assert!(is_writable(&peer.events(), key));
    };
    told(&|peer, _| peer.says(&data(1, &json("[2,5000]"))));
    told(&|peer, _| peer.says(&end(2, &error_body("enough"))));
    told(&|peer, key| peer.session.cancel(key, None));
    told(&|peer, _| peer.session.handle_closed(SessionError::Truncated));
    told(&|peer, _| drop(peer.tries(&crate::frames::goodbye())));
}

#[test]
fn a_flood_of_credit_frames_ends_the_session_and_one_for_each_data_frame_does_not() {
    let mut peer = Peer::controlled(Config::default());
    let key = peer.opens(2, Halves::SEND);
    for frame in 0..5000 {
        assert_eq!(peer.sends(key, 1, 100), 1, "{frame}");
        // What push-mux does past 2 GiB on a stream.
        peer.says(&data(1, &json(&format!("[2,{}]", 1_000_000 + frame))));
        let _ = peer.hears();
    }
    let mut flood = Peer::controlled(Config::default());
    flood.opens(2, Halves::SEND);
    let ended = (0..1000).find_map(|_| flood.tries(&data(1, &json("[2,1]"))).err());
    assert_eq!(ended, Some(SessionError::CreditFlood));
}

#[test]
fn a_grant_for_each_of_many_streams_we_opened_is_no_flood() {
    let mut peer = Peer::new(Config { control: ControlMode::Offer, ..offering() });
    peer.says(&data(1, &text("control")));
    for id in 2..500 {
        let key = peer.session.open(Halves::SEND, &Outgoing::from("sink")).expect("open");
        let _ = peer.hears();
        peer.says(&data(1, &json(&format!("[-{id},65536]"))));
        peer.session.finish(key);
        peer.session.release(key);
        peer.says(&end(-id, &json("true")));
    }
}

#[test]
fn a_window_grows_while_that_pays_and_only_within_the_budget() {
    let mut peer = Peer::controlled(Config::default());
    peer.says(&data(1, &json(r#"{"push-mux":2,"overdraft":0}"#)));
    peer.session.handle_rtt(Duration::from_millis(50));
    let key = peer.opens(2, Halves::RECV);
    let _ = peer.hears();
    // An hour has passed before anything: idle time is no rate.
    peer.now = peer.now + Duration::from_secs(5);
    let mut wait = 20_000_u64;
    for _ in 0..400 {
        peer.says(&data(2, &binary(60_000)));
        assert_eq!(peer.drains(key).0, 1);
        let _ = peer.hears();
        peer.now = peer.now + Duration::from_micros(wait);
        wait = (wait * 9 / 10).max(500);
    }
    assert!(peer.session.counters().windows_grown > 0);
    assert!(peer.session.committed_bytes() <= peer.session.limits().receive_bytes_max);
}
