//! When a peer that was lost is dialled again. Pure: time and seeds are arguments.

use std::time::Duration;

/// Before the first dial that follows a failure.
pub const DELAY_MIN: Duration = Duration::from_secs(1);
/// Before every later one, at the most.
pub const DELAY_MAX: Duration = Duration::from_secs(600);
/// How long a connection must have lived for its peer to count as well again. A peer that accepts and hangs up at once is
/// dialled ever more rarely, as one that does not answer.
pub const LIVED_MIN: Duration = Duration::from_secs(60);

/// How long to wait before dial number `attempt` after a loss, from 0: 1 s doubling to 10 minutes, shorter or longer by up to a
/// quarter as `seed` has it, so that the peers of a server that came back do not dial it all at once.
#[must_use]
pub fn next_delay(attempt: u32, seed: u64) -> Duration {
    let doubled = 1_u32.checked_shl(attempt).and_then(|factor| DELAY_MIN.checked_mul(factor));
    let delay = doubled.unwrap_or(DELAY_MAX).min(DELAY_MAX);
    // Three quarters, and up to half of it on top.
    let share = u32::try_from(mix(seed ^ (u64::from(attempt) << 32)) >> 32).unwrap_or(u32::MAX);
    let jitter =
        u64::try_from(delay.as_micros()).unwrap_or(u64::MAX) / 2 * u64::from(share) / u64::from(u32::MAX);
    delay / 4 * 3 + Duration::from_micros(jitter)
}

/// Spreads the bits of a number, so that seeds that differ a little yield delays that differ much (the finaliser of SplitMix64,
/// Steele, Lea and Flood 2014).
const fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The back-off of one peer.
#[derive(Clone, Debug)]
pub struct Keeper {
    seed: u64,
    attempt: u32,
}

impl Keeper {
    /// Of a peer that has not been dialled. Peers, and servers, shall have seeds of their own.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, attempt: 0 }
    }

    /// A dial failed: how long to wait.
    pub fn failed(&mut self) -> Duration {
        let delay = next_delay(self.attempt, self.seed);
        self.attempt = self.attempt.saturating_add(1);
        delay
    }

    /// A connection that lived so long has ended: how long to wait.
    pub fn ended(&mut self, lived: Duration) -> Duration {
        if lived >= LIVED_MIN {
            self.attempt = 0;
        }
        self.failed()
    }

    /// Dials that have failed in a row, short connections included.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempt
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The delay without jitter.
    fn plain(attempt: u32) -> Duration {
        [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
            .get(attempt as usize)
            .map_or(DELAY_MAX, |seconds| Duration::from_secs(*seconds))
    }

    proptest! {
        #[test]
        fn a_delay_is_within_a_quarter_of_its_step(attempt in any::<u32>(), seed: u64) {
            let delay = next_delay(attempt, seed);
            prop_assert!(delay >= plain(attempt) / 4 * 3 && delay <= plain(attempt) / 4 * 5, "{attempt}: {delay:?}");
            prop_assert_eq!(delay, next_delay(attempt, seed));
        }

        #[test]
        fn the_first_steps_double(attempt in 0_u32..14, seed: u64) {
            let delay = next_delay(attempt, seed);
            prop_assert!(delay >= plain(attempt) / 4 * 3 && delay <= plain(attempt) / 4 * 5, "{attempt}: {delay:?}");
        }
    }

    #[test]
    fn neighbouring_seeds_spread_over_the_whole_range() {
        let delays: Vec<_> = (0..1000).map(|seed| next_delay(4, seed)).collect();
        let within = |from: u64, to: u64| {
            delays
                .iter()
                .filter(|delay| (from * 1000..to * 1000).contains(&(delay.as_millis() as u64)))
                .count()
        };
        for from in [12, 14, 16, 18] {
            assert!((150..350).contains(&within(from, from + 2)), "{from} s: {}", within(from, from + 2));
        }
    }

    #[test]
    fn one_peer_is_not_dialled_in_step_with_itself() {
        let mut keeper = Keeper::new(7);
        let shares: Vec<_> =
            (0..12).map(|attempt| keeper.failed().as_secs_f64() / plain(attempt).as_secs_f64()).collect();
        assert!(shares.windows(2).any(|pair| (pair[0] - pair[1]).abs() > 0.1), "{shares:?}");
    }

    #[test]
    fn only_a_connection_that_lived_makes_a_peer_well_again() {
        let mut keeper = Keeper::new(1);
        for attempt in 0..8 {
            assert_eq!(keeper.failed(), next_delay(attempt, 1));
        }
        assert_eq!(keeper.ended(LIVED_MIN - Duration::from_millis(1)), next_delay(8, 1));
        assert_eq!(keeper.attempts(), 9);
        assert_eq!(keeper.ended(LIVED_MIN), next_delay(0, 1));
        assert_eq!(keeper.failed(), next_delay(1, 1));
    }

    #[test]
    fn it_never_overflows() {
        let mut keeper = Keeper { seed: u64::MAX, attempt: u32::MAX };
        assert!(keeper.failed() <= DELAY_MAX / 4 * 5);
        assert_eq!(keeper.attempts(), u32::MAX);
    }
}
