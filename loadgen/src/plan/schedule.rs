//! When messages of an open loop are meant to start.

use super::Arrivals;

/// The intended starts of one connection's messages, in nanoseconds since the run began.
///
/// A start does not move because earlier messages are late: whoever records from it sees a stall in every message that the
/// stall delayed, not only in the one that happened to be on its way (the omission that wrk2 names *coordinated*).
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    arrivals: Arrivals,
    /// Mean time between two starts.
    gap_ns: f64,
    /// Of the next one.
    next_ns: f64,
    random: Random,
}

impl Schedule {
    /// `per_second` messages a second on each of `of` connections together; this is the connection number `at`.
    pub(crate) fn new(arrivals: Arrivals, per_second: f64, at: u32, of: u32, seed: u64) -> Self {
        let connections = f64::from(of.max(1));
        let gap_ns = 1e9 * connections / per_second;
        let mut schedule = Self {
            arrivals,
            gap_ns,
            // Connections take turns within a gap: together they are as even as one would be.
            next_ns: gap_ns * f64::from(at) / connections,
            random: Random::new(seed ^ u64::from(at).wrapping_mul(0x9E37_79B9_7F4A_7C15)),
        };
        if arrivals == Arrivals::Poisson {
            schedule.next_ns = schedule.draw();
        }
        schedule
    }

    /// When the next message is due.
    pub(crate) fn next_ns(&self) -> u64 {
        // Positive and, for runs of less than a month, below 2^53.
        self.next_ns as u64
    }

    /// Takes the next start if it is due at `now_ns`.
    pub(crate) fn take(&mut self, now_ns: u64) -> Option<u64> {
        let start = self.next_ns();
        if start > now_ns {
            return None;
        }
        self.next_ns += match self.arrivals {
            Arrivals::Even => self.gap_ns,
            Arrivals::Poisson => self.draw(),
        };
        Some(start)
    }

    fn draw(&mut self) -> f64 {
        // The unit is never 0, so the logarithm is finite.
        -self.random.unit().ln() * self.gap_ns
    }
}

/// SplitMix64: small, seeded, and the same on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// More than 0 and at most 1.
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(mut schedule: Schedule, until_ns: u64) -> Vec<u64> {
        std::iter::from_fn(|| schedule.take(until_ns)).collect()
    }

    #[test]
    fn even_starts_are_as_far_apart_as_the_rate_says() {
        let all = starts(Schedule::new(Arrivals::Even, 1000.0, 0, 1, 1), 10_000_000);
        assert_eq!(all, (0..=10).map(|at| at * 1_000_000).collect::<Vec<_>>());
    }

    #[test]
    fn connections_share_the_rate_and_take_turns() {
        let mut all: Vec<u64> = (0..4)
            .flat_map(|at| starts(Schedule::new(Arrivals::Even, 1000.0, at, 4, 1), 9_999_999))
            .collect();
        all.sort_unstable();
        assert_eq!(all, (0..10).map(|at| at * 1_000_000).collect::<Vec<_>>());
    }

    #[test]
    fn independent_callers_have_the_rate_and_the_spread_of_their_kind() {
        let all = starts(Schedule::new(Arrivals::Poisson, 10_000.0, 0, 1, 7), 10_000_000_000);
        assert!((all.len() as f64 / 100_000.0 - 1.0).abs() < 0.02, "{}", all.len());
        let gaps: Vec<f64> = all.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // Exponential gaps scatter by as much as they are long.
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.03, "{}", variance.sqrt() / mean);
    }

    #[test]
    fn a_seed_repeats_itself_and_another_does_not() {
        let draw = |seed| starts(Schedule::new(Arrivals::Poisson, 1000.0, 0, 1, seed), 1_000_000_000);
        assert_eq!(draw(5), draw(5));
        assert_ne!(draw(5), draw(6));
    }

    #[test]
    fn nothing_starts_before_its_time_and_nothing_is_lost_when_we_are_late() {
        let mut schedule = Schedule::new(Arrivals::Even, 10.0, 0, 1, 1);
        assert_eq!(schedule.take(0), Some(0));
        assert_eq!(schedule.take(99_999_999), None);
        let late = std::iter::from_fn(|| schedule.take(350_000_000)).collect::<Vec<_>>();
        assert_eq!(late, [100_000_000, 200_000_000, 300_000_000]);
    }
}
