//! push-mux itself: a source for each stream, an async method for each call.
//!
//! Both ends: one shard, windows that adapt (64 KiB to 16 MiB), `TCP_NODELAY`, limits raised to what the scenarios need, all
//! else at its default. A call's body is its argument, a JSON string of 64 characters, and so is its reply.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context, anyhow, bail, ensure};
use bytes::BytesMut;
use push_mux::mux::{GATHER_BYTES_MIN, Limits};
use push_mux::secret::Transport;
use push_mux::{
    Address, Call, CallError, Client, ClientOptions, Keypair, RecvStream, Router, SendStream, Server,
    block_on,
};

use super::{MOST_STREAMS, Peer};
use crate::compare::trial::Ready;
use crate::compare::verify::{self, Check};
use crate::compare::work::{Shape, Windows, Work};
use crate::latency::Recorder;
use crate::measure::{Measured, Meter, Seen, Tally};
use crate::row::CreditCounts;

/// Bodies that are not copied are cut from blocks of this size.
const BLOCK: usize = 64 << 10;

/// The framework that this load generator belongs to.
#[derive(Debug)]
pub(super) struct PushMux {
    name: &'static str,
    settings: &'static str,
    /// Of the server that shakes hands.
    seed: Option<[u8; 32]>,
}

/// Over TCP.
pub(super) const PLAIN: PushMux = PushMux {
    name: "push-mux",
    settings: "one shard, credit auto (64 KiB to 16 MiB a stream, 64 MiB a connection)",
    seed: None,
};

/// Over box-stream.
pub(super) const SHS: PushMux = PushMux {
    name: "push-mux-shs",
    settings: "the same over secret-handshake and box-stream",
    seed: Some(*b"the server of a throughput run.."),
};

impl Peer for PushMux {
    fn name(&self) -> &'static str {
        self.name
    }

    fn settings(&self, _windows: Windows) -> String {
        self.settings.to_owned()
    }

    fn serve(&self, _work: &Work) -> anyhow::Result<()> {
        let server = match &self.seed {
            None => Server::bind("net:127.0.0.1:0")?,
            Some(seed) => Server::bind("net:127.0.0.1:0~shs")?.identity(Keypair::from_seed(seed)),
        };
        let server = server.shards(1).limits(limits());
        let addresses = server.addresses();
        let endpoint = addresses.first().and_then(|address| address.endpoints().first());
        let Some(Transport::Net { port, .. }) = endpoint.map(|endpoint| &endpoint.transport) else {
            return Err(anyhow!("the server is not bound"));
        };
        Ready::announce(*port);
        server.serve(|_shard| Router::new().on_source("count", count).on_async("same", same))?;
        Ok(())
    }

    fn drive(&self, work: &Work, server: SocketAddr, meter: &Meter) -> anyhow::Result<Measured> {
        let address: Address = match &self.seed {
            None => server.to_string().parse()?,
            Some(seed) => {
                let key = Keypair::from_seed(seed).public().to_base64();
                format!("net:{server}~shs:{key}").parse()?
            }
        };
        block_on(async {
            let mut options = ClientOptions::default();
            options.connect.session.limits = limits();
            let client = Client::connect_with(&address, options).await.context("cannot connect")?;
            // The session has settled how credit flows before the clock starts, as the others' handshakes are over too.
            client.manifest().await?;
            let mut measured = match work.shape {
                Shape::Source => receive_all(&client, work, meter).await?,
                Shape::Async => call_all(&client, work, meter).await?,
                Shape::Sink | Shape::PingPong => bail!("not this shape"),
            };
            let counters = client.connection().counters();
            measured.credit = Some(CreditCounts {
                grants: counters.grants_out,
                grant_frames: counters.grant_frames_out,
                stalls: counters.stalls,
            });
            Ok(measured)
        })?
    }
}

fn limits() -> Limits {
    Limits { streams_open_max: MOST_STREAMS as usize, receive_bytes_max: 64 << 20, ..Limits::default() }
}

/// `count(each, body)`: so many messages of that size.
async fn count(call: Call, tx: &mut SendStream) -> Result<(), CallError> {
    let (each, body): (u32, usize) = (call.arg(0)?, call.arg(1)?);
    let mut message = verify::body(body);
    let mut pool = BytesMut::new();
    for index in 0..each {
        verify::number(&mut message, index);
        if body < GATHER_BYTES_MIN {
            tx.send(&message[..]).await?;
        } else {
            if pool.capacity() < body {
                pool.reserve(BLOCK.max(body));
            }
            pool.extend_from_slice(&message);
            tx.send(pool.split().freeze()).await?;
        }
    }
    Ok(())
}

async fn same(call: Call) -> Result<String, CallError> {
    call.arg(0)
}

async fn receive_all(client: &Client, work: &Work, meter: &Meter) -> anyhow::Result<Measured> {
    let (each, body) = (work.each, work.body);
    let running = meter.start();
    let mut tasks = Vec::new();
    for _stream in 0..work.streams {
        let rx = client.source("count", (each, body)).await?;
        tasks.push(glommio::spawn_local(receive(rx, each, body, meter.seen())));
    }
    let mut tally = Tally::default();
    for task in tasks {
        tally.add(task.await?);
    }
    Ok(running.finish(tally, None))
}

async fn receive(mut rx: RecvStream, each: u32, body: usize, seen: Seen) -> anyhow::Result<Tally> {
    let mut check = Check::new(body);
    while let Some(message) = rx.next().await {
        check.message(&message?.bytes);
        seen.add(1);
    }
    let messages = check.tally().messages;
    ensure!(messages == u64::from(each), "a stream ended after {messages} of {each} messages");
    Ok(check.tally())
}

async fn call_all(client: &Client, work: &Work, meter: &Meter) -> anyhow::Result<Measured> {
    let recorder = Rc::new(RefCell::new(Recorder::new()));
    let next = Rc::new(Cell::new(0));
    let running = meter.start();
    let mut tasks = Vec::new();
    for _caller in 0..work.depth {
        let (client, recorder, next) = (client.clone(), Rc::clone(&recorder), Rc::clone(&next));
        tasks.push(glommio::spawn_local(call_in_turn(client, *work, next, recorder, meter.seen())));
    }
    let mut tally = Tally::default();
    for task in tasks {
        tally.add(task.await?);
    }
    Ok(running.finish(tally, Some(&recorder.borrow())))
}

/// One caller: a call after the other, as long as there are calls to make.
async fn call_in_turn(
    client: Client,
    work: Work,
    next: Rc<Cell<u32>>,
    recorder: Rc<RefCell<Recorder>>,
    seen: Seen,
) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    loop {
        let index = next.get();
        if index >= work.each {
            return Ok(tally);
        }
        next.set(index + 1);
        let message = format!("{index:0width$}", width = work.body);
        let began = Instant::now();
        let reply: String = client.call("same", (&message,)).await?;
        recorder.borrow_mut().record(began.elapsed());
        tally.add(Tally { messages: 1, bytes: reply.len() as u64, errors: u64::from(reply != message) });
        seen.add(1);
    }
}
