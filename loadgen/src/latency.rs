//! Recording how long calls took.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::row::Latency;

/// Longest time told apart from longer ones: one minute, in nanoseconds.
const LONGEST_NS: u64 = 60_000_000_000;

/// Three significant digits: a percentile is within 0.1 % of the true value.
const DIGITS: u8 = 3;

/// Collects durations and answers percentiles.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    histogram: Histogram<u64>,
}

impl Recorder {
    /// An empty recorder; its memory does not grow with the number of calls.
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_NS, DIGITS).expect("constant bounds are valid");
        Self { histogram }
    }

    /// Notes one call, measured from its intended start. Anything over a minute counts as a minute.
    pub(crate) fn record(&mut self, took: Duration) {
        self.histogram.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds what another recorder collected.
    pub(crate) fn add(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("recorders have the same bounds");
    }

    /// The percentiles of all that was recorded; nothing when nothing was.
    pub(crate) fn latency(&self) -> Option<Latency> {
        if self.histogram.is_empty() {
            return None;
        }
        let at = |quantile| self.histogram.value_at_quantile(quantile) as f64 / 1e3;
        Some(Latency {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: self.histogram.max() as f64 / 1e3,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_microseconds_within_the_stated_precision() {
        let mut recorder = Recorder::new();
        for micros in 1..=1000 {
            recorder.record(Duration::from_micros(micros));
        }
        let latency = recorder.latency().expect("a thousand calls");
        for (got, want) in
            [(latency.p50, 500.0), (latency.p90, 900.0), (latency.p99, 990.0), (latency.max, 1000.0)]
        {
            assert!((got - want).abs() <= want * 0.001, "{got} is not {want}");
        }
    }

    #[test]
    fn an_hour_counts_as_a_minute_and_nothing_as_nothing() {
        let mut recorder = Recorder::new();
        assert!(recorder.latency().is_none());
        recorder.record(Duration::from_secs(3600));
        let mut sum = Recorder::new();
        sum.add(&recorder);
        let max = sum.latency().expect("one call").max;
        assert!((59e6..61e6).contains(&max), "{max}");
    }
}
