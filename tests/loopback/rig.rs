//! A server on threads of its own, for as long as a test runs.

use push_mux::{
    Address, Client, ClientOptions, Result, Router, Server, Shard, block_on,
    mux::{Config, Limits},
    runtime::{BackendChoice, ServeOptions, Shutdown},
};
use std::{
    future::Future,
    thread::{self, JoinHandle},
    time::Duration,
};

/// A running server; stopped when dropped.
pub(crate) struct Rig {
    pub(crate) address: Address,
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
        let address = server.addresses()[0].clone();
        let shutdown = server.shutdown();
        let thread = thread::spawn(move || server.serve(build));
        Self { address, shutdown, thread: Some(thread) }
    }

    /// Runs `work` with a client of the server.
    pub(crate) fn run<T, F: Future<Output = T>>(&self, work: impl FnOnce(Client) -> F) -> T {
        block_on(async { work(self.connect().await).await }).expect("the machine is fit")
    }

    /// A client; to be called inside `block_on`.
    pub(crate) async fn connect(&self) -> Client {
        Client::connect_with(&self.address, ClientOptions::default()).await.expect("the server listens")
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
