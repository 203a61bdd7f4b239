//! The client's part in each shape: a task for each stream, or for each call in flight.

use std::time::Instant;

use anyhow::ensure;
use bytes::{Bytes, BytesMut};
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use http::Request;
use tokio::task::JoinSet;

use super::messages::{Bodies, Pieces, copy, send_all as send_messages, whole};
use crate::compare::peers::common::{Common, together};
use crate::compare::rally::Rally;
use crate::compare::verify::{self, Check, REPORT};
use crate::compare::work::Work;
use crate::measure::{Measured, Meter, Tally};

type Client = SendRequest<Bytes>;

/// A request for each stream; messages come with the response.
pub(super) async fn receive_all(client: Client, work: &Work, meter: &Meter) -> anyhow::Result<Measured> {
    let common = Common::new(work, meter);
    let path = format!("source/{}/{}", work.each, work.body);
    let running = meter.start();
    let mut tasks = JoinSet::new();
    let mut client = client;
    for _stream in 0..work.streams {
        client = client.ready().await?;
        let (response, _) = client.send_request(request(&path)?, true)?;
        tasks.spawn(receive(response, common.clone()));
    }
    Ok(common.finish(running, together(tasks).await?))
}

async fn receive(response: ResponseFuture, common: Common) -> anyhow::Result<Tally> {
    let mut check = Check::new(common.work.body);
    let mut pieces = Pieces::new(response.await?.into_body(), common.work.body);
    let mut counted = 0;
    while pieces.next(|message| check.message(&message)).await? {
        common.seen.add(check.tally().messages - counted);
        counted = check.tally().messages;
    }
    common.all_of(&check)
}

/// A request for each stream; messages go with it, and the response is a report.
pub(super) async fn send_all(client: Client, work: &Work, meter: &Meter) -> anyhow::Result<Measured> {
    let common = Common::new(work, meter);
    let running = meter.start();
    let mut tasks = JoinSet::new();
    for _stream in 0..work.streams {
        tasks.spawn(send(client.clone(), common.clone()));
    }
    Ok(common.finish(running, verify::settle(together(tasks).await?, work)))
}

async fn send(client: Client, common: Common) -> anyhow::Result<Tally> {
    let Work { each, body, .. } = common.work;
    let (response, mut stream) = open(client, &format!("sink/{body}")).await?;
    send_messages(&mut stream, each, body, || common.seen.add(1)).await?;
    let report = whole(response.await?.body_mut()).await?;
    let report: &[u8; REPORT] = report.as_ref().try_into()?;
    Ok(verify::reported(report))
}

/// A request for each stream; messages go with it and come back with the response.
pub(super) async fn play_all(client: Client, work: &Work, meter: &Meter) -> anyhow::Result<Measured> {
    let common = Common::new(work, meter);
    let running = meter.start();
    let mut tasks = JoinSet::new();
    for _stream in 0..work.streams {
        tasks.spawn(play(client.clone(), common.clone()));
    }
    Ok(common.finish(running, together(tasks).await?))
}

async fn play(client: Client, common: Common) -> anyhow::Result<Tally> {
    let body = common.work.body;
    let (response, mut stream) = open(client, &format!("echo/{body}")).await?;
    let mut rally = Rally::new(&common.work, b"");
    let mut pool = BytesMut::new();
    send_due(&mut rally, &mut stream, &mut pool)?;
    let mut pieces = Pieces::new(response.await?.into_body(), body);
    while !rally.is_over() {
        let more = pieces.next(|message| common.record(rally.back(&message))).await?;
        ensure!(more, "the server ended a stream early");
        send_due(&mut rally, &mut stream, &mut pool)?;
    }
    stream.send_data(Bytes::new(), true)?;
    while pieces.next(|message| common.record(rally.back(&message))).await? {}
    Ok(rally.tally())
}

/// What has no capacity yet is held back by the crate, which is no more than the depth.
fn send_due(rally: &mut Rally, stream: &mut SendStream<Bytes>, pool: &mut BytesMut) -> anyhow::Result<()> {
    while let Some(message) = rally.due() {
        stream.send_data(copy(pool, message), false)?;
        rally.sent();
    }
    Ok(())
}

/// A task for each call in flight.
pub(super) async fn call_all(client: Client, work: &Work, meter: &Meter) -> anyhow::Result<Measured> {
    let common = Common::new(work, meter);
    let running = meter.start();
    let mut tasks = JoinSet::new();
    for _caller in 0..work.depth {
        tasks.spawn(call_in_turn(client.clone(), common.clone()));
    }
    Ok(common.finish(running, together(tasks).await?))
}

/// One caller: a request for each call, a call after the other, as long as there are calls to make.
async fn call_in_turn(mut client: Client, common: Common) -> anyhow::Result<Tally> {
    let mut bodies = Bodies::new(common.work.body);
    let mut tally = Tally::default();
    while let Some(index) = common.next_call() {
        let message = bodies.next(index);
        let began = Instant::now();
        client = client.ready().await?;
        let (response, mut stream) = client.send_request(request("same")?, false)?;
        stream.send_data(message.clone(), true)?;
        let reply = whole(response.await?.body_mut()).await?;
        common.record(began.elapsed());
        tally.add(Tally { messages: 1, bytes: reply.len() as u64, errors: u64::from(reply != message) });
    }
    Ok(tally)
}

async fn open(client: Client, path: &str) -> anyhow::Result<(ResponseFuture, SendStream<Bytes>)> {
    Ok(client.ready().await?.send_request(request(path)?, false)?)
}

fn request(path: &str) -> anyhow::Result<Request<()>> {
    Ok(Request::post(format!("http://localhost/{path}")).body(())?)
}
