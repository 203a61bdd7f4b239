//! Recording how long messages took.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::de::Error as _;
use serde::{Deserialize, Serialize};

use crate::report::row::Latency;

/// Longest time told apart from longer ones: ten minutes, in nanoseconds.
const LONGEST_NS: u64 = 600_000_000_000;

/// Three significant digits: a percentile is within 0.1 % of the true value.
const DIGITS: u8 = 3;

/// Collects durations and answers percentiles. Its memory does not grow with the number of messages: nothing until the first,
/// 240 KiB then, and a few when [packed](Self::pack).
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorder {
    histogram: Form,
}

#[derive(Clone, Debug, Default)]
enum Form {
    #[default]
    Empty,
    Open(Histogram<u64>),
    Packed(Vec<u8>),
}

fn fresh() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_NS, DIGITS).expect("constant bounds are valid")
}

impl Recorder {
    /// An empty recorder.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Notes one message, measured from its intended start.
    pub(crate) fn record(&mut self, took: Duration) {
        self.record_ns(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The same in nanoseconds. What is longer than can be told apart counts as the longest.
    #[inline]
    pub(crate) fn record_ns(&mut self, took: u64) {
        self.open().saturating_record(took);
    }

    fn open(&mut self) -> &mut Histogram<u64> {
        match &self.histogram {
            Form::Open(_) => {}
            Form::Empty => self.histogram = Form::Open(fresh()),
            Form::Packed(bytes) => self.histogram = Form::Open(unpack(bytes).unwrap_or_else(fresh)),
        }
        match &mut self.histogram {
            Form::Open(histogram) => histogram,
            Form::Empty | Form::Packed(_) => unreachable!("it was opened above"),
        }
    }

    /// The histogram itself, unless nothing was recorded.
    pub(crate) fn histogram(&self) -> Option<Histogram<u64>> {
        match &self.histogram {
            Form::Empty => None,
            Form::Open(histogram) => (!histogram.is_empty()).then(|| histogram.clone()),
            Form::Packed(bytes) => unpack(bytes),
        }
    }

    /// Keeps it in few bytes until it is asked again.
    pub(crate) fn pack(&mut self) {
        if let Form::Open(histogram) = &self.histogram {
            self.histogram = if histogram.is_empty() { Form::Empty } else { Form::Packed(packed(histogram)) };
        }
    }

    /// Adds what another recorder collected.
    pub(crate) fn add(&mut self, other: &Self) {
        match &other.histogram {
            Form::Empty => {}
            Form::Open(histogram) => self.open().add(histogram).expect("recorders have the same bounds"),
            Form::Packed(bytes) => {
                if let Some(histogram) = unpack(bytes) {
                    // What was packed has the same bounds too; what came from elsewhere was checked when it was read.
                    let _same_bounds = self.open().add(&histogram);
                }
            }
        }
    }

    /// Forgets everything and keeps its room.
    pub(crate) fn clear(&mut self) {
        if let Form::Open(histogram) = &mut self.histogram {
            histogram.clear();
        } else {
            self.histogram = Form::Empty;
        }
    }

    /// Whether nothing was recorded.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.histogram {
            Form::Empty => true,
            Form::Open(histogram) => histogram.is_empty(),
            Form::Packed(_) => false,
        }
    }

    /// How many were recorded.
    #[cfg(test)]
    pub(crate) fn count(&self) -> u64 {
        self.histogram().map_or(0, |histogram| histogram.len())
    }

    /// The percentiles of all that was recorded; nothing when nothing was.
    pub(crate) fn latency(&self) -> Option<Latency> {
        let histogram = self.histogram()?;
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        Some(Latency {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max() as f64 / 1e3,
        })
    }

    /// The 99th percentile in microseconds; 0 when nothing was recorded.
    pub(crate) fn p99_us(&self) -> f64 {
        match &self.histogram {
            Form::Open(histogram) if !histogram.is_empty() => histogram.value_at_quantile(0.99) as f64 / 1e3,
            _ => self.latency().map_or(0.0, |latency| latency.p99),
        }
    }

    /// The percentile curve: parts of the messages, and the time in microseconds within which they were done. Five steps for
    /// each halving of what is left, as HdrHistogram's own tools have it.
    pub(crate) fn curve(&self) -> Vec<(f64, f64)> {
        let Some(histogram) = self.histogram() else { return Vec::new() };
        histogram
            .iter_quantiles(5)
            .map(|point| (point.quantile_iterated_to(), point.value_iterated_to() as f64 / 1e3))
            .collect()
    }
}

fn packed(histogram: &Histogram<u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to a vector fails only if a count is beyond what the format holds: 2^63.
    let _written = V2DeflateSerializer::new().serialize(histogram, &mut bytes);
    bytes
}

fn unpack(bytes: &[u8]) -> Option<Histogram<u64>> {
    Deserializer::new().deserialize(&mut &bytes[..]).ok()
}

/// Text of HdrHistogram's own compressed form, as its logs have it.
impl Serialize for Recorder {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.histogram {
            Form::Packed(bytes) => to.serialize_str(&STANDARD.encode(bytes)),
            Form::Open(histogram) if !histogram.is_empty() => {
                to.serialize_str(&STANDARD.encode(packed(histogram)))
            }
            Form::Empty | Form::Open(_) => to.serialize_str(""),
        }
    }
}

impl<'de> Deserialize<'de> for Recorder {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text.is_empty() {
            return Ok(Self::new());
        }
        let bytes = STANDARD.decode(text).map_err(D::Error::custom)?;
        let histogram = unpack(&bytes).ok_or_else(|| D::Error::custom("not a histogram"))?;
        let mut own = fresh();
        own.add(&histogram).map_err(D::Error::custom)?;
        Ok(Self { histogram: Form::Open(own) })
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
        let curve = recorder.curve();
        assert!(curve.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1), "{curve:?}");
        assert!(curve.last().is_some_and(|last| last.0 == 1.0 && (last.1 - 1000.0).abs() < 1.1), "{curve:?}");
    }

    #[test]
    fn an_hour_counts_as_the_longest_and_nothing_as_nothing() {
        let mut recorder = Recorder::new();
        assert!(recorder.latency().is_none() && recorder.curve().is_empty());
        recorder.record(Duration::from_secs(3600));
        let mut sum = Recorder::new();
        sum.add(&recorder);
        let max = sum.latency().expect("one call").max;
        assert!((599e6..601e6).contains(&max), "{max}");
    }

    #[test]
    fn packing_and_writing_lose_nothing() {
        let mut recorder = Recorder::new();
        for micros in 1..=500 {
            recorder.record(Duration::from_micros(micros * micros));
        }
        let latency = recorder.latency();
        let text = serde_json::to_string(&recorder).expect("text");
        recorder.pack();
        assert_eq!((recorder.latency(), recorder.count()), (latency, 500));
        assert_eq!(serde_json::to_string(&recorder).expect("text"), text);
        let read: Recorder = serde_json::from_str(&text).expect("what was written");
        assert_eq!(read.latency(), latency);
        recorder.record(Duration::from_micros(1));
        assert_eq!(recorder.count(), 501);
        assert!(serde_json::from_str::<Recorder>(r#""AAAA""#).is_err());
    }
}
