//! Streams of stored messages: of one feed (`createHistoryStream`, `createUserStream`) and of all in the order in which they came
//! (`createLogStream`). All read the store while the stream has credit, and no further.

use super::{
    kvt::Shape,
    span::{Span, store_error},
};
use crate::{
    Call, CallError, PublicKey, Router, SendStream,
    mux::Outgoing,
    ssb::{
        node::{FeedReader, Node},
        store::{Bounds, Stored},
    },
    wire::BodyKind,
};
use serde::Deserialize;
use std::{future::poll_fn, rc::Rc};

/// Messages of the log read at a time.
const LOG_CHUNK: Bounds = Bounds { messages_max: 64, bytes_max: 64 << 10 };

/// Messages read at a time by streams that run backwards.
const REVERSE_CHUNK: u32 = 64;

pub(super) fn routes(router: Router, node: &Rc<Node>) -> Router {
    let (history, user, log) = (Rc::clone(node), Rc::clone(node), Rc::clone(node));
    router
        .on_source("createHistoryStream", async move |call: Call, tx: &mut SendStream| {
            let wanted: History = call.arg(0)?;
            super::legacy::handle_history_call(call.connection());
            send_history(&history, call.peer().key, wanted, tx).await
        })
        .on_source("createUserStream", async move |call: Call, tx: &mut SendStream| {
            send_user(&user, call.arg(0)?, tx).await
        })
        .on_source("createLogStream", async move |call: Call, tx: &mut SendStream| {
            send_log(&log, call.arg::<Option<Span>>(0)?.unwrap_or_default(), tx).await
        })
}

/// The argument of `createHistoryStream`. `sequence` is inclusive: JavaScript peers ask for the first that they lack.
#[derive(Deserialize)]
struct History {
    #[serde(deserialize_with = "super::args::feed")]
    id: PublicKey,
    sequence: Option<f64>,
    seq: Option<f64>,
    limit: Option<f64>,
    #[serde(default)]
    live: bool,
    #[serde(default = "super::args::yes")]
    old: bool,
    #[serde(default = "super::args::yes")]
    keys: bool,
    #[serde(default = "super::args::yes")]
    values: bool,
}

async fn send_history(
    node: &Rc<Node>,
    peer: Option<PublicKey>,
    wanted: History,
    tx: &mut SendStream,
) -> Result<(), CallError> {
    let is_kept_from_peer = || peer.is_some_and(|peer| node.blocks.borrow().has(&wanted.id, &peer));
    let from = match (wanted.sequence, wanted.seq) {
        (Some(sequence), Some(seq)) if sequence.to_bits() != seq.to_bits() => {
            return Err(CallError::new("sequence and seq are both given, and differ"));
        }
        (Some(from), _) | (None, Some(from)) => super::args::whole(from),
        (None, None) => 0,
    };
    let next = node.feeds.borrow().sequence(&wanted.id).saturating_add(1);
    let from = if wanted.old { from } else { from.max(next) };
    let mut out = Sending {
        node,
        tx,
        shape: Shape::new(wanted.keys, wanted.values),
        left: super::args::limit(wanted.limit),
        room: Vec::new(),
    };
    let mut reader = FeedReader::new(node, wanted.id, from);
    // What is stored when the call comes is what is old, and all that there is without `live`.
    let end = if wanted.live { u32::MAX } else { next };
    let mut position = from.max(1);
    while position < end && !out.is_done() {
        // Looked at each time: the block may come while the stream is live, or while it waits for credit.
        if is_kept_from_peer() {
            return Err(CallError::new("the author of this feed blocks you"));
        }
        match reader.next().await.map_err(store_error)? {
            Some(message) => {
                position = message.sequence + 1;
                if position > end || is_kept_from_peer() {
                    continue;
                }
                if out.send(&message).await? {
                    reader.slow_down();
                }
            }
            None if wanted.live => {
                node.beyond(&wanted.id, position - 1).await;
            }
            None => break,
        }
    }
    Ok(())
}

/// The other end of a stream of messages.
struct Sending<'a> {
    node: &'a Node,
    tx: &'a mut SendStream,
    shape: Shape,
    left: u64,
    room: Vec<u8>,
}

impl Sending<'_> {
    const fn is_done(&self) -> bool {
        self.left == 0
    }

    /// Sends a message; says whether it had to wait for the peer.
    async fn send(&mut self, message: &Stored) -> Result<bool, CallError> {
        let body = Outgoing::borrowed(BodyKind::Json, self.shape.write(message, &mut self.room));
        let tx = &mut *self.tx;
        let mut has_waited = false;
        poll_fn(|cx| {
            let sent = tx.poll_send(cx, &body);
            has_waited |= sent.is_pending();
            sent
        })
        .await?;
        self.node.metrics.sent(1);
        self.left -= 1;
        Ok(has_waited)
    }
}

/// The argument of `createUserStream`: bounds are sequences.
#[derive(Deserialize)]
struct User {
    #[serde(deserialize_with = "super::args::feed")]
    id: PublicKey,
    #[serde(flatten)]
    span: Span,
}

async fn send_user(node: &Rc<Node>, wanted: User, tx: &mut SendStream) -> Result<(), CallError> {
    let User { id, span } = wanted;
    let head = node.feeds.borrow().sequence(&id);
    let mut out = Sending { node, tx, shape: span.shape(), left: span.limit(), room: Vec::new() };
    if span.reverse {
        let mut end = head.saturating_add(1);
        while end > 1 && !out.is_done() {
            let from = end.saturating_sub(REVERSE_CHUNK).max(1);
            let bounds = Bounds { messages_max: (end - from) as usize, bytes_max: usize::MAX };
            let read = node.read(move |store| store.range(&id, from, bounds)).await.map_err(store_error)?;
            for message in read.iter().rev().filter(|message| span.holds(f64::from(message.sequence))) {
                if out.is_done() {
                    break;
                }
                out.send(message).await?;
            }
            end = from;
        }
        return Ok(());
    }
    let first = span.first().map_or(1, super::args::whole);
    let mut position = if span.old { first.max(1) } else { first.max(head + 1) };
    let mut reader = FeedReader::new(node, id, position);
    while !out.is_done() {
        match reader.next().await.map_err(store_error)? {
            Some(message) => {
                position = message.sequence + 1;
                if span.is_beyond(f64::from(message.sequence)) {
                    break;
                }
                if span.holds(f64::from(message.sequence)) && out.send(&message).await? {
                    reader.slow_down();
                }
            }
            None if span.live => {
                node.beyond(&id, position - 1).await;
            }
            None => break,
        }
    }
    Ok(())
}

/// Bounds of `createLogStream` are times of arrival.
async fn send_log(node: &Rc<Node>, span: Span, tx: &mut SendStream) -> Result<(), CallError> {
    let mut out = Sending { node, tx, shape: span.shape(), left: span.limit(), room: Vec::new() };
    let end = node.common.store.log_end();
    if span.reverse {
        let mut end = end;
        while end > 0 && !out.is_done() {
            let from = end.saturating_sub(u64::from(REVERSE_CHUNK));
            let bounds = Bounds { messages_max: REVERSE_CHUNK as usize, bytes_max: usize::MAX };
            let read = node.read(move |store| store.log(from, bounds)).await.map_err(store_error)?;
            let before = read.iter().rev().filter(|(position, _)| *position < end);
            for (_, message) in before.filter(|(_, message)| span.holds(message.received_ms)) {
                if out.is_done() {
                    break;
                }
                out.send(message).await?;
            }
            end = from;
        }
        return Ok(());
    }
    let mut position = if span.old { 0 } else { end };
    while !out.is_done() {
        let seen = node.common.store.log_end();
        let read = node.read(move |store| store.log(position, LOG_CHUNK)).await.map_err(store_error)?;
        if read.is_empty() {
            if !span.live {
                break;
            }
            // Messages of feeds that were deleted leave their positions behind.
            position = position.max(seen);
            node.log_beyond(position).await;
        }
        for (at, message) in read {
            position = at + 1;
            if out.is_done() || !span.live && at >= end {
                return Ok(());
            }
            if span.holds(message.received_ms) {
                out.send(&message).await?;
            }
        }
    }
    Ok(())
}
