use super::{LATENCY_BOUNDS, MethodFigures, ShardFigures, Snapshot};
use crate::rpc::Kind;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet, text},
    metrics::MetricType,
    registry::Registry,
};
use std::fmt;

/// The media type of what [`render`] writes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What shards have counted, as Prometheus reads it (OpenMetrics 1.0). Shards are told apart where balance is the question and summed
/// elsewhere.
#[must_use]
pub fn render(snapshots: &[Snapshot]) -> String {
    let mut sum = Snapshot::default();
    snapshots.iter().for_each(|snapshot| sum.merge(snapshot));
    let mut registry = Registry::with_prefix("push_mux");
    registry.register_collector(Box::new(Exposition(sum)));
    let mut page = String::new();
    // Writing to a string does not fail, nor does anything of ours.
    let _ = text::encode(&mut page, &registry);
    page
}

#[derive(Debug)]
struct Exposition(Snapshot);

/// The labels of one line.
type Labels<'a> = Vec<(&'static str, &'a str)>;

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(&mut encoder);
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        page.gauges("build_info", "The version that runs", [(version, 1_u64)])?;
        self.calls(&mut page)?;
        self.sessions(&mut page)?;
        self.replication(&mut page)?;
        self.shards(&mut page)?;
        self.disk(&mut page)
    }
}

impl Exposition {
    fn calls(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let methods = || self.0.methods.iter();
        let of = |(name, figures): (&'_ String, &MethodFigures),
                  more: Option<(&'static str, &'static str)>| {
            let mut labels: Vec<(&'static str, String)> =
                vec![("method", name.clone()), ("kind", figures.kind.as_str().to_owned())];
            labels.extend(more.map(|(label, value)| (label, value.to_owned())));
            labels
        };
        let mut ended = Vec::new();
        let mut bytes = Vec::new();
        for (name, figures) in methods() {
            for (outcome, count) in
                [("answered", figures.answered), ("failed", figures.failed), ("dropped", figures.dropped)]
            {
                ended.push((of((name, figures), Some(("outcome", outcome))), count));
            }
            for (direction, count) in [("sent", figures.sent_bytes), ("received", figures.received_bytes)] {
                bytes.push((of((name, figures), Some(("direction", direction))), count));
            }
        }
        let open = methods().map(|(name, figures)| (of((name, figures), None), figures.open()));
        page.counters("calls", "Calls that have ended, by what came of them", borrow(&ended))?;
        page.counters("call_bytes", "Bytes of calls that have ended", borrow(&bytes))?;
        page.gauges("calls_open", "Calls under way", borrow(&open.collect::<Vec<_>>()))?;
        let refused = "Calls refused before a handler saw them: unknown, forbidden or of another kind";
        page.counters("calls_refused", refused, [(Vec::new(), self.0.calls_refused)])?;
        self.latency(page)
    }

    fn latency(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let help = "How long async calls took";
        let mut family = page.0.encode_descriptor("call_seconds", help, None, MetricType::Histogram)?;
        for (name, figures) in &self.0.methods {
            if !matches!(figures.kind, Kind::Async | Kind::Sync) {
                continue;
            }
            let histogram = &figures.latency;
            let bounds = LATENCY_BOUNDS.iter().copied().chain([f64::INFINITY]);
            let buckets: Vec<_> = bounds.zip(histogram.buckets).collect();
            let labels = [("method", name.as_str())];
            family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                histogram.sum.as_secs_f64(),
                histogram.count(),
                &buckets,
                None,
            )?;
        }
        Ok(())
    }

    fn sessions(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let counted = &self.0.sessions;
        let bytes = [("sent", counted.data_bytes_out), ("received", counted.data_bytes_in)];
        let bytes = bytes.map(|(direction, count)| (vec![("direction", direction)], count));
        page.counters("session_bytes", "Bytes of streams, headers included", bytes)?;
        let sent = "Grants of credit sent, one for each stream";
        page.counters("grants_sent", sent, [(Vec::new(), counted.grants_out)])?;
        let received = "Frames with grants of credit received";
        page.counters("grant_frames_received", received, [(Vec::new(), counted.grant_frames_in)])?;
        let stalls = "Times a stream had data for its peer and no credit";
        page.counters("stalls", stalls, [(Vec::new(), counted.stalls)])?;
        let events = [
            ("stream_opened", counted.streams_opened),
            ("stream_refused", counted.streams_refused),
            ("request_refused", counted.requests_refused),
            ("grant_refreshed", counted.grants_refreshed),
            ("probe", counted.probes),
            ("window_grown", counted.windows_grown),
            ("window_violation", counted.window_violations),
            ("read_paused", counted.reads_paused),
            ("watchdog_reset", counted.watchdog_resets),
            ("keepalive", counted.keepalives),
            ("glitch", counted.glitches),
        ];
        let events = events.map(|(event, count)| (vec![("event", event)], count));
        page.counters("session_events", "What happened in sessions", events)?;
        let limits = self.0.limits.iter().map(|(reason, count)| (vec![("reason", *reason)], *count));
        page.counters("connections_refused", "Connections refused, dropped or cut off", limits)
    }

    fn replication(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let messages = &self.0.messages;
        let results = [
            ("verified", messages.verified),
            ("stored", messages.stored),
            ("sent", messages.sent),
            ("duplicate", messages.duplicates),
        ];
        let results = results.map(|(result, count)| (vec![("result", result)], count));
        page.counters("messages", "Messages of feeds", results)?;
        let refused = messages.refused.iter().map(|(reason, count)| (vec![("reason", *reason)], *count));
        page.counters("messages_refused", "Messages refused", refused)?;
        let lag: Vec<_> = self.0.lag.iter().map(|(peer, count)| (peer.to_string(), *count)).collect();
        let others = (vec![("peer", "others")], self.0.lag_of_others);
        let rows = lag.iter().map(|(peer, count)| (vec![("peer", peer.as_str())], *count)).chain([others]);
        page.gauges("peer_lag_messages", "Messages that a peer has told to have and not sent yet", rows)
    }

    fn shards(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let shards = &self.0.shards;
        let indices: Vec<String> = shards.iter().map(|shard| shard.index.to_string()).collect();
        let each = |figure: fn(&ShardFigures) -> u64| {
            let labels = indices.iter().map(|index| vec![("shard", index.as_str())]);
            labels.zip(shards.iter().map(figure)).collect::<Vec<_>>()
        };
        page.gauges("shard_connections", "Connections", each(|shard| shard.connections as u64))?;
        let received = "Received bytes that nobody has taken yet";
        page.gauges("shard_received_bytes", received, each(|shard| shard.received_bytes))?;
        page.gauges("shard_feeds", "Feeds that the shard looks after", each(|shard| shard.feeds))?;
        let busy = shards.iter().zip(&indices).map(|(shard, index)| (index, shard.busy.as_secs_f64()));
        page.seconds("shard_busy_seconds", "CPU time of the shard's thread", MetricType::Counter, busy)?;
        let age = shards.iter().zip(&indices).map(|(shard, index)| (index, shard.age.as_secs_f64()));
        page.seconds("shard_age_seconds", "How old these figures are", MetricType::Gauge, age)
    }

    fn disk(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        if let Some(store) = self.0.store {
            let one = |value| [(Vec::new(), value)];
            page.gauges("store_bytes", "Bytes of the store", one(store.bytes))?;
            page.gauges("store_messages", "Messages in the store", one(store.messages))?;
            page.gauges("store_feeds", "Feeds in the store", one(store.feeds))?;
            let free = "Bytes free in the file system of the store";
            page.gauges("store_free_bytes", free, one(store.free_bytes))?;
            let full = "Whether the store refuses to write, 1 if so";
            page.gauges("store_full", full, one(u64::from(store.is_full)))?;
        }
        if let Some(blobs) = self.0.blobs {
            page.gauges("blobs", "Blobs held", [(Vec::new(), blobs.count)])?;
            page.gauges("blobs_bytes", "Bytes of blobs", [(Vec::new(), blobs.bytes)])?;
            page.gauges("blobs_wanted", "Blobs that are looked for", [(Vec::new(), blobs.wanted)])?;
        }
        Ok(())
    }
}

fn borrow<'a>(rows: &'a [(Vec<(&'static str, String)>, u64)]) -> impl Iterator<Item = (Labels<'a>, u64)> {
    rows.iter().map(|(labels, count)| {
        (labels.iter().map(|(label, value)| (*label, value.as_str())).collect(), *count)
    })
}

/// Writes families.
struct Page<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl Page<'_, '_> {
    fn counters<'l>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels<'l>, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, count) in rows {
            // Empty braces are allowed, and read like a mistake.
            if labels.is_empty() {
                family.encode_counter::<NoLabelSet, u64, f64>(&count, None)?;
            } else {
                family.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&count, None)?;
            }
        }
        Ok(())
    }

    fn gauges<'l>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels<'l>, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in rows {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            if labels.is_empty() {
                family.encode_gauge(&value)?;
            } else {
                family.encode_family(&labels)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }

    fn seconds<'l>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        rows: impl IntoIterator<Item = (&'l String, f64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (shard, seconds) in rows {
            let labels = [("shard", shard.as_str())];
            let mut line = family.encode_family(&labels)?;
            match kind {
                MetricType::Counter => line.encode_counter::<NoLabelSet, f64, f64>(&seconds, None)?,
                _ => line.encode_gauge(&seconds)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
