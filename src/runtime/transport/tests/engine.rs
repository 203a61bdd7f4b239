//! The frame reader against tungstenite's own engine: whatever frames come, both take them or both refuse.

use super::rig::{End, Pair, bytes, ws_client, ws_server};
use crate::runtime::transport::Incoming;
use bytes::{Buf, Bytes, BytesMut};
use proptest::{
    collection::vec,
    prelude::{Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest},
};
use std::io::{self, Read, Write};
use tungstenite::{
    Error, Message, WebSocket,
    protocol::{
        Role, WebSocketConfig,
        frame::{
            Frame, FrameHeader,
            coding::{Data, OpCode},
        },
    },
};

/// A line in memory; empty is not ended.
#[derive(Default)]
struct Pipe {
    incoming: BytesMut,
    outgoing: BytesMut,
}

impl Read for Pipe {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let size = to.len().min(self.incoming.len());
        if size == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.incoming.copy_to_slice(&mut to[..size]);
        Ok(size)
    }
}

impl Write for Pipe {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.outgoing.extend_from_slice(from);
        Ok(from.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn engine(role: Role) -> WebSocket<Pipe> {
    let config = WebSocketConfig::default().read_buffer_size(4096).max_message_size(Some(1 << 20));
    WebSocket::from_raw_socket(Pipe::default(), role, Some(config.max_frame_size(Some(1 << 20))))
}

/// All binary payload that is there, and how it ended.
fn read_all(socket: &mut WebSocket<Pipe>) -> (Vec<u8>, Result<Incoming, String>) {
    let mut payload = Vec::new();
    loop {
        match socket.read() {
            Ok(Message::Binary(bytes)) => payload.extend_from_slice(&bytes),
            Ok(Message::Close(_)) => {
                let _ = socket.flush();
                return (payload, Ok(Incoming::Closed));
            }
            Ok(_) => {}
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return (payload, Ok(Incoming::Open));
            }
            Err(error) => return (payload, Err(error.to_string())),
        }
    }
}

/// A pair of stages past the upgrade.
fn open_ends() -> (End, End) {
    let mut pair = Pair::new(vec![ws_client()], vec![ws_server()], &[10_000]);
    pair.connect();
    (pair.client, pair.server)
}

#[derive(Clone, Debug)]
struct Made {
    header: FrameHeader,
    payload: Vec<u8>,
}

/// Mostly what a peer may send, and now and then what it may not. No text: there the two differ on purpose.
fn made() -> impl Strategy<Value = Made> {
    let opcode = prop_oneof![
        6 => Just(2_u8), 6 => Just(0_u8), 3 => Just(9_u8), 2 => Just(10_u8), 1 => Just(8_u8), 1 => 3..8_u8, 1 => 11..16_u8
    ];
    let rarely = |odds: u32| (0..odds).prop_map(|at| at == 0);
    let size = prop_oneof![8 => 0..100_usize, 2 => 120..130_usize, 1 => 65_530..65_540_usize];
    (opcode, any::<bool>(), rarely(60), rarely(60), any::<[u8; 4]>(), size).prop_map(
        |(opcode, is_final, rsv1, is_bare, mask, size)| {
            let is_control = opcode >= 8;
            let payload = if opcode == 8 { 1000_u16.to_be_bytes().to_vec() } else { bytes(size) };
            let mask = (!is_bare).then_some(mask);
            let is_final = is_final || (is_control && mask.is_some_and(|mask| mask[0] > 8));
            let opcode = OpCode::from(opcode);
            Made { header: FrameHeader { is_final, rsv1, rsv2: false, rsv3: false, opcode, mask }, payload }
        },
    )
}

fn wire(frames: &[Made]) -> Vec<u8> {
    let mut wire = Vec::new();
    for Made { header, payload } in frames {
        header.format(payload.len() as u64, &mut wire).expect("memory takes it");
        let mask = header.mask.unwrap_or_default();
        wire.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
    }
    wire
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn both_take_the_same_frames(frames in vec(made(), 1..12), cuts in vec(1..2_000_usize, 1..6)) {
        let wire = wire(&frames);
        let mut engine = engine(Role::Server);
        engine.get_mut().incoming.extend_from_slice(&wire);
        let (payload, result) = read_all(&mut engine);

        let (_, mut server) = open_ends();
        let (mut rest, mut answer) = (Bytes::from(wire), BytesMut::new());
        for cut in cuts.iter().cycle() {
            if rest.is_empty() { break }
            server.receive(rest.split_to((*cut).min(rest.len())), &mut answer);
        }
        prop_assert_eq!(server.result.is_ok(), result.is_ok(), "{:?} {:?}", server.result, result);
        if let (Ok(ours), Ok(theirs)) = (&server.result, &result) {
            prop_assert_eq!(ours, theirs);
        }
        // The engine keeps a message until it is complete; the stage hands it up as it comes.
        prop_assert!(server.received.starts_with(&payload));
    }
}

#[test]
fn a_stage_talks_to_the_engine_as_client_and_as_server() {
    let payload = bytes(3 << 20);
    let (mut client, mut server) = open_ends();

    let mut engine_server = engine(Role::Server);
    client.send(&[io::IoSlice::new(&payload)], &mut engine_server.get_mut().incoming).expect("it is open");
    client.close(&mut engine_server.get_mut().incoming);
    assert!(read_all(&mut engine_server) == (payload.clone(), Ok(Incoming::Closed)));
    client.receive(engine_server.get_mut().outgoing.split().freeze(), &mut BytesMut::new());
    assert_eq!(client.result, Ok(Incoming::Closed));

    let mut engine_client = engine(Role::Client);
    let fragment = |payload: &[u8], data, is_final| {
        Message::Frame(Frame::message(payload.to_vec(), OpCode::Data(data), is_final))
    };
    engine_client.send(fragment(&payload[..70_000], Data::Binary, false)).expect("memory takes it");
    engine_client.send(Message::Ping(Bytes::from_static(b"?"))).expect("memory takes it");
    engine_client.send(fragment(&payload[70_000..100_000], Data::Continue, true)).expect("memory takes it");
    engine_client.close(None).expect("memory takes it");
    let sent = engine_client.get_mut().outgoing.split().freeze();
    server.receive(sent, &mut engine_client.get_mut().incoming);
    assert_eq!(server.result, Ok(Incoming::Closed));
    assert!(server.received[..] == payload[..100_000]);
    assert!(matches!(engine_client.read(), Ok(Message::Pong(payload)) if &payload[..] == b"?"));
    assert!(matches!(engine_client.read(), Ok(Message::Close(None))));
}
