//! Frames by hand against an open WebSocket.

use super::rig::{Pair, bytes, ws_client, ws_server};
use crate::runtime::transport::{Incoming, StageError, WsStage};
use bytes::Bytes;
use std::io::IoSlice;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const FIN: u8 = 0x80;
const MASK: [u8; 4] = [0x12, 0x9e, 0x00, 0xff];

fn frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, mask, payload.len() as u64);
    frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask.unwrap_or_default()[at % 4]));
    frame
}

fn header(first: u8, mask: Option<[u8; 4]>, length: u64) -> Vec<u8> {
    let bit = if mask.is_some() { 0x80 } else { 0 };
    let mut header = vec![first];
    match length {
        0..126 => header.push(bit | length as u8),
        126..65_536 => {
            header.push(bit | 126);
            header.extend((length as u16).to_be_bytes());
        }
        _ => {
            header.push(bit | 127);
            header.extend(length.to_be_bytes());
        }
    }
    header.extend(mask.iter().flatten());
    header
}

fn connected() -> Pair {
    let mut pair = Pair::new(vec![ws_client()], vec![ws_server()], &[100_000]);
    pair.connect();
    pair
}

/// A server that got `frames` byte by byte: its end, and what it answered.
fn server_gets(frames: &[Vec<u8>]) -> (Pair, Vec<u8>) {
    let mut pair = connected();
    for byte in frames.concat() {
        pair.server.receive(Bytes::copy_from_slice(&[byte]), &mut pair.to_client);
    }
    let answer = pair.to_client.split().to_vec();
    (pair, answer)
}

fn server_refuses(frames: &[Vec<u8>], error: &StageError, code: u16) {
    let (pair, answer) = server_gets(frames);
    assert_eq!(pair.server.result.as_ref(), Err(error));
    assert_eq!(answer, frame(FIN | CLOSE, None, &code.to_be_bytes()));
    assert!(!pair.server.is_ready());
}

#[test]
fn text_ends_the_connection() {
    server_refuses(&[frame(FIN | TEXT, Some(MASK), b"hello")], &StageError::Text, 1003);
    server_refuses(&[frame(TEXT, Some(MASK), b"hello")], &StageError::Text, 1003);
}

#[test]
fn pings_are_answered_between_fragments() {
    let (pair, answer) = server_gets(&[
        frame(BINARY, Some(MASK), b"frag"),
        frame(FIN | PING, Some(MASK), b"there?"),
        frame(FIN | PONG, Some(MASK), b"unasked"),
        frame(CONTINUATION, Some([1; 4]), b""),
        frame(FIN | CONTINUATION, Some([7; 4]), b"ments"),
    ]);
    assert_eq!(pair.server.result, Ok(Incoming::Open));
    assert_eq!(&pair.server.received[..], b"fragments");
    assert_eq!(answer, frame(FIN | PONG, None, b"there?"));
}

#[test]
fn a_flood_of_pings_gets_one_answer_a_chunk() {
    let mut pair = connected();
    let pings: Vec<u8> = (0..100_u8).flat_map(|at| frame(FIN | PING, Some(MASK), &[at])).collect();
    pair.server.receive(pings.into(), &mut pair.to_client);
    assert_eq!(&pair.to_client[..], frame(FIN | PONG, None, &[99]));
}

#[test]
fn a_client_answers_pings_masked() {
    let mut pair = connected();
    pair.client.receive(frame(FIN | PING, None, b"there?").into(), &mut pair.to_server);
    let mask: [u8; 4] = pair.to_server[2..6].try_into().expect("four bytes");
    assert_eq!(&pair.to_server[..], frame(FIN | PONG, Some(mask), b"there?"));
}

#[test]
fn clients_mask_and_servers_do_not() {
    let unmasked = StageError::Frame("not masked, from a client");
    server_refuses(&[frame(FIN | BINARY, None, b"x")], &unmasked, 1002);
    server_refuses(&[frame(FIN | PING, None, b"x")], &unmasked, 1002);

    let mut pair = connected();
    pair.client.receive(frame(FIN | BINARY, Some(MASK), b"x").into(), &mut pair.to_server);
    assert_eq!(pair.client.result, Err(StageError::Frame("masked, from a server")));
    assert_eq!(pair.to_server[0], FIN | CLOSE);
}

#[test]
fn masks_differ_from_frame_to_frame() {
    let mut pair = connected();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..100 {
        pair.client_sends(b"same", 4);
        assert_eq!(pair.to_server[..2], [FIN | BINARY, 0x84]);
        seen.insert(pair.to_server.split()[2..6].to_vec());
    }
    assert!(seen.len() > 95, "{}", seen.len());
}

#[test]
fn broken_frames_are_refused() {
    let m = Some(MASK);
    for (frames, why) in [
        (vec![frame(FIN | BINARY | 0x40, m, b"x")], "a reserved bit is set"),
        (vec![frame(FIN | 0x3, m, b"x")], "no such opcode"),
        (vec![frame(FIN | 0xb, m, b"x")], "no such opcode"),
        (vec![frame(PING, m, b"x")], "a control frame in fragments"),
        (vec![frame(FIN | PING, m, &[0; 126])], "a control frame over 125 bytes"),
        (vec![frame(FIN | CONTINUATION, m, b"x")], "a continuation of nothing"),
        (vec![frame(BINARY, m, b"x"), frame(FIN | BINARY, m, b"x")], "a message inside another"),
        (vec![frame(BINARY, m, b"x"), frame(FIN | TEXT, m, b"x")], "a message inside another"),
        (vec![frame(FIN | CLOSE, m, b"x")], "half a close code"),
        (vec![frame(FIN | CLOSE, m, &1005_u16.to_be_bytes())], "no such close code"),
        (vec![frame(FIN | CLOSE, m, &[3, 232, 0xff])], "a close reason that is not UTF-8"),
    ] {
        server_refuses(&frames, &StageError::Frame(why), 1002);
    }
}

#[test]
fn a_message_has_a_limit() {
    const MAX: usize = 1 << 20;
    let error = StageError::MessageSize { max: MAX as u64 };
    // The header alone is enough, and whatever it claims costs nothing.
    server_refuses(&[header(FIN | BINARY, Some(MASK), MAX as u64 + 1)], &error, 1009);
    server_refuses(&[header(FIN | BINARY, Some(MASK), u64::MAX)], &error, 1009);
    server_refuses(
        &[frame(BINARY, Some(MASK), &[7; 1000]), header(FIN | CONTINUATION, Some(MASK), MAX as u64 - 999)],
        &error,
        1009,
    );
    let mut pair = connected();
    let payload = bytes(MAX);
    for _ in 0..2 {
        pair.to_server.extend_from_slice(&frame(FIN | BINARY, Some(MASK), &payload));
    }
    pair.run();
    assert_eq!(pair.server.result, Ok(Incoming::Open));
    assert!(pair.server.received[..] == [&payload[..], &payload[..]].concat());
}

#[test]
fn payload_is_handed_up_as_it_arrives() {
    let mut pair = connected();
    let frame = frame(FIN | BINARY, Some(MASK), b"0123456789");
    pair.server.receive(Bytes::copy_from_slice(&frame[..9]), &mut pair.to_client);
    assert_eq!(&pair.server.received[..], b"012");
}

#[test]
fn what_is_sent_is_cut_into_messages_of_64_kib() {
    let mut pair = connected();
    let payload = bytes(150_000);
    pair.server_sends(&payload, 7_000);
    let wanted: Vec<u8> = payload.chunks(65_536).flat_map(|part| frame(FIN | BINARY, None, part)).collect();
    assert!(pair.to_client.split() == wanted);
    pair.server_sends(b"", 1);
    assert!(pair.to_client.is_empty(), "nothing to say is no message");
}

#[test]
fn a_close_is_answered_with_its_code() {
    let (mut pair, answer) = server_gets(&[
        frame(FIN | CLOSE, Some(MASK), &[3, 233, b'o', b'k']),
        frame(FIN | BINARY, Some(MASK), b"late"),
        frame(FIN | PING, Some(MASK), b"late"),
    ]);
    assert_eq!(pair.server.result, Ok(Incoming::Closed));
    assert_eq!(answer, frame(FIN | CLOSE, None, &1001_u16.to_be_bytes()));
    assert!(pair.server.received.is_empty());
    let sent = pair.server.send(&[IoSlice::new(b"x")], &mut pair.to_client);
    assert_eq!(sent, Err(StageError::Over));
    pair.server.close(&mut pair.to_client);
    assert!(pair.to_client.is_empty(), "one goodbye");
    // An empty close frame is answered with an empty one.
    assert_eq!(server_gets(&[frame(FIN | CLOSE, Some(MASK), b"")]).1, frame(FIN | CLOSE, None, b""));
}

#[test]
fn after_our_close_the_peer_may_finish() {
    let mut pair = connected();
    pair.server.close(&mut pair.to_client);
    pair.server.close(&mut pair.to_client);
    assert_eq!(&pair.to_client.split()[..], frame(FIN | CLOSE, None, &1000_u16.to_be_bytes()));
    assert!(!pair.server.is_ready());
    assert_eq!(pair.server.send(&[IoSlice::new(b"x")], &mut pair.to_client), Err(StageError::Over));
    pair.client_sends(b"last words", 4);
    pair.run();
    assert_eq!(&pair.server.received[..], b"last words");
    pair.server.receive(frame(FIN | PING, Some(MASK), b"?").into(), &mut pair.to_client);
    assert_eq!(pair.server.result, Ok(Incoming::Open));
    assert!(pair.to_client.is_empty(), "a goodbye is the last word");
    pair.to_server.extend_from_slice(&frame(FIN | CLOSE, Some(MASK), &1000_u16.to_be_bytes()));
    pair.run();
    assert_eq!(pair.server.result, Ok(Incoming::Closed));
    assert!(pair.to_client.is_empty() && pair.client.result == Ok(Incoming::Open));
}

#[test]
fn nothing_is_sent_before_the_upgrade() {
    let mut pair = Pair::new(vec![ws_client()], vec![ws_server()], &[100]);
    assert_eq!(pair.client.send(&[IoSlice::new(b"x")], &mut pair.to_server), Err(StageError::NotReady));
    assert_eq!(pair.server.send(&[IoSlice::new(b"x")], &mut pair.to_client), Err(StageError::NotReady));
    pair.connect();
}

/// Beside its origin this is all that a server keeps at rest; a client has its mask keys, 136 bytes.
#[test]
fn a_stage_is_small() {
    assert!(size_of::<WsStage>() <= 128, "{}", size_of::<WsStage>());
}
