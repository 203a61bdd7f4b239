//! One method of each kind, with a fixed manifest: to muxrpc what httpbin is to HTTP.

use crate::{
    options::SessionArgs,
    transport::{IdentityArgs, TlsArgs, shakes_hands},
};
use bytes::{BufMut, Bytes, BytesMut};
use clap::Args;
use push_mux::{
    Address, Call, CallError, Json, RecvStream, Router, SendStream, Server,
    mux::Outgoing,
    runtime::{BackendChoice, ServeOptions},
    wire::BodyKind,
};
use serde_json::{Number, Value, json};
use std::{cell::Cell, io::Write, time::Duration};

#[derive(Args)]
pub(crate) struct DemoArgs {
    /// Where to listen: net:HOST:PORT~shs, ws://HOST:PORT~shs, wss://HOST:PORT~shs or unix:/PATH; without ~shs anybody may
    /// listen in. May be given more than once.
    #[arg(long, required = true, value_name = "ADDRESS")]
    listen: Vec<Address>,
    /// Shards to run; one per CPU if not said.
    #[arg(long, value_name = "N")]
    shards: Option<usize>,
    /// How sockets wait: auto, ring or epoll.
    #[arg(long, default_value = "auto", value_name = "BACKEND")]
    backend: BackendChoice,
    #[command(flatten)]
    identity: IdentityArgs,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    session: SessionArgs,
}

pub(crate) fn run(args: &DemoArgs) -> Result<(), String> {
    let credentials = args.listen.iter().any(shakes_hands).then(|| args.identity.of_server()).transpose()?;
    let server = Server::bind_all(&args.listen).map_err(|error| error.to_string())?;
    let options = ServeOptions {
        shards: args.shards,
        backend: args.backend,
        session: args.session.config(),
        congestion: args.session.congestion.clone(),
        credentials,
        tls: args.tls.acceptor()?,
        ..ServeOptions::default()
    };
    let server = server.options(options);
    for address in server.addresses() {
        println!("listening on {address}");
    }
    // Whoever started us waits for that line.
    std::io::stdout().flush().map_err(|error| error.to_string())?;
    server.serve(|_shard| router()).map_err(|error| error.to_string())
}

fn router() -> Router {
    Router::new()
        .on_async("hello", hello)
        .on_sync("add", add)
        .on_async("fail", fail)
        .on_source("count", count)
        .on_source("ticks", ticks)
        .on_sink("collect", collect)
        .on_async("collected", collected)
        .on_duplex("echo", echo)
        .on_async("nested.hello", hello)
}

async fn hello(call: Call) -> Result<String, CallError> {
    let name: String = call.arg(0)?;
    Ok(format!("hello, {name}!"))
}

async fn add(call: Call) -> Result<Number, CallError> {
    let (a, b): (Number, Number) = (call.arg(0)?, call.arg(1)?);
    if let Some(sum) = a.as_i64().zip(b.as_i64()).and_then(|(a, b)| a.checked_add(b)) {
        return Ok(sum.into());
    }
    let sum = a.as_f64().zip(b.as_f64()).and_then(|(a, b)| Number::from_f64(a + b));
    sum.ok_or_else(|| CallError::new("the sum is not a number that JSON has"))
}

async fn fail(call: Call) -> Result<(), CallError> {
    Err(CallError::new(call.arg::<String>(0)?))
}

/// Bodies of one size, cut from larger blocks: one allocation serves many.
struct Bodies {
    size: usize,
    block: BytesMut,
}

const BLOCK_BYTES: usize = 64 << 10;
/// Longest body that peers of ours accept; nobody shall make us set aside more.
const SIZE_MAX: usize = 1 << 20;

impl Bodies {
    fn next(&mut self, index: u32) -> Bytes {
        if self.block.len() < self.size {
            self.block = BytesMut::zeroed((BLOCK_BYTES / self.size).max(1) * self.size);
        }
        let mut body = self.block.split_to(self.size);
        (&mut body[..4]).put_u32(index);
        body.freeze()
    }
}

async fn count(call: Call, tx: &mut SendStream) -> Result<(), CallError> {
    let (n, size): (u32, Option<usize>) = (call.arg(0)?, call.arg(1)?);
    match size {
        None => {
            for number in 1..=n {
                tx.send(Outgoing::borrowed(BodyKind::Json, number.to_string().as_bytes())).await?;
            }
        }
        Some(size) if !(4..=SIZE_MAX).contains(&size) => {
            return Err(CallError::new("size must be at least 4 and at most 1048576"));
        }
        // Short bodies are copied behind their header anyway.
        Some(size) if size < push_mux::mux::GATHER_BYTES_MIN => {
            let mut body = vec![0; size];
            for index in 0..n {
                (&mut body[..4]).put_u32(index);
                tx.send(&body[..]).await?;
            }
        }
        Some(size) => {
            let mut bodies = Bodies { size, block: BytesMut::new() };
            for index in 0..n {
                tx.send(bodies.next(index)).await?;
            }
        }
    }
    Ok(())
}

async fn ticks(call: Call, tx: &mut SendStream) -> Result<(), CallError> {
    let every = Duration::from_millis(call.arg::<u64>(0)?.max(1));
    let mut tick = 0_u64;
    loop {
        tx.send(Json(tick).body()?).await?;
        tick += 1;
        glommio::timer::sleep(every).await;
    }
}

/// What the connection's last finished `collect` counted.
#[derive(Default)]
struct Collected {
    messages: Cell<u64>,
    bytes: Cell<u64>,
}

async fn collect(call: Call, rx: &mut RecvStream) -> Result<(), CallError> {
    let (mut messages, mut bytes) = (0, 0);
    while let Some(body) = rx.next().await {
        messages += 1;
        bytes += body?.bytes.len() as u64;
    }
    let collected = call.state::<Collected>();
    collected.messages.set(messages);
    collected.bytes.set(bytes);
    Ok(())
}

async fn collected(call: Call) -> Result<Value, CallError> {
    let collected = call.state::<Collected>();
    Ok(json!({ "messages": collected.messages.get(), "bytes": collected.bytes.get() }))
}

async fn echo(_call: Call, tx: &mut SendStream, rx: &mut RecvStream) -> Result<(), CallError> {
    while let Some(body) = rx.next().await {
        tx.send(body?).await?;
    }
    Ok(())
}
