//! `loadgen replicate`: every client gets every message of every feed.

use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use push_mux::{BodyKind, CallError};
use serde_json::json;

use super::bench::{Bench, Size};
use super::fleet::{self, Plan, Seat};
use super::report;
use crate::cli::{ReplicateOptions, word};
use crate::feed::{Feed, FeedSet};
use crate::machine::Machine;
use crate::progress::Progress;
use crate::row::Row;
use crate::table::counted;

/// Connections and streams when nothing is said.
const CONNECTIONS: u32 = 32;
const STREAMS: u32 = 8;

/// Runs `loadgen replicate`.
pub(crate) fn run(options: &ReplicateOptions) -> anyhow::Result<ExitCode> {
    let size = Size::new(&options.common, CONNECTIONS, STREAMS);
    let set = Arc::new(options.feed.load()?);
    let bench = Bench::start(&options.common, size, Some(&options.feed))?;
    if !options.common.json {
        introduce(options, &set, &bench, size);
    }
    let progress = Progress::new(set.messages() * u64::from(size.connections));
    let plan = Plan { connections: size.connections, seconds: None };
    let shared = Arc::clone(&set);
    let ran = fleet::run(&bench, plan, &progress, move |seat| {
        replicate(seat, Arc::clone(&shared), size.streams as usize)
    })?;
    drop(progress);
    let row = Row {
        scenario: "replicate".to_owned(),
        body_bytes: set.bytes() / set.messages().max(1),
        ..report::row(&ran, size, options.common.transport)
    };
    if options.common.json {
        println!("{}", serde_json::to_string(&row)?);
    } else {
        println!("\n{}\n", report::tables(std::slice::from_ref(&row), "first"));
        if row.errors == 0 {
            let (clients, messages) =
                (counted(size.connections, "client"), counted(set.messages(), "message"));
            println!("{clients} ended with {messages} each, byte for byte and in order.");
        }
    }
    Ok(report::verdict(&row, ran.complaint.as_deref(), bench))
}

/// Says what is about to happen.
fn introduce(options: &ReplicateOptions, set: &FeedSet, bench: &Bench, size: Size) {
    println!("{}", Machine::here());
    let kind = match &options.feed.feed {
        Some(file) => format!("from {}", file.display()),
        None => format!("made up with seed {}", options.feed.seed),
    };
    let (messages, authors) = (counted(set.messages(), "message"), counted(set.feeds.len() as u64, "author"));
    println!("feeds: {messages} of {authors}, {:.1} MB, {kind}", set.bytes() as f64 / 1e6);
    let (shards, transport) = (counted(bench.shards as u64, "shard"), word(options.common.transport));
    println!("server: a process of its own, {shards}, createHistoryStream over {transport}");
    let (connections, streams) = (counted(size.connections, "connection"), counted(size.streams, "stream"));
    let (credit, mode) = (options.common.credit, options.common.credit_mode);
    println!("clients: {connections}, {streams} each, credit {credit} (mode {mode})");
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
