//! Every transport a server listens on, in both directions, with enough bytes to fill every buffer on the way.

use crate::{
    raw::keypair,
    rig::{BACKENDS, Rig, SERVER, as_peer, bounded, secret},
};
use push_mux::{
    Address, Call, CallError, Client, RecvStream, Router, SendStream, Server, block_on,
    runtime::{ServeOptions, TlsAcceptor, TlsConnector},
    secret::{Endpoint, Transport},
};
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::mpsc,
    thread,
};

const BYTES: usize = 1_000_000;
/// Of a duplex, each way.
const DUPLEX_BYTES: usize = 5_000_000;
const PIECE: usize = 70_000;

/// What stands at each place of a long run of bytes: a piece lost, doubled or swapped is found.
fn pattern(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).map(|at| (at.wrapping_mul(0x9e37_79b1) >> 11) as u8).collect()
}

async fn send_all(tx: &mut SendStream, total: usize) -> Result<(), CallError> {
    let mut at = 0;
    while at < total {
        let piece = pattern(at, PIECE.min(total - at));
        at += piece.len();
        tx.send(piece).await?;
    }
    Ok(())
}

async fn check_all(rx: &mut RecvStream, total: usize) -> Result<(), CallError> {
    let mut at = 0;
    while let Some(body) = rx.next().await {
        let bytes = body?.bytes;
        if bytes != pattern(at, bytes.len()) {
            return Err(CallError::new(format!("other bytes after {at}")));
        }
        at += bytes.len();
    }
    if at == total { Ok(()) } else { Err(CallError::new(format!("{at} bytes"))) }
}

fn router() -> Router {
    Router::new()
        .on_async("who", async |call: Call| Ok(call.peer().key.map(|key| key.to_string())))
        .on_async("owner", async |call: Call| Ok(call.peer().is_owner))
        .on_source("source", async |_call: Call, tx: &mut SendStream| send_all(tx, BYTES).await)
        .on_sink("sink", async |_call: Call, rx: &mut RecvStream| check_all(rx, BYTES).await)
        .on_duplex("echo", async |_call: Call, tx: &mut SendStream, rx: &mut RecvStream| {
            while let Some(body) = rx.next().await {
                tx.send(body?).await?;
            }
            Ok(())
        })
}

async fn exercise(client: &Client) {
    assert_eq!(check_all(&mut client.source("source", ()).await.expect("it is sent"), BYTES).await, Ok(()));
    let mut sink = client.sink("sink", ()).await.expect("it is sent");
    send_all(sink.sender(), BYTES).await.expect("the stream is open");
    assert_eq!(sink.finish().await, Ok(()));
    let (mut tx, mut rx) = client.duplex("echo", ()).await.expect("it is sent");
    let sending = glommio::spawn_local(async move {
        send_all(&mut tx, DUPLEX_BYTES).await.expect("the stream is open");
        tx.finish();
    });
    assert_eq!(check_all(&mut rx, DUPLEX_BYTES).await, Ok(()));
    sending.await;
}

/// A certificate for this machine, made now: what the server shows and what its clients trust.
fn tls(folder: &Path) -> (TlsAcceptor, TlsConnector) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).expect("it can be written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("it can be written");
    (
        TlsAcceptor::from_pem(&cert, &key).expect("they fit"),
        TlsConnector::with_roots(&cert).expect("it is read"),
    )
}

fn bind(folder: &Path) -> Server {
    let unix = format!("unix:{}~noauth", folder.join("mux.sock").display());
    let addresses = ["net:127.0.0.1:0~shs", "ws://127.0.0.1:0~shs", "wss://127.0.0.1:0~shs", &unix];
    Server::bind_all(&addresses.map(|address| address.parse().expect("an address"))).expect("they are free")
}

#[test]
fn every_transport_carries_everything_beside_the_others() {
    let folder = tempfile::tempdir().expect("there is a place for it");
    let (acceptor, connector) = tls(folder.path());
    for backend in BACKENDS {
        let options = ServeOptions { backend, tls: Some(acceptor.clone()), ..secret() };
        let rig = Rig::serve(bind(folder.path()), options, |_| router());
        let key = Some(keypair(7).public().to_string());
        let work = async {
            let mut tasks = Vec::new();
            for address in &rig.addresses {
                let mut options = as_peer(7);
                options.connect.tls = Some(connector.clone());
                let client = Client::connect_with(address, options).await;
                let client = client.unwrap_or_else(|error| panic!("{address}: {error}"));
                let is_unix = matches!(address.endpoints()[0].transport, Transport::Unix(_));
                assert_eq!(client.call("who", ()).await, Ok(key.clone().filter(|_| !is_unix)), "{address}");
                assert_eq!(client.call("owner", ()).await, Ok(is_unix), "{address}");
                tasks.push(glommio::spawn_local(async move {
                    exercise(&client).await;
                    client.close().await;
                }));
            }
            assert_eq!(tasks.len(), 4);
            for task in tasks {
                task.await;
            }
        };
        block_on(bounded(work)).expect("the machine is fit");
        rig.stop().expect("the server ends well");
    }
}

#[test]
fn a_certificate_that_the_client_does_not_trust_ends_the_dial() {
    let folder = tempfile::tempdir().expect("there is a place for it");
    let other = tempfile::tempdir().expect("there is a place for it");
    let (acceptor, _) = tls(folder.path());
    let (_, connector) = tls(other.path());
    let rig = Rig::serve(bind(folder.path()), ServeOptions { tls: Some(acceptor), ..secret() }, |_| router());
    let mut options = as_peer(7);
    options.connect.tls = Some(connector);
    let refused =
        block_on(bounded(Client::connect_with(&rig.addresses[2], options))).expect("the machine is fit");
    let refused = refused.map(drop).expect_err("nobody vouches for it");
    assert!(
        matches!(&refused, push_mux::Error::Handshake { reason, .. } if reason.contains("TLS")),
        "{refused}"
    );
}

/// A SOCKS5 proxy for one connection; says which name and port it was asked for.
fn proxy(listener: TcpListener, target: (String, u16), asked: mpsc::Sender<(String, u16)>) {
    let (mut client, _) = listener.accept().expect("somebody comes");
    let mut greeting = [0; 3];
    client.read_exact(&mut greeting).expect("a greeting");
    assert_eq!(greeting, [5, 1, 0]);
    client.write_all(&[5, 0]).expect("it reads");
    let mut head = [0; 5];
    client.read_exact(&mut head).expect("a request");
    assert_eq!(head[..4], [5, 1, 0, 3]);
    let mut name = vec![0; usize::from(head[4]) + 2];
    client.read_exact(&mut name).expect("a name and a port");
    let port = name.split_off(name.len() - 2);
    let name = String::from_utf8(name).expect("a name");
    asked.send((name, u16::from_be_bytes([port[0], port[1]]))).expect("the test waits");
    let server = TcpStream::connect(target).expect("the server listens");
    client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 80]).expect("it reads");
    let pump = |mut from: TcpStream, mut to: TcpStream| {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    };
    let (back, forth) = (server.try_clone().expect("a handle"), client.try_clone().expect("a handle"));
    let returning = thread::spawn(move || pump(back, forth));
    pump(client, server);
    returning.join().expect("no panic");
}

#[test]
fn an_onion_is_reached_through_the_proxy() {
    let folder = tempfile::tempdir().expect("there is a place for it");
    let options = ServeOptions { tls: Some(tls(folder.path()).0), ..secret() };
    let rig = Rig::serve(bind(folder.path()), options, |_| router());
    let Transport::Net { host, port } = rig.address.endpoints()[0].transport.clone() else {
        panic!("it is TCP")
    };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let socks5 = listener.local_addr().expect("it is bound").to_string();
    let (asked, asks) = mpsc::channel();
    let running = thread::spawn(move || proxy(listener, (host, port), asked));
    let onion = format!("onion:abcdefghij.onion:8008~shs:{}", keypair(SERVER).public().to_base64());
    let onion: Address = onion.parse::<Endpoint>().expect("an address").into();
    let mut options = as_peer(7);
    options.connect.socks5 = Some(socks5);
    let work = async {
        let client = Client::connect_with(&onion, options).await.expect("the proxy leads there");
        assert_eq!(client.call("who", ()).await, Ok(Some(keypair(7).public().to_string())));
        exercise(&client).await;
        client.close().await;
    };
    block_on(bounded(work)).expect("the machine is fit");
    assert_eq!(asks.recv().expect("it was asked"), ("abcdefghij.onion".to_owned(), 8008));
    running.join().expect("no panic");
}
