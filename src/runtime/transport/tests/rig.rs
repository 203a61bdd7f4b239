//! Two ends joined by a line that cuts what it carries anywhere.

use crate::runtime::transport::{
    Incoming, Stage, StageError, TlsStage, WsLimits, WsStage, client_config, server_config,
};
use bytes::{Bytes, BytesMut};
use std::{
    io::IoSlice,
    sync::{Arc, OnceLock},
};

struct Level {
    stage: Box<dyn Stage>,
    has_started: bool,
}

/// Stages of one side, the lowest first, and what came out above them.
pub(super) struct End {
    levels: Vec<Level>,
    pub(super) received: BytesMut,
    pub(super) result: Result<Incoming, StageError>,
}

impl End {
    pub(super) fn new(stages: Vec<Box<dyn Stage>>) -> Self {
        let levels = stages.into_iter().map(|stage| Level { stage, has_started: false }).collect();
        Self { levels, received: BytesMut::new(), result: Ok(Incoming::Open) }
    }

    pub(super) fn start(&mut self, down: &mut BytesMut) {
        start(&mut self.levels, down);
    }

    pub(super) fn is_ready(&self) -> bool {
        self.levels.iter().all(|level| level.stage.is_ready())
    }

    pub(super) fn receive(&mut self, chunk: Bytes, down: &mut BytesMut) {
        let result = receive(&mut self.levels, chunk, &mut self.received, down);
        if self.result == Ok(Incoming::Open) {
            self.result = result;
        }
    }

    pub(super) fn send(&mut self, slices: &[IoSlice<'_>], down: &mut BytesMut) -> Result<(), StageError> {
        let (top, below) = self.levels.split_last_mut().expect("there is a stage");
        let mut bytes = BytesMut::new();
        top.stage.send(slices, &mut bytes)?;
        sink(below, bytes, down);
        Ok(())
    }

    /// Goodbye of every level, from above.
    pub(super) fn close(&mut self, down: &mut BytesMut) {
        for at in (0..self.levels.len()).rev() {
            let mut bytes = BytesMut::new();
            self.levels[at].stage.close(&mut bytes);
            sink(&mut self.levels[..at], bytes, down);
        }
    }
}

/// Sends `bytes` through the levels below.
fn sink(below: &mut [Level], mut bytes: BytesMut, down: &mut BytesMut) {
    for level in below.iter_mut().rev() {
        let mut wrapped = BytesMut::new();
        if !bytes.is_empty() {
            level.stage.send(&[IoSlice::new(&bytes)], &mut wrapped).expect("the level below is open");
        }
        bytes = wrapped;
    }
    down.extend_from_slice(&bytes);
}

fn start(levels: &mut [Level], down: &mut BytesMut) {
    let Some((level, above)) = levels.split_first_mut() else { return };
    if !level.has_started {
        level.has_started = true;
        level.stage.start(down);
    }
    if level.stage.is_ready() {
        let mut bytes = BytesMut::new();
        start(above, &mut bytes);
        sink(std::slice::from_mut(level), bytes, down);
    }
}

fn receive(
    levels: &mut [Level],
    chunk: Bytes,
    up: &mut BytesMut,
    down: &mut BytesMut,
) -> Result<Incoming, StageError> {
    let (level, above) = levels.split_first_mut().expect("there is a stage");
    if above.is_empty() {
        return level.stage.receive(chunk, up, down);
    }
    let (mut middle, mut answer) = (BytesMut::new(), BytesMut::new());
    let mut incoming = level.stage.receive(chunk, &mut middle, down)?;
    if level.stage.is_ready() {
        start(above, &mut answer);
    }
    let mut result = Ok(Incoming::Open);
    if !middle.is_empty() {
        result = receive(above, middle.freeze(), up, &mut answer);
    }
    if incoming == Incoming::Open {
        sink(std::slice::from_mut(level), answer, down);
    }
    if result? == Incoming::Closed {
        incoming = Incoming::Closed;
    }
    Ok(incoming)
}

/// Two ends and what is under way between them.
pub(super) struct Pair {
    pub(super) client: End,
    pub(super) server: End,
    pub(super) to_server: BytesMut,
    pub(super) to_client: BytesMut,
    /// Sizes of the pieces that arrive, over and over.
    cuts: Vec<usize>,
    at: usize,
}

impl Pair {
    pub(super) fn new(client: Vec<Box<dyn Stage>>, server: Vec<Box<dyn Stage>>, cuts: &[usize]) -> Self {
        let mut pair = Self {
            client: End::new(client),
            server: End::new(server),
            to_server: BytesMut::new(),
            to_client: BytesMut::new(),
            cuts: cuts.to_vec(),
            at: 0,
        };
        pair.client.start(&mut pair.to_server);
        pair.server.start(&mut pair.to_client);
        pair
    }

    fn cut(&mut self) -> usize {
        self.at += 1;
        self.cuts[self.at % self.cuts.len()]
    }

    /// Delivers until nothing is under way.
    pub(super) fn run(&mut self) {
        while !self.to_server.is_empty() || !self.to_client.is_empty() {
            let size = self.cut().min(self.to_server.len());
            if size > 0 {
                self.server.receive(self.to_server.split_to(size).freeze(), &mut self.to_client);
                // At any moment, and harmless.
                self.server.levels.iter_mut().for_each(|level| level.stage.settle());
            }
            let size = self.cut().min(self.to_client.len());
            if size > 0 {
                self.client.receive(self.to_client.split_to(size).freeze(), &mut self.to_server);
            }
        }
    }

    /// Delivers until both ends are ready.
    pub(super) fn connect(&mut self) {
        self.run();
        assert!(self.client.is_ready() && self.server.is_ready(), "{:?}", self.results());
    }

    pub(super) fn results(&self) -> [&Result<Incoming, StageError>; 2] {
        [&self.client.result, &self.server.result]
    }

    /// Sends `bytes` from the client, each `cut` bytes a slice of their own.
    pub(super) fn client_sends(&mut self, bytes: &[u8], cut: usize) {
        let slices: Vec<IoSlice<'_>> = bytes.chunks(cut).map(IoSlice::new).collect();
        self.client.send(&slices, &mut self.to_server).expect("it is open");
    }

    pub(super) fn server_sends(&mut self, bytes: &[u8], cut: usize) {
        let slices: Vec<IoSlice<'_>> = bytes.chunks(cut).map(IoSlice::new).collect();
        self.server.send(&slices, &mut self.to_client).expect("it is open");
    }

    /// Both directions at once, twice; what arrives is what was sent.
    pub(super) fn exchange(&mut self, up: &[u8], down: &[u8], cut: usize) {
        for _ in 0..2 {
            self.client_sends(up, cut);
            self.server_sends(down, cut);
            self.run();
            assert!(self.server.received.split() == up && self.client.received.split() == down);
        }
        assert_eq!(self.results(), [&Ok(Incoming::Open); 2]);
    }

    /// The client says goodbye at every level; both ends see the other's.
    pub(super) fn client_closes(&mut self) {
        self.client.close(&mut self.to_server);
        self.run();
        assert_eq!(self.results(), [&Ok(Incoming::Closed); 2]);
    }

    pub(super) fn server_closes(&mut self) {
        self.server.close(&mut self.to_client);
        self.run();
        assert_eq!(self.results(), [&Ok(Incoming::Closed); 2]);
    }
}

/// Bytes that differ from their neighbours, also 64 KiB away.
pub(super) fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

pub(super) fn ws_client() -> Box<dyn Stage> {
    Box::new(WsStage::client("example.org", 8989, "/").expect("a good address"))
}

pub(super) fn ws_server() -> Box<dyn Stage> {
    Box::new(WsStage::server(WsLimits::default()))
}

type Configs = (Arc<rustls::ServerConfig>, Arc<rustls::ClientConfig>);

/// A server that is `example.org` and `127.0.0.1`, and a client that trusts it.
pub(super) fn configs() -> &'static Configs {
    static CONFIGS: OnceLock<Configs> = OnceLock::new();
    CONFIGS.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let names = ["example.org".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        std::fs::write(&cert, made.cert.pem()).expect("it can be written");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("it can be written");
        (server_config(&cert, &key).expect("a server"), client_config(Some(&cert)).expect("a client"))
    })
}

pub(super) fn tls_client(host: &str) -> Box<dyn Stage> {
    Box::new(TlsStage::client(configs().1.clone(), host).expect("a good name"))
}

pub(super) fn tls_server() -> Box<dyn Stage> {
    Box::new(TlsStage::server(configs().0.clone()).expect("a good configuration"))
}
