//! Who is served when: control, then what is short, then everybody by turns.

use crate::{
    frames::{ask, json},
    peer::{Peer, config},
};
use bytes::Bytes;
use proptest::prelude::*;
use push_mux::{
    mux::{Config, GATHER_BYTES_MIN, Halves, Outgoing, Output, QUANTUM_BYTES, Sent, StreamKey},
    wire::{Decoder, HEADER_BYTES, Item},
};

/// Bytes of each service, in order: which stream, how much.
fn services(wire: Bytes) -> Vec<(i32, usize)> {
    let mut decoder = Decoder::new(u32::MAX);
    decoder.push(wire);
    let mut services: Vec<(i32, usize)> = Vec::new();
    while let Some(item) = decoder.next_item().expect("frames") {
        let Item::Run(run) = item else { continue };
        let bytes = run.wire.len();
        match services.last_mut() {
            Some((id, sum)) if *id == run.id => *sum += bytes,
            _ => services.push((run.id, bytes)),
        }
    }
    services
}

fn fill(peer: &mut Peer, key: StreamKey, frame: usize) {
    let body = Outgoing::from(vec![b'f'; frame]);
    while peer.session.send(key, &body) == Ok(Sent::Queued) {}
}

/// Small frames move in parts of up to 16 KiB and one frame more; large ones each by itself.
fn unit(frame: usize) -> usize {
    if frame >= GATHER_BYTES_MIN {
        frame + HEADER_BYTES
    } else {
        QUANTUM_BYTES + GATHER_BYTES_MIN + HEADER_BYTES
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn between_two_services_of_a_stream_each_other_gets_a_quantum_and_a_unit(
        frames in prop::collection::vec(prop_oneof![1..200_usize, 2000..60_000_usize], 2..8),
        turn_bytes in prop_oneof![Just(usize::MAX / 2), 1000..100_000_usize],
    ) {
        let mut peer = Peer::new(config(|limits| limits.stream_send_bytes_max = 200 << 10));
        let keys: Vec<_> = (2..).zip(&frames).map(|(id, _)| peer.opens(id, Halves::SEND)).collect();
        for (key, frame) in keys.iter().zip(&frames) {
            fill(&mut peer, *key, *frame);
        }
        let mut output = Output::default();
        let mut wire = Vec::new();
        while peer.session.wants_transmit() {
            peer.session.poll_transmit(peer.now, &mut output, turn_bytes);
            wire.extend_from_slice(&output.take());
        }
        let services = services(wire.into());
        // I6, over any stretch in which both are backlogged.
        for (a, frame_a) in keys.iter().zip(&frames) {
            for (b, frame_b) in keys.iter().zip(&frames) {
                let last = services.iter().rposition(|(id, _)| *id == a.id()).unwrap_or(0);
                let mut between = 0;
                for (id, bytes) in &services[..last] {
                    if *id == a.id() {
                        between = 0;
                    } else if *id == b.id() {
                        between += bytes;
                    }
                    // A visit that could not afford its unit yields nothing and is followed by another.
                    let visits = unit(*frame_a).div_ceil(QUANTUM_BYTES) + 1;
                    prop_assert!(between <= visits * QUANTUM_BYTES + unit(*frame_b));
                }
            }
        }
    }
}

#[test]
fn frames_of_any_size_get_the_same_share_of_bytes() {
    let mut peer = Peer::new(Config::default());
    let sizes = [10, 500, 3000, 40_000];
    let keys: Vec<_> = (2..6).map(|id| peer.opens(id, Halves::SEND)).collect();
    let mut output = Output::default();
    let mut shares = [0_usize; 4];
    for _ in 0..400 {
        for (key, size) in keys.iter().zip(sizes) {
            fill(&mut peer, *key, size);
        }
        peer.session.poll_transmit(peer.now, &mut output, 64 << 10);
        let _ = peer.events();
        for (id, bytes) in services(output.take()) {
            shares[usize::try_from(-id - 2).expect("an id of ours")] += bytes;
        }
    }
    let (least, most) = (shares.iter().min().expect("four"), shares.iter().max().expect("four"));
    assert!(most - least <= most / 10, "{shares:?}");
}

#[test]
fn a_fresh_stream_is_served_before_those_that_wait_with_a_backlog() {
    let mut peer = Peer::new(Config::default());
    let [bulk, other] = [2, 3].map(|id| peer.opens(id, Halves::SEND));
    fill(&mut peer, bulk, 1000);
    let mut output = Output::default();
    peer.session.poll_transmit(peer.now, &mut output, 20_000);
    let _ = output.take();
    assert_eq!(peer.session.send(other, &Outgoing::from("short")), Ok(Sent::Queued));
    peer.session.poll_transmit(peer.now, &mut output, 20_000);
    assert_eq!(services(output.take())[0], (-3, 14));
}

#[test]
fn streams_that_are_always_fresh_do_not_starve_a_backlog() {
    let mut peer = Peer::new(Config::default());
    let bulk = peer.opens(2, Halves::SEND);
    let chatty: Vec<_> = (3..28).map(|id| peer.opens(id, Halves::SEND)).collect();
    let mut output = Output::default();
    let mut served = 0;
    for _ in 0..100 {
        fill(&mut peer, bulk, 1000);
        for key in &chatty {
            let _ = peer.session.send(*key, &Outgoing::from(vec![0; 1000]));
        }
        peer.session.poll_transmit(peer.now, &mut output, 32 << 10);
        let _ = peer.events();
        served +=
            services(output.take()).iter().filter(|(id, _)| *id == -2).map(|(_, bytes)| bytes).sum::<usize>();
    }
    assert!(served >= 100 * (32 << 10) / 9, "an eighth is kept for those who wait: {served}");
}

#[test]
fn ends_grants_and_short_replies_overtake_queued_data() {
    let mut peer = Peer::with_window(1 << 20);
    let bulk = peer.opens(2, Halves::SEND);
    let _ = peer.hears();
    fill(&mut peer, bulk, 4000);
    let sink = peer.opens(3, Halves::RECV);
    peer.session.finish(sink);
    peer.says(&ask(4, &json("{}")));
    let request = peer.request();
    peer.session.reply(request, &Outgoing::from("pong")).expect("short");
    let heard = peer.hears();
    assert_eq!(heard[0], "-3 end json(true)");
    assert_eq!(heard[1], "1 data json([-3,1048576])");
    assert_eq!(heard[2], "-4 ask text(\"pong\")");
    assert!(heard[3].starts_with("-2 data"));
}

#[test]
fn the_order_within_a_stream_is_kept_whatever_overtakes_it() {
    let mut peer = Peer::new(Config::default());
    let key = peer.session.open(Halves::BOTH, &Outgoing::from("open")).expect("open");
    for number in 0..50_u8 {
        let body = vec![number; if number % 3 == 0 { 5000 } else { 10 }];
        let _ = peer.session.send(key, &Outgoing::from(body));
    }
    peer.session.finish(key);
    let heard = peer.hears();
    assert_eq!(heard.first().map(String::as_str), Some("2 data text(\"open\")"));
    assert_eq!(heard.last().map(String::as_str), Some("2 end json(true)"));
    let sizes: Vec<bool> = heard[1..heard.len() - 1].iter().map(|line| line.contains("5000")).collect();
    assert!((0..sizes.len()).all(|at| sizes[at] == (at % 3 == 0)), "{heard:?}");
}
