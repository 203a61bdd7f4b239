//! A client for any muxrpc peer.

use crate::{
    options::SessionArgs,
    transport::{DialArgs, IdentityArgs, shakes_hands},
};
use clap::Args;
use push_mux::{
    Address, Body, BodyKind, CallError, Client, ClientOptions, RecvStream, SendStream, block_on,
    mux::Outgoing, rpc::Kind, runtime::ConnectOptions,
};
use serde_json::{Value, json};
use std::io::{BufRead, Read, Write};

#[derive(Args)]
pub(crate) struct CallArgs {
    /// Whom to call: net:HOST:PORT~shs:KEY, the same with ws:// or wss://, onion:HOST:PORT~shs:KEY, unix:/PATH, HOST:PORT.
    address: Address,
    /// The method's dotted name.
    method: String,
    /// Arguments, each a JSON value.
    args: Vec<String>,
    /// Bodies as they are: print them without quoting or newlines, and send standard input as binary bodies of up to 64 KiB.
    #[arg(long)]
    raw: bool,
    /// The method's kind, when the peer's manifest does not say: async, sync, source, sink or duplex.
    #[arg(long, value_parser = kind)]
    kind: Option<Kind>,
    /// Shards to run; a client uses one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1))]
    shards: Option<u16>,
    #[command(flatten)]
    identity: IdentityArgs,
    #[command(flatten)]
    dial: DialArgs,
    #[command(flatten)]
    session: SessionArgs,
}

fn kind(text: &str) -> Result<Kind, String> {
    Kind::from_name(text).ok_or_else(|| format!("{text:?} is none of async, sync, source, sink and duplex"))
}

pub(crate) fn run(args: &CallArgs) -> Result<(), String> {
    let values = args.args.iter().map(|text| {
        serde_json::from_str::<Value>(text).map_err(|error| format!("argument {text:?} is no JSON: {error}"))
    });
    let values = values.collect::<Result<Vec<_>, _>>()?;
    let ended = block_on(call(args, &values)).map_err(|error| error.to_string())?;
    ended.map_err(|error| error.to_string())
}

async fn call(args: &CallArgs, values: &[Value]) -> Result<(), CallError> {
    let credentials = shakes_hands(&args.address).then(|| args.identity.of_client()).transpose();
    let connect = ConnectOptions {
        session: args.session.config(),
        congestion: args.session.congestion.clone(),
        credentials: credentials.map_err(CallError::new)?,
        socks5: args.dial.socks5.clone(),
        tls: args.dial.connector().map_err(CallError::new)?,
        ..ConnectOptions::default()
    };
    let options = ClientOptions { connect, mode: args.session.credit_mode, ..ClientOptions::default() };
    let connected = Client::connect_with(&args.address, options).await;
    let client = connected.map_err(|error| CallError::new(error.to_string()))?;
    let known = match args.kind {
        Some(kind) => Some(kind),
        None => client.manifest().await.ok().and_then(|manifest| manifest.kind(&args.method)),
    };
    let method = args.method.as_str();
    let ended = match known.unwrap_or(Kind::Async) {
        Kind::Async | Kind::Sync => match client.call_body(method, values).await {
            Ok(body) => print(&body, args.raw),
            Err(error) => Err(error),
        },
        Kind::Source => match client.source(method, values).await {
            Ok(mut rx) => print_all(&mut rx, args.raw).await,
            Err(error) => Err(error),
        },
        Kind::Sink => feed_sink(&client, args, values).await,
        Kind::Duplex => feed_duplex(&client, args, values).await,
    };
    client.close().await;
    ended
}

fn print(body: &Body, raw: bool) -> Result<(), CallError> {
    let mut out = std::io::stdout().lock();
    if raw {
        out.write_all(&body.bytes)?;
        return Ok(());
    }
    match body.kind {
        BodyKind::Json => out.write_all(body.bytes.trim_ascii_end())?,
        BodyKind::Text => write!(out, "{}", Value::from(String::from_utf8_lossy(&body.bytes).into_owned()))?,
        // The form that Node gives a buffer in JSON.
        BodyKind::Binary => write!(out, "{}", json!({ "type": "Buffer", "data": body.bytes.as_ref() }))?,
    }
    out.write_all(b"\n")?;
    Ok(())
}

async fn print_all(rx: &mut RecvStream, raw: bool) -> Result<(), CallError> {
    while let Some(body) = rx.next().await {
        print(&body?, raw)?;
    }
    std::io::stdout().flush()?;
    Ok(())
}

/// The next body from standard input: a line as JSON if it is that, else as text; or raw bytes.
fn read_body(raw: bool) -> std::io::Result<Option<Body>> {
    let mut input = std::io::stdin().lock();
    if raw {
        let mut buffer = vec![0; 64 << 10];
        let bytes = input.read(&mut buffer)?;
        buffer.truncate(bytes);
        return Ok((bytes > 0).then(|| Body::binary(buffer)));
    }
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let line = line.trim_end_matches(['\n', '\r']);
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok();
    Ok(Some(if is_json { Body::json(line.to_owned()) } else { Body::text(line) }))
}

/// Feeds standard input to a stream. Reading a terminal or a pipe blocks, so glommio's blocking thread does it.
async fn feed(tx: &mut SendStream, raw: bool) -> Result<(), CallError> {
    while let Some(body) = glommio::executor().spawn_blocking(move || read_body(raw)).await? {
        tx.send(Outgoing::from(body)).await?;
    }
    Ok(())
}

async fn feed_sink(client: &Client, args: &CallArgs, values: &[Value]) -> Result<(), CallError> {
    let mut sink = client.sink(&args.method, values).await?;
    feed(sink.sender(), args.raw).await?;
    sink.finish().await
}

async fn feed_duplex(client: &Client, args: &CallArgs, values: &[Value]) -> Result<(), CallError> {
    let (mut tx, mut rx) = client.duplex(&args.method, values).await?;
    let raw = args.raw;
    let feeding = glommio::spawn_local(async move {
        let fed = feed(&mut tx, raw).await;
        tx.finish();
        fed
    });
    let printed = print_all(&mut rx, raw).await;
    // A peer that ends first leaves us waiting for input that nobody wants.
    if printed.is_err() {
        feeding.cancel().await;
        return printed;
    }
    feeding.await
}
