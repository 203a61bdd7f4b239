//! WebSockets driven by hand below a handshake.

use crate::{
    boxes::{Heard, all, body, listen, opening, text},
    raw::{authenticate, client, dial, rest},
    rig::{Rig, secret},
};
use bytes::{Bytes, BytesMut};
use push_mux::{
    RecvError, Server,
    mux::SessionError,
    secret::{Outcome, Progress},
};
use std::{
    io::{IoSlice, Read, Write},
    net::TcpStream,
    sync::mpsc::{Receiver, channel},
};

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Binary or ping, masked with zeros.
fn ws_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126);
    let mut frame = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

fn ws_rig() -> (Rig, Receiver<Heard>, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("there is a place for it");
    let path = folder.path().join("mux.sock");
    let (tell, heard) = channel();
    let addresses = ["ws://127.0.0.1:0~shs".to_owned(), format!("unix:{}", path.display())];
    let addresses = addresses.map(|address| address.parse().expect("an address"));
    let server = Server::bind_all(&addresses).expect("they are free");
    (Rig::serve(server, secret(), move |_| listen(tell.clone())), heard, folder)
}

#[test]
fn who_asks_a_websocket_for_a_page_is_told() {
    let (rig, _heard, _folder) = ws_rig();
    let mut socket = dial(&rig.address);
    socket.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is taken");
    let answer = String::from_utf8(rest(&mut socket)).expect("it is HTTP");
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer:?}");
    rig.await_count("ws_upgrade", 1);
}

/// Shakes hands in many small messages, with a ping between them.
fn shake(rig: &Rig) -> (TcpStream, Outcome) {
    let mut socket = dial(&rig.address);
    socket.write_all(UPGRADE.as_bytes()).expect("it is taken");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).expect("the answer comes");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    let mut handshake = client(&rig.address, 2);
    for byte in &handshake.take_output()[..] {
        socket.write_all(&ws_frame(0x82, &[*byte])).expect("it is taken");
    }
    let mut header = [0; 2];
    socket.read_exact(&mut header).expect("message 2 comes");
    assert_eq!(header, [0x82, 64]);
    let auth = authenticate(&mut socket, &mut handshake);
    socket.write_all(&[ws_frame(0x89, b"?"), ws_frame(0x82, &auth)].concat()).expect("it is taken");
    let mut answers = [0; 3 + 2 + 80];
    socket.read_exact(&mut answers).expect("a pong and message 4 come");
    assert_eq!((&answers[..3], &answers[3..5]), (&[0x8a, 1, b'?'][..], &[0x82, 80][..]));
    let accepted = handshake.handle(&mut Bytes::copy_from_slice(&answers[5..])).expect("message 4 is right");
    let Progress::Done(outcome) = accepted else { panic!("{accepted:?}") };
    (socket, outcome)
}

#[test]
fn a_goodbye_of_the_websocket_alone_is_no_end() {
    let (rig, heard, _folder) = ws_rig();
    let (mut socket, outcome) = shake(&rig);
    let mut sealed = BytesMut::new();
    outcome.sealer().seal(&[IoSlice::new(&[opening(), text("one")].concat())], &mut sealed);
    socket.write_all(&[ws_frame(0x82, &sealed), ws_frame(0x88, &[3, 232])].concat()).expect("it is taken");
    let heard = all(&heard);
    assert_eq!((heard.len(), &heard[0]), (2, &body("one")));
    let Heard::End(Err(RecvError::Session(SessionError::Transport(why)))) = &heard[1] else {
        panic!("{heard:?}")
    };
    assert!(why.contains("without the box-stream's goodbye"), "{why}");
    rest(&mut socket);
    rig.await_count("box_stream_truncated", 1);
}
