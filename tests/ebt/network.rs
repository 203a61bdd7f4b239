//! Random networks with random faults: in the end everybody has what it wants and can reach.

use crate::{
    net::{Net, feed},
    random::Random,
};
use proptest::prelude::*;
use push_mux::PublicKey;
use std::{collections::BTreeSet, time::Duration};

/// The nodes that can exchange a feed with `from`, over any number of connections.
fn reachable(net: &Net, from: usize, feed: &PublicKey) -> BTreeSet<usize> {
    let takes = |at: usize| net.nodes[at].wants.contains(feed) && !net.blocks.contains(&(*feed, at));
    let mut found = BTreeSet::from([from]);
    loop {
        let next = net
            .conns
            .values()
            .flat_map(|[a, b]| [(*a, *b), (*b, *a)])
            .find(|(a, b)| found.contains(a) && !found.contains(b) && takes(*a) && takes(*b));
        match next {
            Some((_, at)) => found.insert(at),
            None => return found,
        };
    }
}

/// Everybody is as far as anybody that it can exchange the feed with.
fn assert_converged(net: &Net, feeds: usize) {
    for feed in (0..feeds).map(feed) {
        for (at, node) in net.nodes.iter().enumerate() {
            let has = |at: usize| net.nodes[at].clock.get(&feed).copied().unwrap_or(0);
            if !node.wants.contains(&feed) || net.blocks.contains(&(feed, at)) {
                continue;
            }
            let best = reachable(net, at, &feed).into_iter().map(has).max();
            assert_eq!(Some(has(at)), best, "node {at}, feed {feed}");
        }
    }
}

/// One random thing that happens to the network.
fn step(net: &mut Net, random: &mut Random, feeds: usize) {
    let at = random.below(net.nodes.len());
    let some = feed(random.below(feeds));
    let conn = net.conns.keys().copied().nth(random.below(net.conns.len()));
    match random.below(100) {
        // Only the node of a feed's number writes to it.
        0..12 => {
            let author = random.below(net.nodes.len());
            net.append(author, &feed(author), None);
        }
        12..18 => net.connect(at, random.below(net.nodes.len())),
        18..21 => conn.into_iter().for_each(|conn| net.disconnect(conn)),
        21..23 if some != feed(at) => net.set_wanted(at, &some, random.chance(60)),
        23..24 if some != feed(at) => {
            let (left, forgets) = (random.below(5), random.chance(50));
            net.lose(at, &some, u32::try_from(left).expect("few"), forgets);
        }
        24..26 if some != feed(at) => net.set_block(&some, at, random.chance(50)),
        26..28 => conn.into_iter().for_each(|conn| net.set_mute(conn, at, random.chance(50))),
        28..32 => net.pass(Duration::from_millis(random.below(2_000) as u64)),
        32..64 => {
            if let Some(conn) = conn {
                let at = net.conns[&conn][random.below(2)];
                net.write(conn, at, 1 + random.below(4));
            }
        }
        _ => {
            if let Some(conn) = conn {
                let at = net.conns[&conn][random.below(2)];
                net.read(conn, at);
            }
        }
    }
}

fn run(seed: u64) {
    let mut random = Random(seed);
    let mut net = Net::default();
    let nodes = 2 + random.below(5);
    let feeds = nodes + random.below(3);
    for at in 0..nodes {
        let wants: Vec<PublicKey> = (0..feeds).filter(|n| *n == at || random.chance(75)).map(feed).collect();
        net.add_node(wants);
    }
    for _ in 0..random.below(1_500) {
        step(&mut net, &mut random, feeds);
    }
    for (conn, pair) in net.conns.clone() {
        pair.into_iter().for_each(|at| net.set_mute(conn, at, false));
    }
    net.settle(&mut random);
    assert_converged(&net, feeds);
    // What happens from here on is told of, too.
    for at in 0..nodes {
        net.append(at, &feed(at), None);
    }
    net.settle(&mut random);
    assert_converged(&net, feeds);
}

#[test]
fn random_networks_converge() {
    for seed in 0..400 {
        // Shown only when the test fails.
        println!("seed {seed}");
        run(seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn networks_of_any_seed_converge(seed in any::<u64>()) {
        run(seed);
    }
}

#[test]
fn a_second_connection_names_only_what_changed() {
    let mut random = Random(1);
    let mut net = Net::default();
    for _ in 0..2 {
        net.add_node((0..50).map(feed));
    }
    for number in 0..50 {
        net.append(0, &feed(number), None);
    }
    net.connect(0, 1);
    net.settle(&mut random);
    assert_converged(&net, 50);
    // The side that sent does not know that it arrived, so it takes an idle connection to agree.
    for _ in 0..2 {
        net.disconnect(*net.conns.keys().next().expect("one"));
        net.connect(0, 1);
        net.settle(&mut random);
    }
    let (notes, messages) = (net.notes_sent, net.messages_sent);
    net.disconnect(*net.conns.keys().next().expect("one"));
    net.connect(0, 1);
    net.settle(&mut random);
    assert_eq!((net.notes_sent - notes, net.messages_sent - messages), (2, 0), "two empty notes");
}

#[test]
fn a_peer_that_stalls_is_left_for_another() {
    let mut random = Random(1);
    let mut net = Net::default();
    for _ in 0..3 {
        net.add_node([feed(0)]);
    }
    for at in [0, 1] {
        (0..20).for_each(|_| net.append(at, &feed(0), None));
    }
    net.connect(0, 2);
    net.set_mute(1, 0, true);
    // It is asked before there is another.
    while net.write(1, 2, 1) || net.read(1, 0) || net.write(1, 0, 1) || net.read(1, 2) {}
    net.connect(1, 2);
    net.settle(&mut random);
    assert_eq!(net.nodes[2].clock.get(&feed(0)), Some(&20));
    // The last deadline is that of the peer that did bring it.
    assert_eq!(net.now, Duration::from_secs(6));
}

#[test]
fn a_live_message_crosses_each_line_of_a_ring_once_at_the_most() {
    let mut random = Random(1);
    let mut net = Net::default();
    for _ in 0..4 {
        net.add_node([feed(0)]);
    }
    for at in 0..4 {
        net.connect(at, (at + 1) % 4);
    }
    net.append(0, &feed(0), None);
    net.settle(&mut random);
    let before = net.messages_sent;
    for _ in 0..50 {
        net.append(0, &feed(0), None);
        net.settle(&mut random);
    }
    assert_converged(&net, 1);
    // The node across hears of each message from two sides at about the same time, and may change its mind under way.
    assert!(net.messages_sent - before <= 4 * 50, "{}", net.messages_sent - before);
}
