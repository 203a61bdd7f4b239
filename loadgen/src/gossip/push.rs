//! Peers that bring the pub what their authors publish.

use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use push_mux::mux::Outgoing;
use push_mux::ssb::ebt::Note;
use push_mux::{BodyKind, Call, CallError, Client, PublicKey, RecvStream, Router, SendStream};
use serde::Deserialize;
use serde_json::json;

use super::crew::Desk;
use super::notes;
use super::shelf::Bell;

/// Messages of one feed that go before the next has its turn, as a JavaScript peer has it with each read of its log.
const MESSAGES_A_FEED: u32 = 100;

/// Messages that go before other tasks have theirs.
const MESSAGES_A_TURN: u32 = 256;

/// A feed that somebody else asks for in the old way.
#[derive(Deserialize)]
struct Ask {
    id: String,
    seq: Option<f64>,
    sequence: Option<f64>,
    #[serde(default)]
    live: bool,
}

/// What the pub may call on a peer that has these feeds.
pub(super) fn router(desk: &Rc<Desk>, own: &[usize]) -> Router {
    let feeds = || own.iter().map(|feed| (desk.corpus.feeds[*feed].author.to_string(), *feed));
    let (own, desk): (Rc<HashMap<String, usize>>, _) = (Rc::new(feeds().collect()), Rc::clone(desk));
    Router::new().on_source("createHistoryStream", async move |call: Call, tx: &mut SendStream| {
        let ask: Ask = call.arg(0)?;
        let Some(feed) = own.get(&ask.id) else {
            // Nothing is here, and with `live` nothing will be.
            return if ask.live { std::future::pending().await } else { Ok(()) };
        };
        desk.board.asked.fetch_add(1, Ordering::Relaxed);
        let from = ask.seq.or(ask.sequence).unwrap_or(1.0);
        serve(&desk, *feed, (from as u32).max(1) - 1, ask.live, tx).await
    })
}

async fn serve(
    desk: &Desk,
    feed: usize,
    mut position: u32,
    live: bool,
    tx: &mut SendStream,
) -> Result<(), CallError> {
    loop {
        while position < desk.shelf.published(feed) {
            let value = &desk.corpus.feeds[feed].values[position as usize];
            tx.send(Outgoing::borrowed(BodyKind::Json, value)).await?;
            position += 1;
            desk.board.sent.fetch_add(1, Ordering::Relaxed);
        }
        if !live {
            return Ok(());
        }
        poll_fn(|cx| desk.shelf.poll_beyond(feed, position, cx)).await;
    }
}

/// In the old way the peer asks for its own feed first; that has the pub ask back.
pub(super) async fn by_history(client: &Client, identity: PublicKey) -> Result<(), CallError> {
    let ask = json!({ "id": identity.to_string(), "seq": 1, "live": true, "keys": false });
    let mut rx = client.source("createHistoryStream", [ask]).await?;
    while let Some(body) = rx.next().await {
        body?;
    }
    Ok(())
}

/// By epidemic broadcast trees: waits for the pub's notes, says what there is, and sends what is asked for.
pub(super) async fn by_ebt(desk: Rc<Desk>, client: &Client, own: &[usize]) -> Result<(), CallError> {
    let (tx, rx) = client.duplex("ebt.replicate", notes::options()).await?;
    let feeds = own.iter().map(|number| Feed { number: *number, position: 0, is_wanted: false }).collect();
    let bell = desk.shelf.bell();
    let mut pusher = Pusher { desk, tx, rx, bell, feeds, turn: 0, hello: None };
    poll_fn(|cx| pusher.poll(cx)).await
}

struct Feed {
    number: usize,
    /// Messages that the pub has, or is being sent.
    position: u32,
    is_wanted: bool,
}

struct Pusher {
    desk: Rc<Desk>,
    tx: SendStream,
    rx: RecvStream,
    bell: Rc<Bell>,
    feeds: Vec<Feed>,
    /// Whose turn it is.
    turn: usize,
    /// Frames that are still to be sent; nothing before the pub has spoken.
    hello: Option<Vec<String>>,
}

impl Pusher {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.bell.listen(cx);
        while let Poll::Ready(body) = self.rx.poll_next(cx) {
            let Some(body) = body.transpose()? else { return Poll::Ready(Ok(())) };
            self.hear(&body.bytes)?;
        }
        while let Some(frame) = self.hello.as_ref().and_then(|frames| frames.last()) {
            match self.tx.poll_send(cx, &Outgoing::borrowed(BodyKind::Json, frame.as_bytes())) {
                Poll::Ready(sent) => sent?,
                Poll::Pending => return Poll::Pending,
            }
            self.hello.as_mut().and_then(Vec::pop);
        }
        let mut left = MESSAGES_A_TURN;
        while let Some(at) = self.next() {
            let Some(sent) = self.send(at, cx, &mut left)? else { return Poll::Pending };
            if left == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if sent {
                self.turn = at + 1;
            }
        }
        Poll::Pending
    }

    /// The next feed of which there is something to send.
    fn next(&self) -> Option<usize> {
        let is_due = |feed: &Feed| feed.is_wanted && feed.position < self.desk.shelf.published(feed.number);
        let count = self.feeds.len();
        (0..count).map(|step| (self.turn + step) % count).find(|at| is_due(&self.feeds[*at]))
    }

    /// Sends some of a feed, and says whether it has had its turn; nothing when the pub gives no more credit.
    fn send(&mut self, at: usize, cx: &mut Context<'_>, left: &mut u32) -> Result<Option<bool>, CallError> {
        let feed = &mut self.feeds[at];
        let values = &self.desk.corpus.feeds[feed.number].values;
        let end = self.desk.shelf.published(feed.number).min(feed.position + MESSAGES_A_FEED);
        while feed.position < end && *left > 0 {
            let value = &values[feed.position as usize];
            match self.tx.poll_send(cx, &Outgoing::borrowed(BodyKind::Json, value)) {
                Poll::Ready(sent) => sent?,
                Poll::Pending => return Ok(None),
            }
            feed.position += 1;
            *left -= 1;
            self.desk.board.sent.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Some(feed.position == end))
    }

    fn hear(&mut self, frame: &[u8]) -> Result<(), CallError> {
        let heard =
            Note::read_all(frame, notes::ENTRIES_MAX).map_err(|error| CallError::new(error.to_string()))?;
        for (author, note) in heard {
            let Some(number) = self.desk.corpus.number(&author) else { continue };
            let Some(feed) = self.feeds.iter_mut().find(|feed| feed.number == number) else { continue };
            if note.receive() && !feed.is_wanted {
                self.desk.board.asked.fetch_add(1, Ordering::Relaxed);
                feed.position = note.sequence().unwrap_or_default();
            }
            feed.is_wanted = note.receive();
        }
        if self.hello.is_none() {
            let have = |feed: &Feed| {
                let author = self.desk.corpus.feeds[feed.number].author;
                (author, Note::new(self.desk.shelf.published(feed.number), true))
            };
            self.hello = Some(notes::frames(&self.feeds.iter().map(have).collect::<Vec<_>>()));
        }
        Ok(())
    }
}
