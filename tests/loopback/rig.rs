//! A server on threads of its own, for as long as a test runs.

use crate::raw::{PATIENCE, keypair};
use futures_lite::FutureExt;
use glommio::timer::sleep;
use push_mux::{
    Address, Call, Client, ClientOptions, Result, Router, Server, Shard, block_on,
    mux::{Config, Limits},
    runtime::{BackendChoice, ConnectOptions, Credentials, ServeOptions, Shutdown},
};
use std::{
    collections::BTreeMap,
    future::Future,
    thread::{self, JoinHandle},
    time::Duration,
};

/// A running server; stopped when dropped.
pub(crate) struct Rig {
    pub(crate) address: Address,
    /// One per listener.
    pub(crate) addresses: Vec<Address>,
    shutdown: Shutdown,
    thread: Option<JoinHandle<Result<()>>>,
}

/// Options for tests: quick to drain, deaf to signals.
pub(crate) fn options() -> ServeOptions {
    ServeOptions {
        shards: Some(1),
        handles_signals: false,
        drain_max: Duration::from_millis(200),
        ..ServeOptions::default()
    }
}

/// The key pair of servers that shake hands.
pub(crate) const SERVER: u8 = 1;

/// Options of a server that shakes hands.
pub(crate) fn secret() -> ServeOptions {
    ServeOptions { credentials: Some(Credentials::new(keypair(SERVER))), ..options() }
}

/// Options of a client with an identity.
pub(crate) fn as_peer(number: u8) -> ClientOptions {
    let credentials = Some(Credentials::new(keypair(number)));
    ClientOptions {
        connect: ConnectOptions { credentials, ..ConnectOptions::default() },
        ..ClientOptions::default()
    }
}

/// A router that tells what its shard has counted.
pub(crate) fn counting() -> Router {
    Router::new().on_async("counts", async |call: Call| Ok(call.shard().counts()))
}

/// Waits in a shard, but not for ever.
pub(crate) async fn bounded<T>(work: impl Future<Output = T>) -> T {
    let late = async {
        sleep(4 * PATIENCE).await;
        panic!("it takes too long");
    };
    work.or(late).await
}

impl Rig {
    pub(crate) fn new(build: impl Fn(&Shard) -> Router + Clone + Send + 'static) -> Self {
        Self::with("net:127.0.0.1:0", options(), build)
    }

    pub(crate) fn with_limits(
        limits: Limits,
        build: impl Fn(&Shard) -> Router + Clone + Send + 'static,
    ) -> Self {
        let session = Config { limits, ..Config::default() };
        Self::with("net:127.0.0.1:0", ServeOptions { session, ..options() }, build)
    }

    pub(crate) fn with(
        address: &str,
        options: ServeOptions,
        build: impl Fn(&Shard) -> Router + Clone + Send + 'static,
    ) -> Self {
        let server = Server::bind(address).expect("the address is free");
        Self::serve(server, options, build)
    }

    pub(crate) fn serve(
        server: Server,
        options: ServeOptions,
        build: impl Fn(&Shard) -> Router + Clone + Send + 'static,
    ) -> Self {
        let server = server.options(options);
        let addresses = server.addresses();
        let address = addresses[0].clone();
        let shutdown = server.shutdown();
        let thread = thread::spawn(move || server.serve(build));
        Self { address, addresses, shutdown, thread: Some(thread) }
    }

    /// Runs `work` with a client of the server.
    pub(crate) fn run<T, F: Future<Output = T>>(&self, work: impl FnOnce(Client) -> F) -> T {
        block_on(async { work(self.connect().await).await }).expect("the machine is fit")
    }

    /// A client; to be called inside `block_on`.
    pub(crate) async fn connect(&self) -> Client {
        Client::connect_with(&self.address, ClientOptions::default()).await.expect("the server listens")
    }

    /// A server with a secret listener on TCP, and a plain one beside it, over which nobody is counted, for
    /// [`counts`](Self::counts); no gate and no rate applies there.
    pub(crate) fn secret(
        options: ServeOptions,
        tweak: impl FnOnce(Server) -> Server,
        build: impl Fn(&Shard) -> Router + Clone + Send + 'static,
    ) -> Self {
        let path = std::env::temp_dir().join(format!("push-mux-{}-{}", std::process::id(), fresh()));
        let addresses = ["net:127.0.0.1:0~shs".to_owned(), format!("unix:{}", path.display())];
        let addresses = addresses.map(|address| address.parse().expect("an address"));
        let server = Server::bind_all(&addresses).expect("the addresses are free");
        Self::serve(tweak(server), options, build)
    }

    /// What the server has counted; of one shard, where [`counting`] is part of its router.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        let beside = self.addresses.last().expect("there is one").clone();
        let asked = block_on(bounded(async {
            let client = Client::connect_with(&beside, ClientOptions::default()).await.expect("it listens");
            client.call("counts", ()).await.expect("it is answered")
        }));
        asked.expect("the machine is fit")
    }

    /// Waits until something has been counted so often.
    pub(crate) fn await_count(&self, name: &str, wanted: u64) {
        let mut counts = BTreeMap::new();
        for _ in 0..1000 {
            counts = self.counts();
            if counts.get(name) == Some(&wanted) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("{name} is not {wanted}: {counts:?}");
    }

    /// A client with an identity; to be called inside `block_on`.
    pub(crate) async fn join(&self, number: u8) -> Result<Client> {
        Client::connect_with(&self.address, as_peer(number)).await
    }

    /// Runs `work` on a shard of its own, for as long as patience lasts.
    pub(crate) fn within<T, F: Future<Output = T>>(&self, work: impl FnOnce() -> F) -> T {
        block_on(bounded(async { work().await })).expect("the machine is fit")
    }

    pub(crate) fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Stops the server and waits for its end.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.shutdown.ask();
        self.thread.take().map_or(Ok(()), |thread| thread.join().expect("no shard panics"))
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.shutdown.ask();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !thread::panicking() {
                ended.expect("no shard panics").expect("the server ends well");
            }
        }
    }
}

/// Both ways of waiting for sockets.
pub(crate) const BACKENDS: [BackendChoice; 2] = [BackendChoice::Ring, BackendChoice::Epoll];

/// Descriptors this process has open.
pub(crate) fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("there is a /proc").count()
}

/// A number that this process has not used.
fn fresh() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
