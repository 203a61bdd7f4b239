//! Peers that fetch every feed from the pub.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use push_mux::mux::Outgoing;
use push_mux::ssb::ebt::Note;
use push_mux::{BodyKind, CallError, Client};
use serde_json::json;

use super::crew::Desk;
use super::notes;
use super::pace::Pace;
use super::replica::Replica;

/// All feeds in the old way, so many at a time, beginning with feed number `first`.
pub(super) async fn by_history(
    desk: &Rc<Desk>,
    replica: &Rc<Replica>,
    client: &Client,
    streams: u32,
    first: usize,
) {
    let feeds = desk.corpus.feeds.len();
    let order: VecDeque<usize> = (0..feeds).map(|step| (first + step) % feeds).collect();
    let order = Rc::new(RefCell::new(order));
    let tasks: Vec<_> = (0..streams)
        .map(|_| {
            let (desk, replica, client) = (Rc::clone(desk), Rc::clone(replica), client.clone());
            let order = Rc::clone(&order);
            glommio::spawn_local(async move {
                loop {
                    let Some(feed) = order.borrow_mut().pop_front() else { break };
                    history(&desk, &replica, &client, feed, None).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await;
    }
}

/// What is to come of every feed, in the old way; goes on until the connection ends.
pub(super) fn follow_by_history(desk: &Rc<Desk>, replica: &Rc<Replica>, client: &Client) {
    for feed in 0..desk.corpus.feeds.len() {
        let (desk, replica, client) = (Rc::clone(desk), Rc::clone(replica), client.clone());
        glommio::spawn_local(
            async move { history(&desk, &replica, &client, feed, Some(&Pace::full())).await },
        )
        .detach();
    }
}

/// One feed in the old way; with a pace what is to come of it too, until the connection ends.
pub(super) async fn history(
    desk: &Desk,
    replica: &Replica,
    client: &Client,
    feed: usize,
    pace: Option<&Pace>,
) {
    let live = pace.is_some();
    let author = desk.corpus.feeds[feed].author;
    let stream = async {
        let ask =
            json!({ "id": author.to_string(), "seq": replica.have(feed) + 1, "live": live, "keys": false });
        let mut rx = client.source("createHistoryStream", [ask]).await?;
        while let Some(body) = rx.next().await {
            let bytes = body?.bytes;
            // Such as `{"sync":true}`, which older servers send when they are through with what is old.
            if !live || bytes.len() > 64 {
                replica.take(feed, &bytes);
            }
            if let Some(pace) = pace {
                pace.wait(bytes.len()).await;
            }
        }
        Ok::<_, CallError>(())
    };
    let ended = stream.await;
    if !desk.board.has_begun(super::board::Step::End) {
        match ended {
            Err(error) => desk.board.complain(1, format_args!("{author}: {error}")),
            Ok(()) if live => desk.board.complain(1, format_args!("{author}: the live stream ended")),
            Ok(()) => {}
        }
    }
}

/// All feeds and what is to come of them by epidemic broadcast trees; goes on until the connection ends.
pub(super) async fn by_ebt(desk: &Desk, replica: &Replica, client: &Client) -> Result<(), CallError> {
    let (mut tx, mut rx) = client.duplex("ebt.replicate", notes::options()).await?;
    let mut has_asked = false;
    while let Some(body) = rx.next().await {
        let bytes = body?.bytes;
        replica.take_any(&bytes);
        if !has_asked {
            has_asked = true;
            let wanted: Vec<_> =
                desk.corpus.feeds.iter().map(|feed| (feed.author, Note::new(0, true))).collect();
            for frame in notes::frames(&wanted) {
                tx.send(Outgoing::borrowed(BodyKind::Json, frame.as_bytes())).await?;
            }
        }
    }
    Ok(())
}
