//! The server's process, the limits of both ends, and who runs on which core.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use push_mux::mux::{Config, Credit, Limits};
use push_mux::runtime::{ConnectOptions, Credentials, ServeOptions, cpus};
use push_mux::secret::{self, Endpoint, NetworkKey};
use push_mux::{Address, Client, ClientOptions, CreditMode, Keypair, Router};

use crate::plan::{Settings, Transport};
use crate::process::Worker;
use crate::record::callgrind;
use crate::server::{FeedSource, Listening, ServerOptions};

/// How long a server may take to read its feeds and listen.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Streams that a run opens besides its own: the control stream and one that nobody reads.
const MORE_STREAMS: u32 = 16;

/// Connections that a shard may have besides those of the run.
const MORE_CONNECTIONS: usize = 256;

/// The run broke off: messages are missing, so it counts as wrong.
#[derive(Debug)]
pub(crate) struct Lost(pub(crate) String);

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Lost {}

/// Connections and streams that a server must take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    /// At the same time.
    pub(crate) connections: u32,
    /// Of each connection, or calls in flight on it.
    pub(crate) streams: u32,
}

/// How clients reach the server.
#[derive(Clone, Debug)]
pub(crate) struct Dial {
    /// Where it is.
    pub(crate) address: Address,
    connect: ConnectOptions,
    mode: CreditMode,
    network: NetworkKey,
}

impl Dial {
    /// How a server that runs already is reached, by connections of so many streams.
    pub(crate) fn foreign(settings: &Settings, address: Address, streams: u32) -> anyhow::Result<Self> {
        let network = match &settings.network_key {
            None => NetworkKey::default(),
            Some(text) => {
                NetworkKey::from_base64(text).context("--network-key is no key of 32 bytes in base64")?
            }
        };
        let receive_max = settings.receive_max.unwrap_or_else(|| receive_max(settings.credit, streams));
        let connect = connect_options(settings, limits(streams, receive_max));
        Ok(Self { address, connect, mode: settings.credit_mode, network })
    }

    /// A connection, from inside an executor.
    pub(crate) async fn client(&self) -> push_mux::Result<Client> {
        let options =
            ClientOptions { connect: self.connect.clone(), mode: self.mode, ..ClientOptions::default() };
        Client::connect_with(&self.address, options).await
    }

    /// A connection of somebody the server may know, who answers calls.
    pub(crate) async fn client_as(&self, identity: Keypair, router: Router) -> push_mux::Result<Client> {
        let credentials = Credentials { identity: Arc::new(identity), network: self.network.clone() };
        let connect = ConnectOptions { credentials: Some(credentials), ..self.connect.clone() };
        Client::connect_with(&self.address, ClientOptions { connect, mode: self.mode, router }).await
    }
}

/// A server that runs, and what its clients need.
#[derive(Debug)]
pub(crate) struct Bench {
    /// How to reach it.
    pub(crate) dial: Dial,
    /// Cores for the clients.
    pub(crate) cores: Vec<usize>,
    /// The server's.
    pub(crate) server_cores: Vec<usize>,
    /// Unread bytes that a connection may hold.
    pub(crate) receive_max: u64,
    worker: Worker,
    socket: Option<Socket>,
    is_counted: bool,
}

impl Drop for Bench {
    fn drop(&mut self) {
        if self.is_counted {
            // What was counted is written at an orderly end.
            self.worker.stop(callgrind::STOP_WITHIN);
        }
    }
}

impl Bench {
    /// Starts a server for a run of that size; with feeds, if it is to serve some.
    pub(crate) fn start(settings: &Settings, size: Size, feeds: Option<FeedSource>) -> anyhow::Result<Self> {
        Self::launch(settings, size, feeds, None)
    }

    /// The same, with the server's instructions counted into a file when it ends.
    pub(crate) fn launch(
        settings: &Settings,
        size: Size,
        feeds: Option<FeedSource>,
        count: Option<&Path>,
    ) -> anyhow::Result<Self> {
        Self::open(settings, size, (feeds, None), count)
    }

    /// The same with a pub, which keeps what it stores in a directory.
    pub(crate) fn with_store(settings: &Settings, size: Size, dir: &Path) -> anyhow::Result<Self> {
        Self::open(settings, size, (None, Some(dir.to_owned())), None)
    }

    fn open(
        settings: &Settings,
        size: Size,
        (feeds, store): (Option<FeedSource>, Option<PathBuf>),
        count: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let (server_cores, cores) = share_cores(settings.shards as usize)?;
        let socket = (settings.transport == Transport::Unix).then(Socket::new).transpose()?;
        let receive_max = settings.receive_max.unwrap_or_else(|| receive_max(settings.credit, size.streams));
        let limits = limits(size.streams, receive_max);
        let server = ServerOptions {
            address: listen_at(settings.transport, socket.as_ref())?.to_string(),
            cores: server_cores.clone(),
            connections_max: connections_max(size.connections),
            streams_max: limits.streams_open_max,
            receive_max,
            receive_shard_max: (256 << 20).max(receive_max.saturating_mul(u64::from(size.connections))),
            settings: settings.clone(),
            feeds,
            store,
        };
        let arguments = ["serve".to_owned(), serde_json::to_string(&server)?];
        let mut worker = match count {
            None => Worker::again(&arguments)?,
            Some(file) => callgrind::start(file, &arguments)?,
        };
        let address = await_address(&mut worker)?;
        let connect = connect_options(settings, limits);
        let network = NetworkKey::default();
        Ok(Self {
            dial: Dial { address, connect, mode: settings.credit_mode, network },
            cores,
            server_cores,
            receive_max,
            worker,
            socket,
            is_counted: count.is_some(),
        })
    }

    /// The server's process.
    pub(crate) fn server(&self) -> u32 {
        self.worker.id()
    }

    /// All connections stand: whatever ends this process from now on, no socket is left behind.
    pub(crate) fn connected(&self) {
        self.socket.iter().for_each(Socket::remove);
    }
}

/// What both ends take on a connection of so many streams.
fn limits(streams: u32, receive_max: u64) -> Limits {
    let streams_open_max = (streams + MORE_STREAMS) as usize;
    Limits {
        streams_open_max,
        requests_in_max: streams_open_max.max(Limits::default().requests_in_max),
        receive_bytes_max: receive_max,
        ..Limits::default()
    }
}

fn connect_options(settings: &Settings, limits: Limits) -> ConnectOptions {
    let session = Config {
        credit: settings.credit,
        control: settings.credit_mode.control(),
        limits,
        ..Config::default()
    };
    ConnectOptions { session, congestion: settings.congestion.clone(), ..ConnectOptions::default() }
}

fn await_address(worker: &mut Worker) -> anyhow::Result<Address> {
    match worker.line(READY_WITHIN) {
        Ok(line) => {
            let ready = serde_json::from_str::<Listening>(&line);
            let ready = ready.with_context(|| format!("the server said {line:?} instead of its address"))?;
            Ok(ready.address.parse()?)
        }
        Err(_) => bail!("the server did not start: {}", worker.end()),
    }
}

/// Where the server shall listen.
pub(super) fn listen_at(transport: Transport, socket: Option<&Socket>) -> anyhow::Result<Address> {
    let text = match transport {
        Transport::Tcp => "net:127.0.0.1:0",
        Transport::Shs => "net:127.0.0.1:0~shs",
        Transport::Ws => "ws://127.0.0.1:0~shs",
        Transport::Unix => {
            let path = socket.context("a Unix socket has a path")?.path();
            return Ok(Endpoint::from(secret::Transport::Unix(path)).into());
        }
    };
    Ok(text.parse()?)
}

/// Connections that a shard must take: all may be on one, and those that just ended may still be counted.
fn connections_max(connections: u32) -> usize {
    (connections as usize).saturating_add(MORE_CONNECTIONS).max(ServeOptions::default().connections_max)
}

/// What a connection must be able to hold when nobody reads: enough for the window of every stream.
fn receive_max(credit: Credit, streams: u32) -> u64 {
    let window = match credit {
        Credit::Fixed(bytes) => bytes.saturating_mul(2),
        Credit::Auto => 8 << 10,
    };
    window.saturating_mul(u64::from(streams)).max(Limits::default().receive_bytes_max)
}

/// The server's cores, one for each of its shards, and the clients': those that the server leaves, or all when it takes
/// all.
fn share_cores(shards: usize) -> anyhow::Result<(Vec<usize>, Vec<usize>)> {
    // Different cores first, their second threads last.
    let all = cpus::plan(Some(cpus::allowed_cpus()?.len()))?;
    anyhow::ensure!(
        shards <= all.len(),
        "{shards} shards need as many cores, and this process may use {}",
        all.len()
    );
    Ok(split(all, shards))
}

fn split(all: Vec<usize>, shards: usize) -> (Vec<usize>, Vec<usize>) {
    let (server, rest) = all.split_at(shards.min(all.len()));
    if rest.is_empty() { (all.clone(), all) } else { (server.to_vec(), rest.to_vec()) }
}

/// A place for a Unix socket, removed with what is in it.
#[derive(Debug)]
pub(super) struct Socket(PathBuf);

impl Socket {
    fn new() -> anyhow::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("loadgen-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder))
    }

    fn path(&self) -> PathBuf {
        self.0.join("server.sock")
    }

    fn remove(&self) {
        // Left behind it would only be litter.
        let _best_effort = std::fs::remove_dir_all(&self.0);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_take_the_cores_that_the_server_leaves() {
        assert_eq!(split(vec![0, 2, 1, 3], 1), (vec![0], vec![2, 1, 3]));
        assert_eq!(split(vec![0, 1], 2), (vec![0, 1], vec![0, 1]));
        assert_eq!(split(vec![7], 1), (vec![7], vec![7]));
    }

    #[test]
    fn every_stream_has_room_for_its_window() {
        assert_eq!(receive_max(Credit::Auto, 1), 16 << 20);
        assert_eq!(receive_max(Credit::Auto, 10_000), 10_000 * 8192);
        assert_eq!(receive_max(Credit::Fixed(1 << 20), 100), 200 << 20);
    }
}
