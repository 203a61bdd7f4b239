//! yamux by the crate of that name: a stream for each source or call, a 4-byte length before each message.
//!
//! Both ends: tokio's current-thread runtime, `TCP_NODELAY`, the crate's default configuration (256 KiB windows that
//! adapt, 16 KiB frames). Only where a scenario needs more than the default 512 streams is that limit raised, and
//! with it, because the crate insists, the limit on all windows together. A message is one write; a reader takes 16 KiB
//! at a time, 2 KiB where there are thousands.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use anyhow::{Context as _, bail};
use futures::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};
use yamux::{Config, Connection, Mode, Stream};

use super::{ANY_PORT, MOST_STREAMS, Peer, one_thread};
use crate::compare::trial::Ready;
use crate::compare::verify::{self, Check, Inbox};
use crate::compare::work::{Shape, Windows, Work};
use crate::latency::Recorder;
use crate::measure::{Measured, Meter, Seen, Tally};

/// Streams that the crate allows by itself.
const DEFAULT_STREAMS: u32 = 512;

/// A request: messages wanted, size of a body. No messages wanted means: send back the body that follows.
const REQUEST: usize = 8;

/// The crate `yamux`.
#[derive(Debug)]
pub(super) struct Yamux;

impl Peer for Yamux {
    fn name(&self) -> &'static str {
        "yamux"
    }

    fn settings(&self, _windows: Windows) -> String {
        "tokio current-thread, default windows, streams limited to what the scenario needs".to_owned()
    }

    fn serve(&self, work: &Work) -> anyhow::Result<()> {
        one_thread()?.block_on(async {
            let listener = TcpListener::bind(ANY_PORT).await?;
            Ready::announce(listener.local_addr()?.port());
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let mut connection = Connection::new(socket.compat(), config(work), Mode::Server);
            while let Some(Ok(stream)) = poll_fn(|cx| connection.poll_next_inbound(cx)).await {
                tokio::spawn(async move {
                    if let Err(error) = answer(stream).await {
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
            let connection = Connection::new(socket.compat(), config(work), Mode::Client);
            let (opener, wanted) = mpsc::unbounded_channel();
            tokio::spawn(Driver { connection, wanted, waiting: VecDeque::new() }.run());
            match work.shape {
                Shape::Source => receive_all(Opener(opener), work, meter).await,
                Shape::Async => call_all(Opener(opener), work, meter).await,
                Shape::Sink | Shape::PingPong => bail!("not this shape"),
            }
        })
    }
}

fn config(work: &Work) -> Config {
    let mut config = Config::default();
    if work.streams > DEFAULT_STREAMS {
        config.set_max_connection_receive_window(None).set_max_num_streams(MOST_STREAMS as usize);
    }
    config
}

/// Where an opened stream goes.
type Want = oneshot::Sender<Stream>;

/// Asks the driver of a connection for streams.
#[derive(Clone)]
struct Opener(mpsc::UnboundedSender<Want>);

impl Opener {
    async fn open(&self) -> anyhow::Result<Stream> {
        let (want, stream) = oneshot::channel();
        self.0.send(want).ok().context("the connection is gone")?;
        stream.await.context("the connection ended before a stream opened")
    }
}

/// Moves a client's connection on and opens the streams that are asked for.
struct Driver {
    connection: Connection<Compat<TcpStream>>,
    wanted: mpsc::UnboundedReceiver<Want>,
    waiting: VecDeque<Want>,
}

impl Driver {
    async fn run(mut self) {
        if let Err(error) = poll_fn(|cx| self.poll(cx)).await {
            eprintln!("{error}");
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), yamux::ConnectionError>> {
        while let Poll::Ready(Some(want)) = self.wanted.poll_recv(cx) {
            self.waiting.push_back(want);
        }
        while !self.waiting.is_empty() {
            let Poll::Ready(stream) = self.connection.poll_new_outbound(cx)? else { break };
            if let Some(want) = self.waiting.pop_front() {
                // A caller that is gone has dropped its end; the stream is dropped, and so reset, with it.
                let _unwanted = want.send(stream);
            }
        }
        // The server opens no streams; this is what reads, writes and answers.
        while let Poll::Ready(inbound) = self.connection.poll_next_inbound(cx) {
            match inbound {
                Some(stream) => drop(stream?),
                None => return Poll::Ready(Ok(())),
            }
        }
        Poll::Pending
    }
}

async fn answer(mut stream: Stream) -> anyhow::Result<()> {
    let mut request = [0; REQUEST];
    stream.read_exact(&mut request).await?;
    let (each, body) = unpack(request);
    let mut message = framed(body)?;
    if each == 0 {
        stream.read_exact(&mut message).await?;
        stream.write_all(&message).await?;
    }
    for index in 0..each {
        verify::number(&mut message[4..], index);
        stream.write_all(&message).await?;
    }
    stream.close().await?;
    Ok(())
}

async fn receive_all(opener: Opener, work: &Work, meter: &Meter) -> anyhow::Result<Measured> {
    let streams = work.streams;
    let running = meter.start();
    let mut tasks = JoinSet::new();
    for _stream in 0..streams {
        tasks.spawn(receive(opener.clone(), *work, meter.seen()));
    }
    let mut tally = Tally::default();
    while let Some(done) = tasks.join_next().await {
        tally.add(done??);
    }
    Ok(running.finish(tally, None))
}

async fn receive(opener: Opener, work: Work, seen: Seen) -> anyhow::Result<Tally> {
    let body = work.body;
    let mut stream = opener.open().await?;
    stream.write_all(&pack(work.each, body)?).await?;
    let mut check = Check::new(body);
    let read_at_a_time = if work.streams > DEFAULT_STREAMS { 2 << 10 } else { 16 << 10 };
    let mut inbox = Inbox::new(read_at_a_time.max(body + 4));
    let mut received = 0;
    while received < u64::from(work.each) {
        let read = stream.read(inbox.room()).await?;
        inbox.filled(read)?;
        inbox.frames::<4>(|_, body| check.message(body))?;
        seen.add(check.tally().messages - received);
        received = check.tally().messages;
    }
    Ok(check.tally())
}

async fn call_all(opener: Opener, work: &Work, meter: &Meter) -> anyhow::Result<Measured> {
    let recorder = Arc::new(Mutex::new(Recorder::new()));
    let next = Arc::new(AtomicU32::new(0));
    let running = meter.start();
    let mut tasks = JoinSet::new();
    for _caller in 0..work.depth {
        let (recorder, next) = (Arc::clone(&recorder), Arc::clone(&next));
        tasks.spawn(call_in_turn(opener.clone(), *work, next, recorder, meter.seen()));
    }
    let mut tally = Tally::default();
    while let Some(done) = tasks.join_next().await {
        tally.add(done??);
    }
    let recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(running.finish(tally, Some(&recorder)))
}

/// One caller: a stream for each call, a call after the other, as long as there are calls to make.
async fn call_in_turn(
    opener: Opener,
    work: Work,
    next: Arc<AtomicU32>,
    recorder: Arc<Mutex<Recorder>>,
    seen: Seen,
) -> anyhow::Result<Tally> {
    let size = work.body;
    let mut message = pack(0, size)?.to_vec();
    message.extend(framed(size)?);
    let mut reply = framed(size)?;
    let mut tally = Tally::default();
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= work.each {
            return Ok(tally);
        }
        verify::number(&mut message[REQUEST + 4..], index);
        let began = Instant::now();
        let mut stream = opener.open().await?;
        stream.write_all(&message).await?;
        stream.read_exact(&mut reply).await?;
        recorder.lock().unwrap_or_else(PoisonError::into_inner).record(began.elapsed());
        stream.close().await?;
        tally.add(Tally { messages: 1, bytes: size as u64, errors: u64::from(reply != message[REQUEST..]) });
        seen.add(1);
    }
}

/// A message with its length before it.
fn framed(body: usize) -> anyhow::Result<Vec<u8>> {
    let mut message = u32::try_from(body)?.to_be_bytes().to_vec();
    message.extend(verify::body(body));
    Ok(message)
}

fn pack(each: u32, body: usize) -> anyhow::Result<[u8; REQUEST]> {
    let mut request = [0; REQUEST];
    request[..4].copy_from_slice(&each.to_be_bytes());
    request[4..].copy_from_slice(&u32::try_from(body)?.to_be_bytes());
    Ok(request)
}

fn unpack(request: [u8; REQUEST]) -> (u32, usize) {
    let [a, b, c, d, e, f, g, h] = request;
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]) as usize)
}
