//! push-mux 1.0.7 against itself, which shows that the model deadlocks where the real one does, and against us, where
//! nothing may.

use crate::{
    for_seeds,
    js::Js,
    line::Line,
    node::Node,
    plan::{Flow, Plan},
    random::Random,
};
use push_mux::mux::{Config, ControlMode, Credit, Limits};

const MICROS_MAX: u64 = 36_000_000_000;

/// A plan of even frames in one direction; both ends must be told of it by its seed, so one is looked for.
fn even_source(random: &mut Random) -> Plan {
    loop {
        let plan = Plan::new(random.next() >> 16);
        if matches!(plan, Plan { out: None, back: Some(Flow { is_even: true, frames: 50.., .. }), .. }) {
            return plan;
        }
    }
}

/// Whether JavaScript to JavaScript completes, by arithmetic: the sender stops at the first frame past its half, the
/// receiver grants at the first past its own. All doubled.
fn completes(sender: u64, receiver: u64, frame: u64, frames: u64) -> bool {
    let past = |half: u64| half.div_ceil(2 * frame) * frame;
    let mut credit = 0;
    loop {
        let (stop, need) = (past(2 * credit + sender), past(2 * credit + receiver));
        if stop >= frame * frames {
            return true;
        }
        if stop < need {
            return false;
        }
        credit = need + receiver;
    }
}

/// Two JavaScript ends, one of which opens a source; says whether it completes.
fn js_completes(sender: u64, receiver: u64, plan: Plan) -> bool {
    let mut random = Random::new(plan.seed);
    let mut ends = [Js::new(receiver, 1 << 20, false), Js::new(sender, 1 << 20, false)];
    ends[0].to_open.push(plan);
    let mut lines = [Line::with(1, 64 << 20), Line::with(1, 64 << 20)];
    let mut quiet = 0;
    for now in 1.. {
        let [opener, server] = &mut ends;
        let [there, back] = &mut lines;
        let moved = opener.turn(now, back, there, &mut random) + server.turn(now, there, back, &mut random);
        quiet = if moved == 0 { quiet + 1 } else { 0 };
        if quiet > 20 {
            break;
        }
    }
    ends[0].completed == 1
}

#[test]
fn the_model_deadlocks_exactly_where_the_closed_form_says() {
    let mut random = Random::new(7);
    let mut stuck = 0;
    for _ in 0..120 {
        let plan = even_source(&mut random);
        let flow = plan.back.expect("a source");
        let (sender, receiver) = (random.spread(1, 1 << 18), random.spread(1, 1 << 18));
        let expected = completes(sender, receiver, flow.bytes_max as u64 + 9, u64::from(flow.frames));
        assert_eq!(js_completes(sender, receiver, plan), expected, "{sender} {receiver} {flow:?}");
        stuck += u32::from(!expected);
    }
    assert!(stuck >= 10, "the draw has deadlocks in it: {stuck}");
    assert!(!completes(65_535, 65_537, 64, 10_000) && completes(65_537, 65_535, 64, 10_000));
    assert!(!completes(5120, 65_536, 200, 5000) && completes(65_536, 65_536, 200, 5000));
}

fn node(credit: Credit, control: ControlMode, rtt: u64) -> Node {
    // Lines are slow enough here for a peer to have nothing to say for long.
    let limits = Limits { idle_max: std::time::Duration::MAX, ..Limits::default() };
    Node::new(Config { credit, control, limits, ..Config::default() }, rtt)
}

/// Runs a session of ours and a JavaScript end until both are done.
fn simulate(node: &mut Node, js: &mut Js, lines: &mut [Line; 2], random: &mut Random) {
    let mut now = 1;
    for _ in 0..5_000_000 {
        let [out, input] = lines;
        let moved = node.turn(now, input, out, random) + js.turn(now, out, input, random);
        if node.is_idle() && js.is_done() && lines.iter().all(Line::is_empty) {
            return;
        }
        if moved == 0 {
            let arrivals = lines.iter().filter_map(Line::next_at);
            let pauses = lines.iter().filter_map(|line| line.pause_ends(now));
            let timers = [node.next_at(now), js.next_at(now)].into_iter().flatten();
            let next = arrivals.chain(pauses).chain(timers).filter(|at| *at > now).min();
            now = next.unwrap_or(now + 1000);
        }
        assert!(now < MICROS_MAX, "stuck with {} streams", node.app.open_streams());
    }
    panic!("two ends talk for ever");
}

fn run(seed: u64) {
    let mut random = Random::new(seed);
    let mut lines = [Line::new(&mut random), Line::new(&mut random)];
    let rtt = lines[0].latency() + lines[1].latency();
    let credit = if random.one_in(3) { Credit::Auto } else { Credit::Fixed(random.spread(1, 1 << 20)) };
    let control = random.pick(&[ControlMode::Offer, ControlMode::Respond, ControlMode::Off]);
    let mut node = node(credit, control, rtt);
    let theirs = random.spread(1, 1 << 20);
    let socket_bytes_max = usize::try_from(random.spread(100, 64 << 10)).expect("small");
    // Without flow control nothing un-sticks a writer that met a full socket: that is its own affair.
    let has_drain_bug = control != ControlMode::Off && random.one_in(2);
    let mut js = Js::new(theirs, socket_bytes_max, has_drain_bug);
    js.is_slow = random.one_in(2);
    let streams = random.spread(1, 6);
    node.app.to_open = (0..streams).map(|_| random.next() >> 16).collect();
    js.to_open = (0..random.below(5)).map(|_| Plan::new(random.next() >> 16)).collect();
    let streams = node.app.to_open.len() + js.to_open.len();
    simulate(&mut node, &mut js, &mut lines, &mut random);
    node.must_be_clean();
    assert_eq!((node.app.completed as usize, js.completed), (streams, streams));
}

#[test]
fn javascript_and_we_complete_with_any_credits_over_any_line() {
    for_seeds("javascript and we", 15, run);
}

#[test]
fn pairs_that_deadlock_between_two_of_javascript_complete_with_us_on_either_side() {
    let mut random = Random::new(11);
    let mut pairs = 0;
    while pairs < 25 {
        let plan = even_source(&mut random);
        let flow = plan.back.expect("a source");
        let (sender, receiver) = (random.spread(1, 1 << 19), random.spread(1, 1 << 20));
        if completes(sender, receiver, flow.bytes_max as u64 + 9, u64::from(flow.frames)) {
            continue;
        }
        pairs += 1;
        let lines = || [Line::with(20_000, 1 << 20), Line::with(20_000, 1 << 20)];
        // We read what JavaScript sends.
        let (mut we, mut js) =
            (node(Credit::Fixed(receiver), ControlMode::Offer, 40_000), Js::new(sender, 16 << 10, false));
        we.app.to_open.push(plan.seed);
        simulate(&mut we, &mut js, &mut lines(), &mut random);
        // JavaScript reads what we send.
        let (mut we, mut js) =
            (node(Credit::Fixed(sender), ControlMode::Respond, 40_000), Js::new(receiver, 16 << 10, false));
        js.to_open.push(plan);
        simulate(&mut we, &mut js, &mut lines(), &mut random);
        we.must_be_clean();
    }
}
