use std::time::Duration;

/// Upper bounds of the buckets of a latency, seconds; one more is without bound.
pub const LATENCY_BOUNDS: [f64; 12] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0];

/// How many calls took how long.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Those within each bound and above the one before it, then those above all.
    pub buckets: [u64; LATENCY_BOUNDS.len() + 1],
    /// The sum of all.
    pub sum: Duration,
}

impl Histogram {
    /// Counts one.
    pub fn record(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let at = LATENCY_BOUNDS.iter().position(|bound| seconds <= *bound);
        if let Some(bucket) = self.buckets.get_mut(at.unwrap_or(LATENCY_BOUNDS.len())) {
            *bucket += 1;
        }
        self.sum = self.sum.saturating_add(took);
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Adds what another counted.
    pub fn merge(&mut self, other: &Self) {
        for (own, others) in self.buckets.iter_mut().zip(other.buckets) {
            *own += others;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let mut histogram = Histogram::default();
        for micros in [0, 100, 101, 10_000_000, 10_000_001, 3_600_000_000] {
            histogram.record(Duration::from_micros(micros));
        }
        assert_eq!(histogram.buckets, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(histogram.count(), 6);
        assert_eq!(histogram.sum, Duration::from_micros(3_620_000_202));
    }

    #[test]
    fn merging_is_counting_together() {
        let took = |micros| Duration::from_micros(micros);
        let (mut one, mut other, mut both) =
            (Histogram::default(), Histogram::default(), Histogram::default());
        for micros in [5, 300, 2_000] {
            one.record(took(micros));
            both.record(took(micros));
        }
        for micros in [7, 40_000_000] {
            other.record(took(micros));
            both.record(took(micros));
        }
        one.merge(&other);
        assert_eq!(one, both);
    }
}
