//! Logs that HdrHistogram's own tools open: an interval a line, tagged with the row that it is of.

use std::io::Write;
use std::time::{Duration, SystemTime};

use anyhow::anyhow;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::row::Row;
use crate::record::outcome::Interval;

/// Values are in nanoseconds; what tools print as the largest of an interval is in milliseconds.
const NS_PER_MS: f64 = 1e6;

/// A log that is being written.
#[derive(Debug)]
pub(crate) struct Log<W> {
    to: W,
    /// Where the next row begins: rows follow one another.
    at: f64,
    names: Vec<String>,
}

impl<W: Write> Log<W> {
    /// Writes the head.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn new(mut to: W) -> anyhow::Result<Self> {
        // The builder writes the head; lines are written by a writer for each row.
        let mut serializer = V2DeflateSerializer::new();
        IntervalLogWriterBuilder::new()
            .add_comment("times from the intended start of each message, in nanoseconds")
            .with_start_time(SystemTime::now())
            .with_base_time(SystemTime::now())
            .with_max_value_divisor(NS_PER_MS)
            .begin_log_with(&mut to, &mut serializer)?;
        Ok(Self { to, at: 0.0, names: Vec::new() })
    }

    /// Writes the intervals of a row.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn row(&mut self, row: &Row, intervals: &[Interval]) -> anyhow::Result<()> {
        let name = self.name(row);
        for interval in intervals {
            let Some(histogram) = interval.recorder.histogram() else { continue };
            line(&mut self.to, self.at + interval.at, interval.seconds, &name, &histogram)?;
        }
        self.at += intervals.last().map_or(0.0, |last| last.at + last.seconds);
        Ok(())
    }

    /// A tag for each row: its number, scenario and peer. Tags hold no commas and no spaces.
    fn name(&mut self, row: &Row) -> String {
        let clean =
            |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric() && !"-._~:/".contains(c), "_");
        let name = format!("{}.{}.{}", self.names.len() + 1, clean(&row.scenario), clean(&row.peer));
        self.names.push(name.clone());
        name
    }

    /// All is written.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        Ok(self.to.flush()?)
    }
}

/// One line, as the writer of the format has it, without a head.
fn line(
    to: &mut impl Write,
    at: f64,
    seconds: f64,
    tag: &str,
    histogram: &Histogram<u64>,
) -> anyhow::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let mut whole = Vec::new();
    let mut builder = IntervalLogWriterBuilder::new();
    let mut writer = builder.with_max_value_divisor(NS_PER_MS).begin_log_with(&mut whole, &mut serializer)?;
    let tag = Tag::new(tag).ok_or_else(|| anyhow!("{tag:?} is no tag"))?;
    writer
        .write_histogram(histogram, Duration::from_secs_f64(at), Duration::from_secs_f64(seconds), Some(tag))
        .map_err(|error| anyhow!("the log cannot be written: {error:?}"))?;
    let text = String::from_utf8(whole)?;
    for line in text.lines().filter(|line| line.starts_with("Tag=")) {
        writeln!(to, "{line}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::record::latency::Recorder;
    use crate::report::row::sample;

    #[test]
    fn what_is_written_is_read_back_by_the_format_s_own_reader() {
        let interval = |at: f64, micros: u64| {
            let mut recorder = Recorder::new();
            recorder.record_ns(micros * 1000);
            Interval { at, seconds: 0.5, recorder }
        };
        let mut bytes = Vec::new();
        let mut log = Log::new(&mut bytes).expect("room");
        log.row(&sample("a peer, odd", 10.0), &[interval(0.0, 10), interval(0.5, 20)]).expect("room");
        log.row(&sample("h2", 10.0), &[interval(0.0, 30)]).expect("room");
        log.finish().expect("room");
        let mut seen = Vec::new();
        for entry in IntervalLogIterator::new(&bytes) {
            let LogEntry::Interval(line) = entry.expect("legal lines") else { continue };
            let encoded =
                base64::Engine::decode(&base64::engine::general_purpose::STANDARD, line.encoded_histogram());
            let histogram: Histogram<u64> =
                Deserializer::new().deserialize(&mut &encoded.expect("base64")[..]).expect("a histogram");
            let tag = line.tag().map(|tag| tag.as_str().to_owned());
            seen.push((tag, line.start_timestamp().as_millis(), histogram.max() / 1000));
        }
        let wanted =
            [("1.source.a_peer__odd", 0, 10), ("1.source.a_peer__odd", 500, 20), ("2.source.h2", 1000, 30)];
        let wanted: Vec<_> =
            wanted.iter().map(|(tag, at, max)| (Some((*tag).to_owned()), *at, *max)).collect();
        assert_eq!(seen, wanted);
    }
}
