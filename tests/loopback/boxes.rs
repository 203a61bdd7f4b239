//! What is said behind a handshake, by hand: cuts, forgeries, odd packets, and peers that fall silent.

use crate::{
    raw::{Frame, GOODBYE, JSON, PATIENCE, Raw, STREAM, frame, keypair},
    rig::{Rig, as_peer, bounded, counting, secret},
};
use bytes::Bytes;
use push_mux::{
    Address, Call, Client, RecvError, RecvStream, Router, block_on,
    mux::{Config, Limits, SessionError},
    runtime::ServeOptions,
    secret::{Handshake, NetworkKey, Progress},
};
use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

/// What a sink has heard: bodies, and then how it ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    Body(String),
    End(Result<(), RecvError>),
}

pub(crate) fn body(text: &str) -> Heard {
    Heard::Body(text.to_owned())
}

/// A server with a sink that tells the test what it hears.
fn listening(options: ServeOptions) -> (Rig, Receiver<Heard>) {
    let (tell, heard) = channel();
    let build = move |_: &push_mux::Shard| listen(tell.clone());
    (Rig::secret(options, |server| server, build), heard)
}

pub(crate) fn listen(tell: Sender<Heard>) -> Router {
    counting().on_sink("listen", async move |_call: Call, rx: &mut RecvStream| {
        while let Some(item) = rx.next().await {
            let item = match item {
                Ok(body) => Heard::Body(String::from_utf8_lossy(&body.bytes).into_owned()),
                Err(error) => {
                    let _ = tell.send(Heard::End(Err(error)));
                    return Ok(());
                }
            };
            let _ = tell.send(item);
        }
        let _ = tell.send(Heard::End(Ok(())));
        Ok(())
    })
}

const OPEN: &[u8] = br#"{"name":["listen"],"args":[],"type":"sink"}"#;

pub(crate) fn opening() -> Vec<u8> {
    frame(JSON | STREAM, 1, OPEN)
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    frame(1 | STREAM, 1, text.as_bytes())
}

/// What is heard until the end.
pub(crate) fn all(heard: &Receiver<Heard>) -> Vec<Heard> {
    let mut all = Vec::new();
    while !matches!(all.last(), Some(Heard::End(_))) {
        all.push(heard.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no end: {all:?}")));
    }
    all
}

fn assert_cut(heard: Vec<Heard>, words: &str) {
    let (end, before) = heard.split_last().expect("there is an end");
    assert_eq!(before, [body("one"), body("two")]);
    let Heard::End(Err(RecvError::Session(SessionError::Transport(why)))) = end else { panic!("{end:?}") };
    assert!(why.contains(words), "{why}");
}

#[test]
fn a_forged_segment_ends_the_connection_behind_what_came_before() {
    let (rig, heard) = listening(secret());
    // Header MAC, header, body; sent behind the others, or in one piece with them.
    let cases = [(0, true), (130, true), (271, false), (272, true), (272, false), (340, false)];
    for (bit, is_joined) in cases {
        let mut raw = Raw::shake(&rig.address, 2);
        let mut good = raw.seal(&[opening(), text("one")].concat());
        good.extend(raw.seal(&text("two")));
        let mut bad = raw.seal(&text("three"));
        bad[bit / 8] ^= 1 << (bit % 8);
        let later = raw.seal(&text("four"));
        if is_joined {
            raw.socket.write_all(&[good, bad, later].concat()).expect("they are taken");
        } else {
            raw.socket.write_all(&good).expect("they are taken");
            thread::sleep(Duration::from_millis(20));
            raw.socket.write_all(&bad).expect("they are taken");
        }
        assert_cut(all(&heard), "forged");
        assert!(!raw.ends_well(), "who forges hears no goodbye");
    }
    rig.await_count("box_stream_header_forged", 3);
    rig.await_count("box_stream_body_forged", 3);
}

#[test]
fn a_cut_line_is_no_end() {
    let (rig, heard) = listening(secret());
    for (case, extra) in [0, 1, 33, 34, 40].into_iter().enumerate() {
        let mut raw = Raw::shake(&rig.address, 2);
        let mut bytes = raw.seal(&[opening(), text("one")].concat());
        bytes.extend(raw.seal(&text("two")));
        bytes.extend(&raw.seal(&text("three"))[..extra]);
        raw.socket.write_all(&bytes).expect("they are taken");
        raw.shut();
        assert_cut(all(&heard), "without the box-stream's goodbye");
        raw.ends_well();
        rig.await_count("box_stream_truncated", case as u64 + 1);
    }
}

#[test]
fn a_goodbye_in_both_layers_is_an_end() {
    let (rig, heard) = listening(secret());
    let mut raw = Raw::shake(&rig.address, 2);
    let ended = frame(JSON | STREAM | 4, 1, b"true");
    raw.send(&[opening(), text("one"), ended, GOODBYE.to_vec()].concat());
    let goodbye = raw.seal_goodbye();
    raw.socket.write_all(&goodbye).expect("it is taken");
    raw.shut();
    assert_eq!(all(&heard), [body("one"), Heard::End(Ok(()))]);
    assert!(raw.ends_well(), "the server says goodbye too");
    let counts = rig.counts();
    assert!(counts.is_empty(), "{counts:?}");
}

#[test]
fn segments_may_come_in_single_bytes() {
    let (rig, heard) = listening(secret());
    let mut raw = Raw::shake(&rig.address, 2);
    let mut bytes = raw.seal(&opening());
    bytes.extend(raw.seal(&[text("one"), frame(JSON | STREAM | 4, 1, b"true")].concat()));
    bytes.chunks(1).for_each(|byte| raw.socket.write_all(byte).expect("it is taken"));
    assert_eq!(all(&heard), [body("one"), Heard::End(Ok(()))]);
}

/// A frame is not a segment: one ends where it likes in the other.
#[test]
fn frames_may_be_cut_anywhere_by_segments() {
    let (rig, heard) = listening(secret());
    let mut raw = Raw::shake(&rig.address, 2);
    let long = "x".repeat(10_000);
    let plain = [opening(), text(&long), text("two"), frame(JSON | STREAM | 4, 1, b"true")].concat();
    let sealed: Vec<u8> = plain.chunks(7).flat_map(|piece| raw.seal(piece)).collect();
    raw.socket.write_all(&sealed).expect("it is taken");
    assert_eq!(all(&heard), [body(&long), body("two"), Heard::End(Ok(()))]);
}

/// The other way round: a server by hand, whose first call comes in one packet with message 4.
#[test]
fn a_first_segment_may_come_with_the_last_message() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("somebody comes");
        socket.set_read_timeout(Some(PATIENCE)).expect("it can wait");
        let mut handshake = Handshake::server(&NetworkKey::MAIN, &keypair(1), &[5; 32]);
        let (mut hello, mut auth) = ([0; 64], [0; 112]);
        socket.read_exact(&mut hello).expect("message 1 comes");
        assert!(matches!(handshake.handle(&mut Bytes::copy_from_slice(&hello)), Ok(Progress::NeedsMore)));
        socket.write_all(&handshake.take_output()).expect("it is taken");
        socket.read_exact(&mut auth).expect("message 3 comes");
        let progress = handshake.handle(&mut Bytes::copy_from_slice(&auth));
        assert!(matches!(progress, Ok(Progress::Authorise(key)) if key == keypair(2).public()));
        let outcome = handshake.accept().expect("it has authenticated");
        let accept = handshake.take_output().to_vec();
        let mut raw = Raw::new(socket, &outcome);
        let call = raw.seal(&frame(JSON, 1, br#"{"name":["name"],"args":[],"type":"async"}"#));
        raw.socket.write_all(&[accept, call].concat()).expect("it is taken");
        loop {
            let (_, id, body): Frame = raw.next().expect("the client answers");
            if id == -1 {
                return body;
            }
        }
    });
    let address = format!("net:127.0.0.1:{port}~shs:{}", keypair(1).public().to_base64());
    let address: Address = address.parse().expect("an address");
    let work = async {
        let router = Router::new().on_async("name", async |_call: Call| Ok("carol"));
        let options = push_mux::ClientOptions { router, ..as_peer(2) };
        let client = Client::connect_with(&address, options).await.expect("it listens");
        client.connection().closed().await;
    };
    block_on(bounded(work)).expect("the machine is fit");
    assert_eq!(server.join().expect("no panic"), b"\"carol\"");
}

fn idle(idle_max: Duration) -> ServeOptions {
    let limits = Limits { idle_max, ..Limits::default() };
    ServeOptions { session: Config { limits, ..Config::default() }, ..secret() }
}

#[test]
fn a_silent_peer_is_asked_and_then_dropped() {
    let (rig, heard) = listening(idle(Duration::from_secs(2)));
    let mut raw = Raw::shake(&rig.address, 2);
    raw.send(&[opening(), text("one"), text("two")].concat());
    let (flags, id, asked) = raw.next().expect("it is asked");
    assert_eq!(flags, JSON);
    assert!(id > 0);
    assert!(String::from_utf8_lossy(&asked).contains("manifest"));
    // It is silent all the same.
    raw.ends_well();
    let heard = all(&heard);
    assert_eq!(heard[2], Heard::End(Err(RecvError::Session(SessionError::Idle))), "{heard:?}");
}

#[test]
fn a_peer_that_answers_lives_on() {
    let (rig, _heard) = listening(idle(Duration::from_secs(2)));
    let mut raw = Raw::shake(&rig.address, 2);
    for _ in 0..4 {
        let (_, id, asked) = raw.next().expect("it is asked");
        assert!(id > 0 && String::from_utf8_lossy(&asked).contains("manifest"));
        raw.send(&frame(JSON, -id, b"{}"));
    }
    assert_eq!(raw.call(1, "counts"), "{}");
}
