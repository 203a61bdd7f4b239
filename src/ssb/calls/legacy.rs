//! Replication with peers that know no epidemic broadcast trees: a `createHistoryStream` for each feed, in both directions.

use super::{
    peers::Replicating,
    window::{Answer, Unanswered, Window},
};
use crate::{
    Client, PublicKey, RecvStream,
    runtime::{Connection, RecvError},
    ssb::{
        message::peek,
        node::{Intake, Node, Refusal},
    },
    wire::Body,
};
use futures_lite::FutureExt;
use glommio::timer::sleep;
use serde::Serialize;
use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// Feeds asked of one peer at once (4,096). Stops a pub of very many feeds from opening a stream for each with every peer that cannot
/// do better.
const STREAMS_MAX: usize = 4_096;

/// How long calls that the peer says nothing to keep others back.
const SILENCE_MAX: Duration = Duration::from_secs(1);

/// What is known of a peer's way of replicating.
#[derive(Default)]
pub(super) struct Legacy {
    has_asked: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// A peer asked for a feed by `createHistoryStream`. One that replicates so asks for its own first, and waits for us to do the same before it
/// asks for any other.
pub(super) fn handle_history_call(connection: &Connection) {
    let legacy = connection.state::<Legacy>();
    legacy.has_asked.set(true);
    if let Some(waker) = legacy.waker.borrow_mut().take() {
        waker.wake();
    }
}

/// Waits until the peer asks by `createHistoryStream`.
pub(super) async fn asked(connection: &Connection) {
    poll_fn(|cx| {
        let legacy = connection.state::<Legacy>();
        if legacy.has_asked.get() {
            return Poll::Ready(());
        }
        *legacy.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    })
    .await;
}

#[derive(Serialize)]
struct Ask {
    id: String,
    seq: u32,
    live: bool,
    keys: bool,
}

/// How often a feed that could not be stored looks for room.
const ROOM_POLL: Duration = Duration::from_secs(1);

/// What the streams of a connection have in common.
struct Pull {
    node: Rc<Node>,
    intake: Rc<Intake>,
    client: Client,
    asked: RefCell<HashSet<PublicKey>>,
    /// Feeds whose messages were not taken, and whether that is the peer's fault.
    refused: RefCell<HashMap<PublicKey, bool>>,
    window: Window,
}

/// Why a stream is given up.
enum GivenUp {
    /// The peer ended it, or sent what is refused: it is not asked for the feed again.
    Spoilt(String),
    /// The feed is not wanted any more, or the peer has begun to exchange feeds.
    Unwanted,
    /// What it brought could not be stored. It is asked again when there is room.
    NotStored,
}

impl Pull {
    /// Whether the peer exchanges feeds after all.
    fn is_over(&self) -> bool {
        self.client.connection().state::<Replicating>().0.get()
    }

    /// Feeds to be asked for.
    fn wanted(&self) -> Vec<PublicKey> {
        let (feeds, asked) = (self.node.feeds.borrow(), self.asked.borrow());
        let room = STREAMS_MAX.saturating_sub(asked.len());
        feeds.wanted().filter(|feed| !asked.contains(*feed)).take(room).copied().collect()
    }

    /// Waits until the next feed may be asked for, or none any more.
    async fn open(&self) {
        let passing_over = async {
            sleep(SILENCE_MAX).await;
            self.window.pass_over();
        };
        poll_fn(|cx| self.window.poll_open(cx)).or(passing_over).await;
    }
}

/// Asks the peer for all that is wanted, until the connection ends, or the peer is found to refuse.
pub(super) async fn pull_all(node: &Rc<Node>, connection: &Connection) {
    if connection.state::<Replicating>().0.get() {
        return;
    }
    let pull = Rc::new(Pull {
        node: Rc::clone(node),
        intake: Intake::new(node),
        client: Client::over(connection),
        asked: RefCell::default(),
        refused: RefCell::default(),
        window: Window::default(),
    });
    while !pull.window.is_shut() && !pull.is_over() {
        let wanted = pull.wanted();
        if wanted.is_empty() {
            node.wanted_changed().or(poll_fn(|cx| pull.window.poll_shut(cx))).await;
        }
        for feed in wanted {
            pull.open().await;
            if pull.window.is_shut() || pull.is_over() {
                break;
            }
            pull.asked.borrow_mut().insert(feed);
            glommio::spawn_local(pull_feed(Rc::clone(&pull), feed, pull.window.ask())).detach();
        }
    }
    tracing::debug!(peer = %connection.peer(), "the peer gives no history streams, and is asked for none any more");
}

/// One feed, asked for anew where what it brought could not be stored.
async fn pull_feed(pull: Rc<Pull>, feed: PublicKey, call: Unanswered) {
    let mut call = Some(call);
    loop {
        match pull_once(&pull, feed, &mut call).await {
            Ok(()) => return,
            Err(GivenUp::Spoilt(reason)) => {
                tracing::debug!(%feed, reason, "a history stream is given up");
                return;
            }
            Err(GivenUp::Unwanted) => {
                pull.asked.borrow_mut().remove(&feed);
                return;
            }
            Err(GivenUp::NotStored) => {
                sleep(ROOM_POLL).await;
                while pull.node.is_read_only() {
                    sleep(ROOM_POLL).await;
                }
                pull.refused.borrow_mut().remove(&feed);
            }
        }
    }
}

async fn pull_once(pull: &Pull, feed: PublicKey, call: &mut Option<Unanswered>) -> Result<(), GivenUp> {
    let seq = pull.node.feeds.borrow().sequence(&feed) + 1;
    let ask = Ask { id: feed.to_string(), seq, live: true, keys: false };
    let spoilt = |error: String| GivenUp::Spoilt(error);
    let mut rx =
        pull.client.source("createHistoryStream", (ask,)).await.map_err(|error| spoilt(error.to_string()))?;
    let mut next = poll_fn(|cx| poll_body(pull, &mut rx, cx)).await;
    if let Some(call) = call.take() {
        let is_refused = matches!(next, Some(Err(_)));
        pull.window.handle_answer(call, if is_refused { Answer::Refused } else { Answer::Given });
    }
    while let Some(body) = next {
        let body = body.map_err(|error| spoilt(error.to_string()))?;
        if pull.is_over() || !pull.node.feeds.borrow().is_wanted(&feed) {
            return Err(GivenUp::Unwanted);
        }
        // Anything else is such as `{"sync": true}`, which some peers send when they are through with what is old.
        if let Some(peeked) = peek(&body.bytes).filter(|peeked| peeked.author == feed) {
            pull.intake.push(feed, peeked.sequence, body.bytes);
        }
        for (refused, refusal) in pull.intake.take_refused() {
            // Of several the first: what follows a message that was not stored is a gap of our own making.
            pull.refused.borrow_mut().entry(refused).or_insert(refusal != Refusal::NotStored);
        }
        match pull.refused.borrow().get(&feed) {
            None => {}
            Some(true) => return Err(spoilt("the peer sent a message that is refused".to_owned())),
            Some(false) => return Err(GivenUp::NotStored),
        }
        next = poll_fn(|cx| poll_body(pull, &mut rx, cx)).await;
    }
    Ok(())
}

/// The next body, when there is room for a message.
fn poll_body(
    pull: &Pull,
    rx: &mut RecvStream,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Body, RecvError>>> {
    if pull.intake.poll_room(cx).is_pending() {
        return Poll::Pending;
    }
    let item = rx.poll_next(cx);
    if item.is_pending() {
        pull.intake.flush();
    }
    item
}
