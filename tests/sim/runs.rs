//! Two sessions of our own, whatever the line and whatever the windows.

use crate::{for_seeds, line::Line, node::Node, random::Random};
use push_mux::mux::{Config, ControlMode, Credit, Limits};

/// Virtual time after which a run that is not over has failed: two hours.
const MICROS_MAX: u64 = 7_200_000_000;

fn config(random: &mut Random, control: ControlMode) -> Config {
    let credit = match random.below(3) {
        0 => Credit::Auto,
        1 => Credit::Fixed(1 + random.below(3)),
        _ => Credit::Fixed(random.spread(10, 1 << 20)),
    };
    let limits = Limits {
        receive_bytes_max: random.spread(64 << 10, 16 << 20),
        stream_send_bytes_max: usize::try_from(random.spread(1000, 64 << 10)).expect("small"),
        send_bytes_max: usize::try_from(random.spread(2000, 1 << 20)).expect("small"),
        requests_in_max: random.size(60) + 4,
        // A slow reader is no fault here.
        pause_max: std::time::Duration::from_secs(3600),
        replies_pause_max: std::time::Duration::from_secs(3600),
        idle_max: std::time::Duration::MAX,
        ..Limits::default()
    };
    Config { credit, control, limits, ..Config::default() }
}

fn run(seed: u64) {
    let mut random = Random::new(seed);
    let mut lines = [Line::new(&mut random), Line::new(&mut random)];
    let rtt = lines[0].latency() + lines[1].latency();
    let modes = [ControlMode::Offer, ControlMode::Respond, ControlMode::Off];
    let mut nodes = [0, 1].map(|_| {
        let mode = random.pick(&modes);
        Node::new(config(&mut random, mode), rtt)
    });
    let is_fickle = random.one_in(3);
    for node in &mut nodes {
        node.app.is_fickle = is_fickle;
        let streams = random.spread(1, 16);
        node.app.to_open = (0..streams).map(|_| random.next() >> 16).collect();
        let asks = random.below(20);
        node.app.to_ask = (0..asks).map(|_| random.next()).collect();
    }
    let streams: usize = nodes.iter().map(|node| node.app.to_open.len()).sum();
    simulate(&mut nodes, &mut lines, &mut random);
    for node in &nodes {
        node.must_be_clean();
    }
    let ended: u32 = nodes.iter().map(|node| node.app.completed + node.app.torn).sum();
    assert!(ended as usize >= streams, "each stream came to an end on both sides");
    if !is_fickle {
        assert_eq!(ended as usize, 2 * streams);
        assert!(nodes.iter().all(|node| node.app.torn == 0));
    }
}

/// Runs until everybody is idle.
fn simulate(nodes: &mut [Node; 2], lines: &mut [Line; 2], random: &mut Random) {
    let mut now = 1;
    for _ in 0..3_000_000 {
        let mut moved = 0;
        for (side, node) in nodes.iter_mut().enumerate() {
            let [first, second] = lines;
            let (out, input) = if side == 0 { (first, second) } else { (second, first) };
            moved += node.turn(now, input, out, random);
        }
        let is_quiet = lines.iter().all(Line::is_empty);
        if is_quiet && nodes.iter().all(Node::is_idle) {
            return;
        }
        if moved == 0 {
            let arrivals = lines.iter().filter_map(Line::next_at);
            let pauses = lines.iter().filter_map(|line| line.pause_ends(now));
            let timers = nodes.iter().filter_map(|node| node.next_at(now));
            let next = arrivals.chain(pauses).chain(timers).filter(|at| *at > now).min();
            now = next.unwrap_or(now + 1000);
        }
        assert!(
            now < MICROS_MAX,
            "stuck: {:?} streams open",
            [0, 1].map(|side| nodes[side].app.open_streams())
        );
    }
    panic!("two ends talk for ever");
}

#[test]
fn two_of_ours_complete_over_any_line() {
    for_seeds("two of ours", 15, run);
}
