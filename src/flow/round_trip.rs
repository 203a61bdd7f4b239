/// The round trip of a path, learned from credit: a frame that begins at a total, or beyond it, could be sent only once the
/// grant that raised that total had arrived. (One that begins before it is sent whole, however far it reaches.)
///
/// The kernel's own figure is that of the next hop, which a proxy, a tunnel or an onion route makes a fraction of the
/// path. A sender that has nothing to send makes a sample too long, and none is too short; so the shortest of late counts, and
/// it drifts upwards by a sixteenth a sample, for paths that become longer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoundTrip {
    watched: Option<Watched>,
    micros: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Watched {
    /// The total before the grant.
    total: u64,
    /// When the grant left.
    at_micros: u64,
}

/// A grant that nothing answered for so long says nothing about the path.
const WATCHED_MICROS_MAX: u64 = 10_000_000;

impl RoundTrip {
    /// A grant leaves that raises `total`. Whether it is the one that is watched from now on: there is one at a time.
    pub fn granted(&mut self, total: u64, now_micros: u64) -> bool {
        let is_free = self
            .watched
            .is_none_or(|watched| now_micros.saturating_sub(watched.at_micros) > WATCHED_MICROS_MAX);
        // The first grant meets a sender that may not have begun.
        let is_watched = is_free && total > 0;
        if is_watched {
            self.watched = Some(Watched { total, at_micros: now_micros });
        }
        is_watched
    }

    /// A frame, or a run of them, has arrived on the stream whose grant is watched; so much had before it. Whether that was
    /// the answer.
    pub fn arrived(&mut self, before: u64, now_micros: u64) -> bool {
        let Some(watched) = self.watched.filter(|watched| before >= watched.total) else { return false };
        let sample = now_micros.saturating_sub(watched.at_micros).max(1);
        self.watched = None;
        if sample > WATCHED_MICROS_MAX {
            // Nobody was sending; that is no path.
            return true;
        }
        self.micros = if self.micros == 0 { sample } else { sample.min(self.micros + self.micros / 16 + 1) };
        true
    }

    /// The grant that was watched will never be answered.
    pub fn forget(&mut self) {
        self.watched = None;
    }

    /// The round trip in microseconds; 0 before the first sample.
    #[must_use]
    pub const fn micros(&self) -> u64 {
        self.micros
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_the_time_from_a_grant_to_what_it_allowed() {
        let mut trip = RoundTrip::default();
        assert!(!trip.granted(0, 0), "the first grant is of no use");
        assert!(trip.granted(100, 1000));
        assert!(!trip.granted(200, 1500), "one at a time");
        assert!(!trip.arrived(99, 2000), "that needed no grant");
        assert!(trip.arrived(100, 51_000));
        assert_eq!(trip.micros(), 50_000);
    }

    #[test]
    fn the_shortest_counts_and_drifts_upwards() {
        let mut trip = RoundTrip::default();
        let mut sample = |micros: u64| {
            assert!(trip.granted(1, 0));
            assert!(trip.arrived(2, micros));
            trip.micros()
        };
        assert_eq!(sample(1600), 1600);
        assert_eq!(sample(1000), 1000);
        assert_eq!(sample(1_000_000), 1063);
        assert_eq!(sample(1010), 1010);
    }

    #[test]
    fn a_grant_that_nothing_answers_is_given_up() {
        let mut trip = RoundTrip::default();
        assert!(trip.granted(1, 0));
        assert!(!trip.granted(2, WATCHED_MICROS_MAX));
        assert!(trip.granted(2, WATCHED_MICROS_MAX + 1));
        assert!(trip.arrived(2, 3 * WATCHED_MICROS_MAX), "it is over, late as it is");
        assert_eq!(trip.micros(), 0, "and says nothing");
    }
}
