//! A stream, its books of credit, and what happens on it.

use std::collections::VecDeque;

use push_mux::flow::{RoundTrip, Tuner, TunerSample};
use push_mux::mux::{Credit, WINDOW_BYTES_MAX};

use crate::compare::verify::Check;

/// Grants smaller than this are not worth a frame.
const GRANT_BYTES_MIN: u64 = 2 << 10;

/// What happens on a stream.
#[derive(Debug)]
pub(super) enum Role {
    /// The server sends, `due` messages or without end; without a check where what it sends is its own affair.
    Source { check: Option<Check>, opened: Start, due: Option<u32> },
    /// We send numbered messages.
    Sink { next: u32 },
    /// What we send comes back.
    Ping { sent: u32, received: u32, starts: VecDeque<Start> },
    /// One message and the end.
    Once { start: Start, received: u32 },
}

/// When a message was meant to start, and when it did, in nanoseconds of the run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Start {
    pub(super) intended: u64,
    pub(super) actual: u64,
}

/// A stream that we opened.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: i32,
    pub(super) role: Role,
    /// Streams that a script ends or resumes together.
    pub(super) group: u8,
    /// Nobody takes what comes, so nothing is granted.
    pub(super) is_paused: bool,
    pub(super) end_sent: bool,
    /// On the list of streams to grant to.
    pub(super) is_dirty: bool,
    pub(super) inbound: Inbound,
    pub(super) outbound: Outbound,
}

/// What the server may send.
#[derive(Debug)]
pub(super) struct Inbound {
    pub(super) arrived: u64,
    consumed: u64,
    pub(super) advertised: u64,
    pub(super) window: u64,
    tuner: Option<Tuner>,
    trip: RoundTrip,
}

/// What we may send.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    pub(super) sent: u64,
    pub(super) limit: u64,
}

impl Inbound {
    pub(super) fn new(credit: Credit, budget: u64, streams: usize) -> Self {
        Self {
            arrived: 0,
            consumed: 0,
            advertised: 0,
            window: credit.window(budget, streams),
            tuner: matches!(credit, Credit::Auto).then(Tuner::default),
            trip: RoundTrip::default(),
        }
    }

    /// A frame came.
    #[inline]
    pub(super) fn arrive(&mut self, cost: u64, now_ns: u64) {
        self.trip.arrived(self.arrived, now_ns / 1000);
        self.arrived += cost;
    }

    /// All that came was taken; whether a grant is due.
    #[inline]
    pub(super) fn consume(&mut self) -> bool {
        self.consumed = self.arrived;
        let step = (self.consumed + self.window).saturating_sub(self.advertised);
        step >= (self.window / 4).max(GRANT_BYTES_MIN).min(self.window)
    }

    /// The total to grant now. `room` is what windows may still grow by.
    pub(super) fn grant(&mut self, now_ns: u64, room: u64) -> u64 {
        if let Some(tuner) = &mut self.tuner {
            let sample = TunerSample {
                now_micros: now_ns / 1000,
                consumed: self.consumed,
                window: self.window,
                rtt_micros: self.trip.micros(),
            };
            if tuner.observe(sample) && room >= self.window {
                self.window = (self.window * 2).min(WINDOW_BYTES_MAX);
            }
        }
        self.trip.granted(self.advertised, now_ns / 1000);
        self.advertised = self.advertised.max(self.consumed + self.window);
        self.advertised
    }
}

impl Stream {
    pub(super) fn new(id: i32, role: Role, group: u8, inbound: Inbound) -> Self {
        Self {
            id,
            role,
            group,
            is_paused: false,
            end_sent: false,
            is_dirty: false,
            inbound,
            outbound: Outbound::default(),
        }
    }

    /// Whether it is a source with an end of its own.
    pub(super) const fn is_finite(&self) -> bool {
        matches!(self.role, Role::Source { due: Some(_), .. })
    }

    /// Messages whose echo has not come.
    pub(super) fn in_flight(&self) -> usize {
        match &self.role {
            Role::Ping { starts, .. } => starts.len(),
            Role::Once { .. } => 1,
            Role::Source { .. } | Role::Sink { .. } => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_due_when_a_quarter_of_the_window_was_taken() {
        let mut inbound = Inbound::new(Credit::Fixed(65_536), 1 << 20, 1);
        assert!(inbound.consume(), "at the very start");
        assert_eq!(inbound.grant(0, 0), 65_536);
        inbound.arrive(16_383, 0);
        assert!(!inbound.consume());
        inbound.arrive(1, 0);
        assert!(inbound.consume());
        assert_eq!(inbound.grant(0, 0), 65_536 + 16_384);
    }

    #[test]
    fn a_window_of_one_byte_grants_byte_by_byte() {
        let mut inbound = Inbound::new(Credit::Fixed(1), 1 << 20, 1);
        assert!(inbound.consume());
        assert_eq!(inbound.grant(0, 0), 1);
        inbound.arrive(73, 0);
        assert!(inbound.consume());
        assert_eq!(inbound.grant(0, 0), 74);
    }

    #[test]
    fn an_automatic_window_grows_only_within_its_budget() {
        // A window each 50 ms, in quarters: what a sender does that waits for credit.
        let grow = |room| {
            let (mut inbound, mut now) = (Inbound::new(Credit::Auto, 16 << 20, 1), 0);
            inbound.grant(now, room);
            for _ in 0..100 {
                now += 12_500_000;
                inbound.arrive(inbound.window / 4, now);
                if inbound.consume() {
                    inbound.grant(now, room);
                }
            }
            inbound.window
        };
        assert_eq!(grow(0), 64 << 10);
        assert!(grow(16 << 20) > 64 << 10);
    }
}
