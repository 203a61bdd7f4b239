//! HTTP/2 over cleartext TCP by the `h2` crate: a request for each stream or call, a DATA frame for each message.
//!
//! Both ends: tokio's current-thread runtime, `TCP_NODELAY`, 1 MiB stream and 16 MiB connection windows, stream limits
//! raised to what the scenarios need, 64-byte DATA frames allowed without limit, all else at its default. Received
//! bytes are released at once. A sender asks for 64 KiB of capacity at a time and sends while it lasts.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{ANY_PORT, MOST_STREAMS, Peer, one_thread};
use crate::compare::trial::Ready;
use crate::compare::verify::{self, Check};
use crate::compare::work::{Shape, Windows, Work};
use crate::latency::Recorder;
use crate::measure::{Measured, Meter, Seen, Tally};

const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Capacity asked for at a time: large enough to be rarely asked for, small enough that streams take turns.
const CAPACITY: usize = 64 << 10;

/// The crate `h2`.
#[derive(Debug)]
pub(super) struct H2;

impl Peer for H2 {
    fn name(&self) -> &'static str {
        "h2"
    }

    fn settings(&self, _windows: Windows) -> String {
        "tokio current-thread, cleartext, 1 MiB stream and 16 MiB connection windows, no small-frame budget"
            .to_owned()
    }

    fn serve(&self, _work: &Work) -> anyhow::Result<()> {
        one_thread()?.block_on(async {
            let listener = TcpListener::bind(ANY_PORT).await?;
            Ready::announce(listener.local_addr()?.port());
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let mut connection = h2::server::Builder::new()
                .initial_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .max_concurrent_streams(MOST_STREAMS)
                .data_frame_budget(usize::MAX)
                .handshake(socket)
                .await?;
            while let Some(Ok((request, respond))) = connection.accept().await {
                tokio::spawn(async move {
                    if let Err(error) = answer(request, respond).await {
                        eprintln!("{error:#}");
                    }
                });
            }
            Ok(())
        })
    }

    fn drive(&self, work: &Work, server: SocketAddr, meter: &Meter) -> anyhow::Result<Measured> {
        one_thread()?.block_on(async {
            let socket = TcpStream::connect(server).await.context("cannot connect")?;
            socket.set_nodelay(true)?;
            let (client, connection) = h2::client::Builder::new()
                .initial_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .initial_max_send_streams(MOST_STREAMS as usize)
                .data_frame_budget(usize::MAX)
                .handshake::<_, Bytes>(socket)
                .await?;
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    eprintln!("{error:#}");
                }
            });
            match work.shape {
                Shape::Source => receive_all(client, work, meter).await,
                Shape::Async => call_all(client, work, meter).await,
                Shape::Sink | Shape::PingPong => bail!("not this shape"),
            }
        })
    }
}

/// `GET /EACH/BODY` is answered by so many messages of that size, anything else by what came with it.
async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) -> anyhow::Result<()> {
    let (parts, mut received) = request.into_parts();
    let mut stream = respond.send_response(Response::new(()), false)?;
    if let Some((each, body)) = parts.uri.path().trim_start_matches('/').split_once('/') {
        return send_all(&mut stream, each.parse()?, body.parse()?).await;
    }
    let body = whole(&mut received).await?;
    Ok(stream.send_data(body, true)?)
}

async fn send_all(stream: &mut SendStream<Bytes>, each: u32, body: usize) -> anyhow::Result<()> {
    let mut message = verify::body(body);
    let mut pool = BytesMut::new();
    for index in 0..each {
        if stream.capacity() < body {
            stream.reserve_capacity(CAPACITY);
            while stream.capacity() < body {
                poll_fn(|cx| stream.poll_capacity(cx)).await.context("the client gave the stream up")??;
            }
        }
        verify::number(&mut message, index);
        if pool.capacity() < body {
            pool.reserve(CAPACITY.max(body));
        }
        pool.extend_from_slice(&message);
        stream.send_data(pool.split().freeze(), index + 1 == each)?;
    }
    Ok(())
}

async fn receive_all(client: SendRequest<Bytes>, work: &Work, meter: &Meter) -> anyhow::Result<Measured> {
    let (each, body, seen) = (work.each, work.body, meter.seen());
    let running = meter.start();
    let mut tasks = JoinSet::new();
    let mut client = client.ready().await?;
    for _stream in 0..work.streams {
        client = client.ready().await?;
        let request = Request::get(format!("http://localhost/{each}/{body}")).body(())?;
        let (response, _) = client.send_request(request, true)?;
        let seen = seen.clone();
        tasks.spawn(async move { receive(response.await?.into_body(), each, body, &seen).await });
    }
    let mut tally = Tally::default();
    while let Some(done) = tasks.join_next().await {
        tally.add(done??);
    }
    Ok(running.finish(tally, None))
}

/// A message that met the end of a window comes in two DATA frames, so bodies are put together by their size.
async fn receive(mut stream: RecvStream, each: u32, body: usize, seen: &Seen) -> anyhow::Result<Tally> {
    let mut check = Check::new(body);
    let mut partial = BytesMut::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        let before = check.tally().messages;
        if partial.is_empty() && data.len() == body {
            check.message(&data);
        } else {
            partial.extend_from_slice(&data);
            while partial.len() >= body {
                check.message(&partial.split_to(body));
            }
        }
        seen.add(check.tally().messages - before);
    }
    let messages = check.tally().messages;
    ensure!(messages == u64::from(each), "a stream ended after {messages} of {each} messages");
    Ok(check.tally())
}

async fn call_all(client: SendRequest<Bytes>, work: &Work, meter: &Meter) -> anyhow::Result<Measured> {
    let recorder = Arc::new(Mutex::new(Recorder::new()));
    let next = Arc::new(AtomicU32::new(0));
    let running = meter.start();
    let mut tasks = JoinSet::new();
    for _caller in 0..work.depth {
        let (client, seen, work) = (client.clone(), meter.seen(), *work);
        let (recorder, next) = (Arc::clone(&recorder), Arc::clone(&next));
        tasks.spawn(call_in_turn(client, work, next, recorder, seen));
    }
    let mut tally = Tally::default();
    while let Some(done) = tasks.join_next().await {
        tally.add(done??);
    }
    let recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(running.finish(tally, Some(&recorder)))
}

/// One caller: a call after the other, as long as there are calls to make.
async fn call_in_turn(
    mut client: SendRequest<Bytes>,
    work: Work,
    next: Arc<AtomicU32>,
    recorder: Arc<Mutex<Recorder>>,
    seen: Seen,
) -> anyhow::Result<Tally> {
    let mut message = verify::body(work.body);
    let mut tally = Tally::default();
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= work.each {
            return Ok(tally);
        }
        verify::number(&mut message, index);
        let began = Instant::now();
        client = client.ready().await?;
        let (response, mut stream) =
            client.send_request(Request::post("http://localhost/").body(())?, false)?;
        stream.send_data(Bytes::copy_from_slice(&message), true)?;
        let reply = whole(response.await?.body_mut()).await?;
        recorder.lock().unwrap_or_else(PoisonError::into_inner).record(began.elapsed());
        tally.add(Tally { messages: 1, bytes: reply.len() as u64, errors: u64::from(reply != message) });
        seen.add(1);
    }
}

/// A body to its end; one that came in one frame is not copied.
async fn whole(stream: &mut RecvStream) -> anyhow::Result<Bytes> {
    let Some(first) = stream.data().await else { bail!("a body did not come") };
    let first = first?;
    stream.flow_control().release_capacity(first.len())?;
    let mut more = BytesMut::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        more.extend_from_slice(&data);
    }
    if more.is_empty() {
        return Ok(first);
    }
    let mut all = BytesMut::from(&first[..]);
    all.extend_from_slice(&more);
    Ok(all.freeze())
}
