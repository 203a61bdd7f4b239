//! The client's part in each shape: a task for each stream, or for each call in flight.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Instant;

use push_mux::mux::Outgoing;
use push_mux::{Client, RecvStream, SendStream};

use super::methods::Bodies;
use crate::compare::peers::common::Common;
use crate::compare::rally::Rally;
use crate::compare::verify::{self, Check};
use crate::compare::work::Work;
use crate::measure::{Measured, Meter, Tally};

/// A source for each stream.
pub(super) async fn receive_all(client: &Client, work: &Work, meter: &Meter) -> anyhow::Result<Measured> {
    let common = Common::new(work, meter);
    let running = meter.start();
    let mut tasks = Vec::new();
    for _stream in 0..work.streams {
        let rx = client.source("count", (work.each, work.body)).await?;
        tasks.push(glommio::spawn_local(receive(rx, common.clone())));
    }
    Ok(common.finish(running, together(tasks).await?))
}

async fn receive(mut rx: RecvStream, common: Common) -> anyhow::Result<Tally> {
    let mut check = Check::new(common.work.body);
    while let Some(message) = rx.next().await {
        check.message(&message?.bytes);
        common.seen.add(1);
    }
    common.all_of(&check)
}

/// A sink for each stream, and a call at the end that asks what came.
pub(super) async fn send_all(client: &Client, work: &Work, meter: &Meter) -> anyhow::Result<Measured> {
    let common = Common::new(work, meter);
    let running = meter.start();
    let mut tasks = Vec::new();
    for _stream in 0..work.streams {
        tasks.push(glommio::spawn_local(send(client.clone(), common.clone())));
    }
    together(tasks).await?;
    let (messages, bytes, errors) = client.call("collected", ()).await?;
    let tally = verify::settle(Tally { messages, bytes, errors }, work);
    Ok(common.finish(running, tally))
}

/// Sends, ends and waits until the server has taken everything; what it took is told for all streams together.
async fn send(client: Client, common: Common) -> anyhow::Result<Tally> {
    let mut sink = client.sink("collect", (common.work.body,)).await?;
    let mut bodies = Bodies::new(common.work.body);
    for index in 0..common.work.each {
        sink.send(bodies.next(index)).await?;
        common.seen.add(1);
    }
    sink.finish().await?;
    Ok(Tally::default())
}

/// A duplex for each stream.
pub(super) async fn play_all(client: &Client, work: &Work, meter: &Meter) -> anyhow::Result<Measured> {
    let common = Common::new(work, meter);
    let running = meter.start();
    let mut tasks = Vec::new();
    for _stream in 0..work.streams {
        let (tx, rx) = client.duplex("echo", ()).await?;
        tasks.push(glommio::spawn_local(play(tx, rx, common.clone())));
    }
    Ok(common.finish(running, together(tasks).await?))
}

async fn play(mut tx: SendStream, mut rx: RecvStream, common: Common) -> anyhow::Result<Tally> {
    let mut rally = Rally::new(&common.work, b"");
    poll_fn(|cx| poll_play(cx, &mut tx, &mut rx, &mut rally, &common)).await?;
    tx.finish();
    Ok(rally.tally())
}

/// Sends what is due and takes what is back, whichever is possible: waiting for one alone could lock both ends up.
fn poll_play(
    cx: &mut Context<'_>,
    tx: &mut SendStream,
    rx: &mut RecvStream,
    rally: &mut Rally,
    common: &Common,
) -> Poll<anyhow::Result<()>> {
    loop {
        while let Some(message) = rally.due() {
            if tx.poll_send(cx, &Outgoing::from(message))?.is_pending() {
                break;
            }
            rally.sent();
        }
        if rally.is_over() {
            return Poll::Ready(Ok(()));
        }
        match rx.poll_next(cx)? {
            Poll::Ready(Some(body)) => common.record(rally.back(&body.bytes)),
            Poll::Ready(None) => return Poll::Ready(Err(anyhow::anyhow!("the server ended a stream early"))),
            Poll::Pending => return Poll::Pending,
        }
    }
}

/// A task for each call in flight.
pub(super) async fn call_all(client: &Client, work: &Work, meter: &Meter) -> anyhow::Result<Measured> {
    let common = Common::new(work, meter);
    let running = meter.start();
    let mut tasks = Vec::new();
    for _caller in 0..work.depth {
        tasks.push(glommio::spawn_local(call_in_turn(client.clone(), common.clone())));
    }
    Ok(common.finish(running, together(tasks).await?))
}

/// One caller: a call after the other, as long as there are calls to make.
async fn call_in_turn(client: Client, common: Common) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    while let Some(index) = common.next_call() {
        let digits = index.to_string();
        let message = "0".repeat(common.work.body.saturating_sub(digits.len())) + &digits;
        let began = Instant::now();
        let reply: String = client.call("same", (&message,)).await?;
        common.record(began.elapsed());
        tally.add(Tally { messages: 1, bytes: reply.len() as u64, errors: u64::from(reply != message) });
    }
    Ok(tally)
}

/// Waits for the tasks of every stream, or every caller.
async fn together(tasks: Vec<glommio::Task<anyhow::Result<Tally>>>) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    for task in tasks {
        tally.add(task.await?);
    }
    Ok(tally)
}
