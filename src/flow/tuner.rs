/// Decides when a window is too small for the path, from what a reader consumed between two grants.
///
/// Rule: the window doubles when it is consumed at more than half a window a round trip. A sender that waits for credit moves a whole
/// window in a round trip, so a window comes to hold twice what the path does. (One that has no more to send can make
/// a round trip seem longer than it is, and so look the same; it is stopped by what follows, after two doublings.) After a doubling it must have paid: growth goes on only while the rate rises by a tenth, or queues
/// would grow where the network is the limit, not the window (grpc-go's estimator stops for the same reason).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tuner {
    /// Where the present half-window began: consumed total, and time in microseconds.
    mark_consumed: u64,
    mark_micros: u64,
    /// Rate of the half-window before the last doubling, bytes per second; 0 when none was measured.
    rate_before: u64,
    /// Doublings in a row that did not pay.
    barren: u8,
}

/// What a tuner looks at when a grant is due.
#[derive(Clone, Copy, Debug)]
pub struct TunerSample {
    /// Now, in microseconds since any fixed point.
    pub now_micros: u64,
    /// The receiver's consumed total.
    pub consumed: u64,
    /// The present window.
    pub window: u64,
    /// Round trip in microseconds.
    pub rtt_micros: u64,
}

/// Two doublings without gain stop the growth until the stream has been idle.
const BARREN_MAX: u8 = 2;

/// A pause this long starts the measurement anew.
const IDLE_MICROS: u64 = 10_000_000;

impl Tuner {
    /// Looks at a sample; says whether the window should double.
    pub fn observe(&mut self, sample: TunerSample) -> bool {
        let consumed = sample.consumed.saturating_sub(self.mark_consumed);
        if consumed < sample.window / 2 {
            return false;
        }
        let micros = sample.now_micros.saturating_sub(self.mark_micros).max(1);
        if micros < sample.rtt_micros {
            // Frames come in bursts as long as a round trip allows: within one the rate is the line's, not the window's.
            return false;
        }
        self.mark_consumed = sample.consumed;
        self.mark_micros = sample.now_micros;
        if micros > IDLE_MICROS {
            // The path may be another by now; one doubling in vain is enough to find that it is not.
            self.rate_before = 0;
            self.barren = self.barren.min(BARREN_MAX - 1);
            return false;
        }
        // Half a window in a round trip, whatever the piece that was measured.
        let is_fast = u128::from(consumed) * u128::from(2 * sample.rtt_micros.max(1))
            > u128::from(sample.window) * u128::from(micros);
        if !is_fast || self.barren >= BARREN_MAX {
            return false;
        }
        let rate = consumed.saturating_mul(1_000_000) / micros;
        let paid = rate >= self.rate_before + self.rate_before / 10;
        self.barren = if paid { 0 } else { self.barren + 1 };
        self.rate_before = self.rate_before.max(rate);
        self.barren < BARREN_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(now_micros: u64, consumed: u64, window: u64) -> TunerSample {
        TunerSample { now_micros, consumed, window, rtt_micros: 50_000 }
    }

    #[test]
    fn a_window_that_limits_a_long_path_doubles_until_it_no_longer_pays() {
        let mut tuner = Tuner::default();
        let (mut window, mut consumed, mut now) = (64_u64 << 10, 0, 1_000_000_000);
        tuner.observe(sample(now, consumed, 0));
        // One window a round trip, until 8 MiB a round trip is what the path gives.
        for _ in 0..200 {
            let step = (window / 2).min(4 << 20);
            now += 50_000 * step / window.min(8 << 20);
            consumed += step;
            if tuner.observe(sample(now, consumed, window)) {
                window *= 2;
            }
        }
        assert!(window >= 8 << 20, "{window}");
        assert!(window <= 64 << 20, "{window}");
    }

    #[test]
    fn a_whole_window_that_comes_at_once_in_each_round_trip_is_enough() {
        let mut tuner = Tuner::default();
        tuner.observe(sample(0, 0, 0));
        assert!(tuner.observe(sample(50_000, 64 << 10, 64 << 10)));
        assert!(tuner.observe(sample(100_000, 192 << 10, 128 << 10)));
    }

    #[test]
    fn a_sender_that_is_not_limited_gets_no_more() {
        let mut tuner = Tuner::default();
        // A quarter of a window in each round trip.
        for turn in 1..100 {
            assert!(!tuner.observe(sample(turn * 100_000, turn << 15, 64 << 10)));
        }
    }
}
