//! Every client gets every message of every feed: of feeds made up, from a server of calls; or of signed ones, through a pub.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use push_mux::{BodyKind, CallError};
use serde_json::json;

use super::{Abilities, Scenario, Stage};
use crate::feed::{Feed, FeedSet};
use crate::framework::fleet::{self, Seat};
use crate::gossip;
use crate::plan::{ClientKind, Settings, Transport};
use crate::record::outcome::Outcome;
use crate::server::FeedSource;

/// Messages of each signed feed where nothing is said.
const MESSAGES: u64 = 500;

/// Messages of signed feeds published in a second, in the end.
const RATE: f64 = 1000.0;

/// Replication of feeds.
#[derive(Debug)]
pub(super) struct Replicate;

impl Scenario for Replicate {
    fn name(&self) -> &'static str {
        "replicate"
    }

    fn workload(&self) -> &'static str {
        ""
    }

    fn about(&self) -> [&'static str; 2] {
        [
            "--connections clients fetch feeds, every byte compared; with --protocol, --peers push --feeds signed feeds",
            "through a pub and as many pull them. Shows ingest, fan-out, end to end, latency from publish to arrival.",
        ]
    }

    fn defaults(&self) -> Settings {
        let base = Settings { connections: 32, streams: 8, ..Settings::base() };
        Settings { client: ClientKind::Framework, warmup: 0.0, ..base }
    }

    fn timed(&self) -> &'static str {
        "first message"
    }

    fn abilities(&self) -> Abilities {
        Abilities { rate: true, messages: true, framework_only: true, foreign: true, ..Abilities::default() }
    }

    fn settle(&self, settings: &mut Settings) {
        if settings.protocol.is_some() {
            settings.messages.get_or_insert(MESSAGES);
            settings.rate.get_or_insert(RATE);
            if settings.transport == Transport::Tcp && settings.server.is_none() {
                settings.transport = Transport::Shs;
            }
        }
    }

    fn refuses(&self, settings: &Settings) -> Option<String> {
        let Settings { protocol, rate, server, transport, method, feed, fault, .. } = settings;
        if settings.reads.is_some() {
            return Some(
                "peers of replicate read as fast as they can: --reads goes with followers".to_owned(),
            );
        }
        if protocol.is_none() {
            return (rate.is_some() || server.is_some()).then(|| {
                "made-up feeds have no schedule and no other server: --rate and --server go with --protocol".to_owned()
            });
        }
        if method.is_some() || feed.is_some() || *fault {
            return Some(
                "signed feeds are made by seed, and who replicates them calls no --method".to_owned(),
            );
        }
        (*transport == Transport::Unix)
            .then(|| "peers of a pub shake hands: use --transport shs or ws".to_owned())
    }

    fn drive(&self, stage: &Stage) -> anyhow::Result<Outcome> {
        let settings = &stage.settings;
        if let Some(protocol) = settings.protocol {
            return gossip::conduct(stage, protocol);
        }
        let feeds =
            FeedSource { file: settings.feed.clone(), messages: settings.messages, seed: settings.seed };
        let set = Arc::new(feeds.load()?);
        let bench = stage.bench_with_feeds(feeds)?;
        let (shared, streams) = (Arc::clone(&set), settings.streams as usize);
        let plan = fleet::Plan { connections: settings.connections, seconds: None, warmup: 0.0 };
        let ran = fleet::run(&bench, plan, move |seat| replicate(seat, Arc::clone(&shared), streams))?;
        let mut outcome = ran.outcome;
        outcome.figure("feeds", set.feeds.len() as f64);
        outcome.figure("body_bytes_mean", set.bytes() as f64 / set.messages().max(1) as f64);
        if outcome.errors == 0 {
            outcome.remarks.push(format!(
                "{} clients ended with {} messages each, byte for byte and in order",
                settings.connections,
                set.messages()
            ));
        }
        Ok(outcome)
    }
}

/// One client: its streams share the feeds.
async fn replicate(seat: Seat, set: Arc<FeedSet>, streams: usize) {
    let hands = deal(&set, streams);
    let hands = hands.into_iter().filter(|hand| !hand.is_empty()).map(|hand| {
        let (seat, set) = (seat.clone(), Arc::clone(&set));
        glommio::spawn_local(async move {
            for at in hand {
                follow(&seat, &set.feeds[at]).await;
            }
        })
    });
    let tasks: Vec<_> = hands.collect();
    for task in tasks {
        task.await;
    }
}

/// Shares feeds out so that no stream has much more to do than another: the longest first, each to whoever has least.
fn deal(set: &FeedSet, streams: usize) -> Vec<Vec<usize>> {
    let mut feeds: Vec<usize> = (0..set.feeds.len()).collect();
    feeds.sort_by_key(|&at| std::cmp::Reverse(set.feeds[at].messages.len()));
    let mut hands = vec![(0, Vec::new()); streams.max(1)];
    for at in feeds {
        if let Some(hand) = hands.iter_mut().min_by_key(|hand| hand.0) {
            hand.0 += set.feeds[at].messages.len();
            hand.1.push(at);
        }
    }
    hands.into_iter().map(|hand| hand.1).collect()
}

/// Asks for a whole feed and compares what comes with what it should be.
async fn follow(seat: &Seat, feed: &Feed) {
    let ledger = Rc::clone(&seat.ledger);
    let mut received = 0;
    let ended = receive(seat, feed, &mut received).await;
    let (author, wanted) = (&feed.author, feed.messages.len());
    let missing = wanted.abs_diff(received) as u64;
    if let Err(error) = ended {
        ledger.wrong(missing.max(1), format_args!("{author}: {error}"));
    } else {
        ledger.wrong(missing, format_args!("{author}: {received} of {wanted} messages came"));
    }
}

async fn receive(seat: &Seat, feed: &Feed, received: &mut usize) -> Result<(), CallError> {
    let query = json!({ "id": feed.author, "sequence": 1, "live": false, "keys": false });
    let began = Instant::now();
    let mut rx = seat.client.source("createHistoryStream", [query]).await?;
    while let Some(body) = rx.next().await {
        let body = body?;
        if *received == 0 {
            seat.ledger.took(began.elapsed());
        }
        seat.ledger.message(body.bytes.len());
        // What is too much is counted when the stream has ended.
        if let Some(wanted) = feed.messages.get(*received) {
            let is_right = body.kind == BodyKind::Json && body.bytes == wanted.value;
            let sequence = wanted.sequence;
            seat.ledger.wrong(
                u64::from(!is_right),
                format_args!("{}: message {sequence} has other bytes", feed.author),
            );
        }
        *received += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::make_up;

    #[test]
    fn every_feed_is_dealt_once_and_hands_are_even() {
        let set = make_up(4500, 1);
        let mut hands = deal(&set, 2);
        let sizes: Vec<usize> =
            hands.iter().map(|hand| hand.iter().map(|&at| set.feeds[at].messages.len()).sum()).collect();
        assert_eq!(sizes, [2500, 2000]);
        let mut all = hands.concat();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4]);
        hands = deal(&set, 9);
        assert_eq!(hands.iter().filter(|hand| hand.is_empty()).count(), 4);
    }
}
