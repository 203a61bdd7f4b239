//! `ebt.replicate`: drives an [`Exchange`] with what a peer says, and with what is stored here.

use super::turns::{Step, Turns};
use crate::{
    Call, CallError, PublicKey, RecvStream, Router, SendStream,
    mux::Outgoing,
    runtime::Connection,
    ssb::{
        ebt::{Arrival, Claim, Clock, Exchange, ExchangeLimits, Role},
        message::peek,
        node::{ExchangePeer, Local, Node},
    },
    wire::{Body, BodyKind},
};
use glommio::timer::sleep;
use serde::Deserialize;
use std::{
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// Frames taken, and messages sent, before other tasks get their turn.
const FRAMES_A_TURN: usize = 256;

/// How often a peer's clock is saved while it is connected.
const SAVE_EVERY: Duration = Duration::from_secs(30);

/// What JavaScript peers take for a harmless end of the older of two connections.
const REPLACED: &str = "reconnected to peer";

#[derive(Deserialize)]
struct Options {
    version: Option<f64>,
    format: Option<String>,
}

pub(super) fn routes(router: Router, node: &Rc<Node>) -> Router {
    let node = Rc::clone(node);
    router.on_duplex("ebt.replicate", async move |call: Call, tx: &mut SendStream, rx: &mut RecvStream| {
        let options: Options = call.arg(0)?;
        check(&options)?;
        run(&node, call.connection(), Role::Acceptor, tx, rx).await
    })
}

fn check(options: &Options) -> Result<(), CallError> {
    if options.version.is_none_or(|version| version.to_bits() != 3_f64.to_bits()) {
        return Err(CallError::new("ebt version 3 only"));
    }
    match options.format.as_deref() {
        None | Some("classic") => Ok(()),
        Some(other) => Err(CallError::new(format!("feed format {other:?} is not replicated here"))),
    }
}

/// What a dialler calls with.
pub(super) const ARGS: [Args; 1] = [Args { version: 3, format: "classic" }];

/// The argument of `ebt.replicate`.
#[derive(serde::Serialize)]
pub(super) struct Args {
    version: u32,
    format: &'static str,
}

/// Exchanges feeds with a peer until the call ends.
pub(super) async fn run(
    node: &Rc<Node>,
    connection: &Connection,
    role: Role,
    tx: &mut SendStream,
    rx: &mut RecvStream,
) -> Result<(), CallError> {
    let key =
        connection.peer().key.ok_or_else(|| CallError::new("ebt.replicate needs a peer with an identity"))?;
    // Before anything waits: a peer that asks by `createHistoryStream` in the same breath is not to get both.
    connection.state::<super::peers::Replicating>().0.set(true);
    let saved = load(node, key).await;
    let peer = node.add_exchange(key, |local| Exchange::new(role, saved, ExchangeLimits::default(), local));
    let kept = Kept { node: Rc::clone(node), peer: Rc::clone(&peer) };
    let saving = save_sometimes(Rc::clone(node), Rc::downgrade(&peer));
    let saving = glommio::spawn_local(saving);
    let mut driver = Driver { node, peer: &peer, tx, rx, frame: Vec::new(), turns: Turns::new(node, &peer) };
    let ended = poll_fn(|cx| driver.poll(cx)).await;
    drop(driver);
    saving.cancel().await;
    drop(kept);
    ended
}

/// Takes the exchange away and saves its clock, however the call ends.
struct Kept {
    node: Rc<Node>,
    peer: Rc<ExchangePeer>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.node.remove_exchange(&self.peer);
        save(&self.node, &self.peer);
    }
}

fn clock_key(peer: &PublicKey) -> Vec<u8> {
    [b"ebt/", &peer.0[..]].concat()
}

/// Clocks of a peer are written and read on one shard, so that a peer which comes back at once finds what was saved a moment ago.
async fn load(node: &Node, peer: PublicKey) -> Clock {
    let ask =
        move |node: Rc<Node>| async move { node.write(move |store| store.value(&clock_key(&peer))).await };
    let read = node.ask_later(node.owner(&peer), ask).await;
    let bytes = read.ok().flatten().unwrap_or_default();
    if bytes.is_empty() {
        return Clock::default();
    }
    Clock::from_bytes(&bytes).unwrap_or_else(|error| {
        tracing::warn!(%peer, %error, "a saved clock is no clock: it begins anew");
        Clock::default()
    })
}

/// Only of peers whose own feed is wanted, and of those that we dial: a stranger with ever new identities must not fill the disk.
fn save(node: &Node, peer: &ExchangePeer) {
    let is_known = node.feeds.borrow().is_wanted(&peer.key)
        || node.peers.borrow().values().any(|entry| entry.key == peer.key && entry.is_outgoing);
    if !is_known {
        return;
    }
    let bytes = peer.exchange.borrow().clock().to_bytes();
    let key = peer.key;
    node.common.mesh.tell(node.owner(&key), move |node| node.set_value_later(clock_key(&key), Some(bytes)));
}

async fn save_sometimes(node: Rc<Node>, peer: std::rc::Weak<ExchangePeer>) {
    loop {
        sleep(SAVE_EVERY).await;
        let Some(peer) = peer.upgrade() else { return };
        save(&node, &peer);
    }
}

struct Driver<'a> {
    node: &'a Rc<Node>,
    peer: &'a Rc<ExchangePeer>,
    tx: &'a mut SendStream,
    rx: &'a mut RecvStream,
    /// Notes that are written and not yet sent.
    frame: Vec<u8>,
    turns: Turns,
}

impl Driver<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        if self.peer.is_replaced.get() {
            return Poll::Ready(Err(CallError::new(REPLACED)));
        }
        self.peer.listen(cx);
        let received = self.poll_receive(cx)?;
        if received == Received::End {
            return Poll::Ready(Ok(()));
        }
        self.handle_refused();
        let sent = self.poll_notes(cx)?.is_ready() && self.poll_messages(cx)?.is_ready();
        if received == Received::More || sent {
            // A turn's worth is done, and there is more.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Result<Received, CallError> {
        for _ in 0..FRAMES_A_TURN {
            if self.peer.intake.poll_room(cx).is_pending() {
                return Ok(Received::Pending);
            }
            match self.rx.poll_next(cx) {
                Poll::Ready(Some(body)) => self.handle_frame(body?),
                Poll::Ready(None) => return Ok(Received::End),
                Poll::Pending => {
                    self.peer.intake.flush();
                    return Ok(Received::Pending);
                }
            }
        }
        Ok(Received::More)
    }

    fn handle_frame(&mut self, body: Body) {
        let Some(message) = peek(&body.bytes) else {
            self.handle_notes(&body.bytes);
            return;
        };
        let feed = message.author;
        let local = Local::new(self.node, self.peer);
        match self.peer.exchange.borrow_mut().handle_message(&feed, message.sequence, &local) {
            Arrival::Fresh => self.peer.intake.push(feed, message.sequence, body.bytes),
            Arrival::Duplicate { was_asked } => {
                self.node.metrics.duplicate(1);
                if was_asked {
                    self.node.tell_duplicate(self.peer.id(), feed);
                }
            }
            Arrival::Unasked => self.node.metrics.refused_message("unasked"),
        }
    }

    fn handle_notes(&self, frame: &[u8]) {
        let mut claims = Vec::new();
        let local = Local::new(self.node, self.peer);
        let heard =
            self.peer.exchange.borrow_mut().handle_notes(frame, &local, |claim: Claim| claims.push(claim));
        drop(local);
        match heard {
            Ok(()) => self.node.tell_claims(self.peer.id(), claims),
            // As JavaScript peers do: what is neither notes nor a message says nothing.
            Err(error) => {
                tracing::debug!(peer = %self.peer.key, %error, "a frame is passed over");
                self.node.metrics.refused_message("no_message");
            }
        }
    }

    /// Feeds that gave offence are not exchanged with this peer any more.
    fn handle_refused(&self) {
        for (feed, refusal) in self.peer.intake.take_refused() {
            tracing::debug!(peer = %self.peer.key, %feed, %refusal, "a message is refused");
            self.node.handle_refused(self.peer, &feed, &refusal);
        }
    }

    /// Ready when all notes are out.
    fn poll_notes(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, CallError> {
        loop {
            if self.frame.is_empty() {
                let local = Local::new(self.node, self.peer);
                if !self.peer.exchange.borrow_mut().poll_notes(&local, &mut self.frame) {
                    return Ok(Poll::Ready(()));
                }
            }
            match self.tx.poll_send(cx, &Outgoing::borrowed(BodyKind::Json, &self.frame)) {
                Poll::Ready(sent) => sent?,
                Poll::Pending => return Ok(Poll::Pending),
            }
            self.frame.clear();
        }
    }

    /// Ready when there is more to send than a turn holds.
    fn poll_messages(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, CallError> {
        for _ in 0..FRAMES_A_TURN {
            let message = match self.turns.poll_step(cx)? {
                Poll::Ready(Step::Send(message)) => message,
                Poll::Ready(Step::Turned) => continue,
                Poll::Ready(Step::Idle) | Poll::Pending => return Ok(Poll::Pending),
            };
            match self.tx.poll_send(cx, &Outgoing::borrowed(BodyKind::Json, &message.value)) {
                Poll::Ready(sent) => sent?,
                Poll::Pending => {
                    self.turns.handle_blocked(message);
                    return Ok(Poll::Pending);
                }
            }
            self.turns.handle_sent(message.sequence);
            self.node.metrics.sent(1);
        }
        Ok(Poll::Ready(()))
    }
}

/// A peer that closes its connection ends the call with an error at once, and the future with it; what it had sent before is
/// here all the same.
impl Drop for Driver<'_> {
    fn drop(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        while self.peer.intake.poll_room(&cx).is_ready()
            && let Poll::Ready(Some(Ok(body))) = self.rx.poll_next(&mut cx)
        {
            self.handle_frame(body);
        }
        self.peer.intake.flush();
    }
}

/// How receiving went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Received {
    /// Nothing more is at hand, or may be taken.
    Pending,
    /// A turn's worth was taken.
    More,
    End,
}
