//! The arithmetic of credit, property by property. The numbers of the invariants are those of the design.

use proptest::prelude::*;
use push_mux::flow::{
    Budget, CREDIT_MAX, GRANT_STEP_BYTES_MIN, GrantRule, Overdraft, Pool, Receiver, Sender, Tuner,
    TunerSample, credit_from_number,
};

/// A sender and a receiver with nothing but numbers in between.
struct Half {
    sender: Sender,
    receiver: Receiver,
    in_flight: u64,
    overdraft: u64,
    grants: u64,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Send(u64),
    Arrive,
    Consume(u64),
    Grant(u64),
    Window(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (10..3000_u64).prop_map(Step::Send),
        4 => Just(Step::Arrive),
        4 => (0..5000_u64).prop_map(Step::Consume),
        4 => prop_oneof![Just(u64::MAX), 0..4000_u64].prop_map(Step::Grant),
        1 => prop_oneof![Just(1_u64), 1..40_000_u64].prop_map(Step::Window),
    ]
}

impl Half {
    fn new(window: u64, overdraft: u64) -> Self {
        let (sender, receiver) = (Sender::default(), Receiver::new(window));
        Self { sender, receiver, in_flight: 0, overdraft, grants: 0 }
    }

    fn take(&mut self, step: Step) {
        let advertised = self.receiver.advertised();
        match step {
            Step::Send(cost) => {
                if self.sender.may_send(self.overdraft) {
                    // I1: at each frame something is left; so only that frame overshoots.
                    assert!(self.sender.sent() < self.sender.limit() + self.overdraft);
                    self.sender.spend(cost);
                    assert!(self.sender.sent() < self.sender.limit() + self.overdraft + cost);
                    self.in_flight += cost;
                }
            }
            Step::Arrive => {
                let cost = std::mem::take(&mut self.in_flight);
                let arrived = self.receiver.arrive(cost, self.overdraft + 3000);
                assert_eq!(arrived, Ok(()), "an honest sender is never accused");
            }
            Step::Consume(cost) => {
                let unread = self.receiver.arrived() - self.receiver.consumed();
                self.receiver.consume(cost.min(unread));
            }
            Step::Grant(raise_max) => self.grant(raise_max),
            Step::Window(window) => self.receiver.set_window(window),
        }
        // I2: what may be buffered. I3: what is granted.
        let receiver = &self.receiver;
        assert!(receiver.arrived() <= receiver.advertised().max(receiver.consumed()) + self.overdraft + 3000);
        assert!(receiver.advertised() >= advertised, "credit never falls");
        assert!(receiver.consumed() <= receiver.arrived());
        assert!(self.sender.limit() <= receiver.advertised());
    }

    fn grant(&mut self, raise_max: u64) {
        if !self.receiver.is_due(GrantRule::Quarter) {
            return;
        }
        let before = self.receiver.advertised();
        let wanted = self.receiver.raise_wanted();
        let total = self.receiver.grant(raise_max);
        assert_eq!(total - before, wanted.min(raise_max), "no more than allowed, all that is wanted");
        assert!(wanted >= self.receiver.step(), "I8: no grant is smaller than a step");
        assert!(total <= self.receiver.consumed() + self.receiver.window(), "I3");
        self.sender.raise(total);
        self.grants += 1;
    }

    /// Everything delivered, consumed and granted.
    fn settle(&mut self) {
        self.take(Step::Arrive);
        self.take(Step::Consume(u64::MAX));
        self.grant(u64::MAX);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn limits_hold_in_any_order_of_events(
        window in prop_oneof![Just(1_u64), 1..100_000_u64],
        overdraft in prop_oneof![Just(0_u64), 0..50_000_u64],
        steps in prop::collection::vec(step(), 0..300),
    ) {
        let mut half = Half::new(window, overdraft);
        for step in steps {
            half.take(step);
        }
        // I4: at rest less than a step is unadvertised, so a sender always has credit for one more frame.
        half.settle();
        let receiver = &half.receiver;
        prop_assert!(receiver.raise_wanted() < receiver.step());
        prop_assert!(half.sender.may_send(half.overdraft) || receiver.window() < receiver.step());
    }

    #[test]
    fn a_reader_that_keeps_up_never_stops_its_sender(
        window in 1..200_000_u64, frame in 10..20_000_u64,
    ) {
        let mut half = Half::new(window, 0);
        half.grant(u64::MAX);
        for _ in 0..200 {
            prop_assert!(half.sender.may_send(0), "after each frame was read there is credit for another");
            half.take(Step::Send(frame.min(3000)));
            half.settle();
        }
    }

    #[test]
    fn grants_are_few(window in (8_u64 << 10)..1_000_000, frame in 10..3000_u64) {
        let mut half = Half::new(window, 0);
        half.grant(u64::MAX);
        for _ in 0..2000 {
            half.take(Step::Send(frame));
            half.settle();
        }
        // I8: one per quarter window, and one at open.
        let quarters = half.receiver.consumed() / (window / 4).max(GRANT_STEP_BYTES_MIN);
        prop_assert!(half.grants <= quarters + 1, "{} grants, {quarters} quarters", half.grants);
    }

    #[test]
    fn totals_saturate_and_never_wrap(costs in prop::collection::vec(any::<u64>(), 1..20)) {
        let mut sender = Sender::default();
        let mut receiver = Receiver::new(u64::MAX);
        let mut overdraft = Overdraft::new(u64::MAX, u64::MAX);
        for cost in costs {
            let (sent, limit, advertised) = (sender.sent(), sender.limit(), receiver.advertised());
            sender.raise(cost);
            let _ = sender.may_send(cost);
            sender.spend(cost);
            let _ = receiver.arrive(cost, cost);
            receiver.consume(cost.min(receiver.arrived() - receiver.consumed()));
            let _ = receiver.is_due(GrantRule::Quarter);
            receiver.grant(cost);
            overdraft.learn(limit, cost);
            overdraft.probe();
            prop_assert!(sender.sent() >= sent && sender.limit() >= limit && receiver.advertised() >= advertised);
        }
    }

    #[test]
    fn any_number_is_a_credit_in_range_or_none(number in prop_oneof![any::<f64>(), -1e17..1e17_f64]) {
        match credit_from_number(number) {
            Some(credit) => prop_assert!(credit <= CREDIT_MAX && number >= 0.0),
            None => prop_assert!(number < 0.0 || !number.is_finite()),
        }
    }

    #[test]
    fn a_budget_gives_back_what_was_taken(takes in prop::collection::vec(0..1_u64 << 40, 0..50)) {
        let (mut budget, pool) = (Budget::new(1 << 20), Pool::new(1 << 20));
        let other = pool.clone();
        for bytes in &takes {
            budget.take(*bytes);
            pool.take(*bytes);
            prop_assert_eq!(budget.left(), (1_u64 << 20).saturating_sub(budget.used()));
            prop_assert_eq!(other.used(), budget.used(), "clones share");
        }
        for bytes in takes {
            budget.give(bytes);
            other.give(bytes);
        }
        prop_assert_eq!((budget.used(), pool.used(), pool.percent()), (0, 0, 0));
    }

    #[test]
    fn half_of_a_javascript_window_is_learned_from_any_first_grant(
        window in 1..16_u64 << 20, frame in 10..1_u64 << 20,
    ) {
        let reads = window.div_ceil(2).div_ceil(frame) * frame;
        let mut overdraft = Overdraft::new(0, 4 << 20);
        overdraft.learn(0, reads + window);
        prop_assert!(2 * overdraft.allowed() >= window);
    }

    #[test]
    fn a_tuner_never_doubles_without_half_a_window_and_a_round_trip_of_evidence(
        samples in prop::collection::vec((0..1_000_000_u64, 0..1_u64 << 22), 1..100),
        rtt_micros in 1..1_000_000_u64,
    ) {
        let mut tuner = Tuner::default();
        let (mut now_micros, mut consumed, mut window) = (0, 0, 4_u64 << 10);
        let (mut marked, mut marked_at) = (0, 0);
        for (micros, cost) in samples {
            now_micros += micros;
            consumed += cost;
            let has_evidence = consumed - marked >= window / 2 && now_micros - marked_at >= rtt_micros;
            if has_evidence {
                (marked, marked_at) = (consumed, now_micros);
            }
            if tuner.observe(TunerSample { now_micros, consumed, window, rtt_micros }) {
                prop_assert!(has_evidence);
                window *= 2;
            }
            prop_assert!(window <= (4 << 10) << 40);
            if window > 1 << 40 { break; }
        }
    }
}

#[test]
fn a_window_of_one_byte_lets_one_frame_through_at_a_time() {
    let mut half = Half::new(1, 0);
    for round in 1..=50 {
        half.grant(u64::MAX);
        assert!(half.sender.may_send(0), "round {round}");
        half.take(Step::Send(1000));
        assert!(!half.sender.may_send(0), "one frame and no more");
        half.settle();
    }
}

#[test]
fn a_window_lowered_below_what_is_outstanding_withholds_grants_and_takes_nothing_back() {
    let mut receiver = Receiver::new(100_000);
    assert_eq!(receiver.grant(u64::MAX), 100_000);
    receiver.set_window(1000);
    assert_eq!(receiver.raise_wanted(), 0);
    assert!(!receiver.is_due(GrantRule::Quarter));
    assert_eq!(receiver.grant(u64::MAX), 100_000, "granted is granted");
    receiver.arrive(100_000, 0).expect("all of it was granted");
    receiver.consume(99_400);
    assert!(!receiver.is_due(GrantRule::Quarter), "600 bytes are still out");
    receiver.consume(600);
    assert!(receiver.is_due(GrantRule::Quarter));
    assert_eq!(receiver.grant(u64::MAX), 101_000);
}

#[test]
fn a_sender_past_all_tolerance_is_accused_with_the_numbers() {
    let mut receiver = Receiver::new(1000);
    receiver.grant(u64::MAX);
    assert_eq!(receiver.arrive(1500, 500), Ok(()), "the limit itself is allowed");
    let violation = receiver.arrive(1, 500).expect_err("one past it");
    assert_eq!((violation.arrived, violation.allowed), (1501, 1500));
    assert_eq!(receiver.arrived(), 1501, "and counted all the same");
}

#[test]
fn the_rule_of_javascript_grants_only_half_a_window_past_exhaustion() {
    let mut receiver = Receiver::new(1000);
    assert!(!receiver.is_due(GrantRule::AfterExhaustion), "nothing at open");
    receiver.arrive(500, 1000).expect("tolerated");
    receiver.consume(499);
    assert!(!receiver.is_due(GrantRule::AfterExhaustion));
    receiver.consume(1);
    assert!(receiver.is_due(GrantRule::AfterExhaustion));
    assert_eq!(receiver.grant(u64::MAX), 1500);
}

#[test]
fn credit_past_two_to_the_fifty_three_is_read_as_the_largest() {
    for number in [9_007_199_254_740_992.0, 1e17, 1e308] {
        assert_eq!(credit_from_number(number), Some(CREDIT_MAX));
    }
    assert_eq!(credit_from_number(9_007_199_254_740_991.0), Some(CREDIT_MAX));
    assert_eq!(credit_from_number(-0.0), Some(0));
    assert_eq!(credit_from_number(-f64::MIN_POSITIVE), None);
}
