//! A peer driven by hand: it says exactly what a test wants said, byte by byte.

use bytes::{Bytes, BytesMut};
use push_mux::{
    Address, Keypair, PublicKey,
    secret::{AUTH_BYTES, Handshake, NetworkKey, Opened, Opener, Outcome, Progress, Sealer, Transport},
};
use std::{
    io::{ErrorKind, IoSlice, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

/// A hang guard, not a measurement.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What a stranger hears.
pub(crate) const NOTHING: [u8; 0] = [];

/// `muxrpc` flags.
pub(crate) const JSON: u8 = 2;
pub(crate) const STREAM: u8 = 8;
pub(crate) const GOODBYE: [u8; 9] = [0; 9];

pub(crate) fn keypair(number: u8) -> Keypair {
    Keypair::from_seed(&[number; 32])
}

/// A fresh TCP connection to whatever an address says.
pub(crate) fn dial(address: &Address) -> TcpStream {
    let (Transport::Net { host, port }
    | Transport::Ws { host, port, .. }
    | Transport::Wss { host, port, .. }) = &address.endpoints()[0].transport
    else {
        panic!("{address} is not over TCP")
    };
    let socket = TcpStream::connect((host.as_str(), *port)).expect("it listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("it can wait");
    socket.set_write_timeout(Some(PATIENCE)).expect("it can wait");
    socket.set_nodelay(true).expect("it is TCP");
    socket
}

/// Reads to the end and yields what came; a reset is an end too.
pub(crate) fn rest(socket: &mut TcpStream) -> Vec<u8> {
    let (mut all, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        match socket.read(&mut chunk) {
            Ok(0) => return all,
            Ok(count) => all.extend_from_slice(&chunk[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                return all;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("the server does not hang up: {error}, {} bytes came", all.len()),
        }
    }
}

pub(crate) fn client_of(server: &PublicKey, network: &NetworkKey, identity: &Keypair) -> Handshake {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the system has randomness");
    Handshake::client(network, identity, server, &seed).expect("the server has a key")
}

/// A client of the rig's server in the main network.
pub(crate) fn client(address: &Address, number: u8) -> Handshake {
    let server = address.endpoints()[0].key().expect("the address has a key");
    client_of(&server, &NetworkKey::MAIN, &keypair(number))
}

/// Reads message 2 and makes message 3.
pub(crate) fn authenticate(socket: &mut TcpStream, handshake: &mut Handshake) -> [u8; AUTH_BYTES] {
    let mut hello = [0; 64];
    socket.read_exact(&mut hello).expect("message 2 comes");
    let progress = handshake.handle(&mut Bytes::copy_from_slice(&hello)).expect("message 2 is right");
    assert!(matches!(progress, Progress::NeedsMore));
    handshake.take_output()[..].try_into().expect("message 3")
}

/// Flags, request number, body.
pub(crate) type Frame = (u8, i32, Vec<u8>);

pub(crate) fn frame(flags: u8, id: i32, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![flags];
    frame.extend_from_slice(&u32::try_from(body.len()).expect("it is short").to_be_bytes());
    frame.extend_from_slice(&id.to_be_bytes());
    frame.extend_from_slice(body);
    frame
}

/// A peer behind its handshake.
pub(crate) struct Raw {
    pub(crate) socket: TcpStream,
    sealer: Sealer,
    opener: Opener,
    plain: BytesMut,
    has_goodbye: bool,
}

impl Raw {
    /// Shakes hands with a `net` address as `keypair(number)`.
    pub(crate) fn shake(address: &Address, number: u8) -> Self {
        let mut socket = dial(address);
        let mut handshake = client(address, number);
        socket.write_all(&handshake.take_output()).expect("message 1 is taken");
        let auth = authenticate(&mut socket, &mut handshake);
        socket.write_all(&auth).expect("message 3 is taken");
        let mut accept = [0; 80];
        socket.read_exact(&mut accept).expect("message 4 comes");
        match handshake.handle(&mut Bytes::copy_from_slice(&accept)).expect("message 4 is right") {
            Progress::Done(outcome) => Self::new(socket, &outcome),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn new(socket: TcpStream, outcome: &Outcome) -> Self {
        let (sealer, opener) = (outcome.sealer(), outcome.opener());
        Self { socket, sealer, opener, plain: BytesMut::new(), has_goodbye: false }
    }

    /// The bytes of segments, not yet sent.
    pub(crate) fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::new();
        self.sealer.seal(&[IoSlice::new(plain)], &mut out);
        out.to_vec()
    }

    pub(crate) fn seal_goodbye(&mut self) -> Vec<u8> {
        let mut out = BytesMut::new();
        self.sealer.seal_goodbye(&mut out);
        out.to_vec()
    }

    pub(crate) fn send(&mut self, plain: &[u8]) {
        let sealed = self.seal(plain);
        self.socket.write_all(&sealed).expect("the server reads");
    }

    /// The next frame; `None` once the server has hung up.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.split() {
                return Some(frame);
            }
            let mut chunk = [0; 4096];
            let count = match self.socket.read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => panic!("the server neither speaks nor hangs up: {error}"),
            };
            let opened = self.opener.open(&chunk[..count], &mut self.plain).expect("the server seals well");
            self.has_goodbye |= opened == Opened::Goodbye;
        }
    }

    fn split(&mut self) -> Option<Frame> {
        let length = self.plain.get(1..5)?.try_into().expect("4 bytes");
        let length = 9 + u32::from_be_bytes(length) as usize;
        if self.plain.len() < length {
            return None;
        }
        let frame = self.plain.split_to(length);
        Some((frame[0], i32::from_be_bytes(frame[5..9].try_into().expect("4 bytes")), frame[9..].to_vec()))
    }

    /// Reads until the server hangs up; whether the box-stream's goodbye was the last it said.
    pub(crate) fn ends_well(&mut self) -> bool {
        while self.next().is_some() {}
        self.has_goodbye
    }

    /// Calls and awaits the reply, whatever else comes.
    pub(crate) fn call(&mut self, id: i32, name: &str) -> String {
        let body = format!(r#"{{"name":["{name}"],"args":[],"type":"async"}}"#);
        self.send(&frame(JSON, id, body.as_bytes()));
        loop {
            let (_, to, body) = self.next().expect("the server answers");
            if to == -id {
                return String::from_utf8(body).expect("it is JSON");
            }
        }
    }

    pub(crate) fn shut(&self) {
        // The server may have closed it by now.
        let _ = self.socket.shutdown(Shutdown::Write);
    }
}
