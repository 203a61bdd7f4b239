//! A pub on threads of its own, for as long as a test runs.

use futures_lite::FutureExt;
use glommio::timer::sleep;
use push_mux::{
    Address, CallError, Client, ClientOptions, Keypair, block_on,
    runtime::{ConnectOptions, Credentials, ServeOptions, Shutdown},
    ssb::{
        BlobId, Pub, PubError, PubOptions,
        metrics::Board,
        store::{BlobError, StoreError},
    },
};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    future::Future,
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
    time::Duration,
};
use tempfile::TempDir;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn keypair(number: u8) -> Keypair {
    Keypair::from_seed(&[number; 32])
}

/// A server's options for tests: quick to drain, deaf to signals.
pub(crate) fn serve_options(number: u8) -> ServeOptions {
    ServeOptions {
        shards: Some(1),
        handles_signals: false,
        drain_max: Duration::from_millis(200),
        credentials: Some(Credentials::new(keypair(number))),
        ..ServeOptions::default()
    }
}

/// A client's options with the identity of this number.
pub(crate) fn as_peer(number: u8) -> ClientOptions {
    let credentials = Some(Credentials::new(keypair(number)));
    ClientOptions {
        connect: ConnectOptions { credentials, ..ConnectOptions::default() },
        ..ClientOptions::default()
    }
}

/// Waits in a shard, but not for ever.
pub(crate) async fn bounded<T>(work: impl Future<Output = T>) -> T {
    let late = async {
        sleep(PATIENCE).await;
        panic!("it takes too long");
    };
    work.or(late).await
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..PATIENCE.as_millis() / 20 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{what} does not come");
}

/// A blob of so many bytes, like no other, and its id.
pub(crate) fn blob(mark: u8, bytes: usize) -> (Vec<u8>, BlobId) {
    let bytes: Vec<u8> = (0..bytes).map(|at| mark ^ (at % 251) as u8).collect();
    let id = id_of(&bytes);
    (bytes, id)
}

pub(crate) fn id_of(bytes: &[u8]) -> BlobId {
    BlobId(Sha256::digest(bytes).into())
}

/// A running pub; stopped when dropped. Its directory outlives [`stop`](Self::stop).
pub(crate) struct Rig {
    /// What peers dial.
    pub(crate) address: Address,
    /// Where its figures hang.
    pub(crate) board: Board,
    socket: Address,
    dir: TempDir,
    shutdown: Shutdown,
    thread: Option<JoinHandle<Result<(), PubError>>>,
}

impl Rig {
    /// A pub with the identity of this number that dials these.
    pub(crate) fn new(number: u8, connect: &[&Address]) -> Self {
        Self::with(number, connect, |_| {})
    }

    pub(crate) fn with(number: u8, connect: &[&Address], tweak: impl FnOnce(&mut PubOptions)) -> Self {
        Self::within(tempfile::tempdir().expect("there is a disk"), number, connect, tweak)
    }

    /// A pub in a directory that another has left.
    pub(crate) fn within(
        dir: TempDir,
        number: u8,
        connect: &[&Address],
        tweak: impl FnOnce(&mut PubOptions),
    ) -> Self {
        Self::made(dir, number, connect, tweak, bind)
    }

    /// A pub that `make` makes of its options and addresses.
    pub(crate) fn made(
        dir: TempDir,
        number: u8,
        connect: &[&Address],
        tweak: impl FnOnce(&mut PubOptions),
        make: impl FnOnce(&PubOptions, &[Address]) -> Pub,
    ) -> Self {
        let mut options = PubOptions::new(dir.path().join("pub"));
        options.serve = serve_options(number);
        options.connect = connect.iter().map(|address| (*address).clone()).collect();
        tweak(&mut options);
        let socket = format!("unix:{}", dir.path().join("socket").display());
        let listen = ["net:127.0.0.1:0~shs", &socket].map(|address| address.parse().expect("an address"));
        let server = make(&options, &listen);
        let mut addresses = server.addresses();
        let (socket, address) = (addresses.remove(1), addresses.remove(0));
        let (shutdown, board) = (server.shutdown(), server.board());
        let thread = Some(thread::spawn(move || server.serve()));
        Self { address, board, socket, dir, shutdown, thread }
    }

    /// Where feeds and blobs are.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("pub")
    }

    /// Stops it, and leaves what it stored.
    pub(crate) fn stop(mut self) -> TempDir {
        self.end();
        std::mem::replace(&mut self.dir, tempfile::tempdir().expect("there is a disk"))
    }

    fn end(&mut self) {
        self.shutdown.ask();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !thread::panicking() {
                ended.expect("it does not panic").expect("it ends well");
            }
        }
    }

    /// Runs `work` with a client of the owner's, over the socket.
    pub(crate) fn run<T, F: Future<Output = T>>(&self, work: impl FnOnce(Client) -> F) -> T {
        run(&self.socket, ClientOptions::default(), work)
    }

    /// Runs `work` with a client that has the identity of this number.
    pub(crate) fn run_as<T, F: Future<Output = T>>(&self, number: u8, work: impl FnOnce(Client) -> F) -> T {
        run(&self.address, as_peer(number), work)
    }

    /// Calls an async method as the owner.
    pub(crate) fn call(&self, name: &str, args: impl Serialize) -> Result<Value, CallError> {
        self.run(async |client| client.call(name, args).await)
    }

    /// Adds a blob as the owner.
    pub(crate) fn add(&self, bytes: &[u8], args: impl Serialize) -> Result<(), CallError> {
        self.run(async |client| {
            let mut sink = client.sink("blobs.add", args).await?;
            for chunk in bytes.chunks(50_000) {
                sink.send(chunk).await?;
            }
            sink.finish().await
        })
    }

    /// Reads a source of bytes to its end, as the owner.
    pub(crate) fn read(&self, name: &str, args: impl Serialize) -> Result<Vec<u8>, CallError> {
        self.run(async |client| read_all(&client, name, args).await)
    }

    pub(crate) fn has(&self, id: &BlobId) -> bool {
        self.call("blobs.has", (id.to_string(),)).expect("it is answered") == true
    }

    /// Files in a directory of the pub's.
    pub(crate) fn files(&self, dir: &str) -> usize {
        count(&self.path().join(dir))
    }
}

/// Binds a pub. The last job of one that has ended may keep its stores open for a moment.
pub(crate) fn bind(options: &PubOptions, listen: &[Address]) -> Pub {
    let mut bound = Pub::bind(options.clone(), listen);
    for _ in 0..50 {
        if !matches!(bound, Err(PubError::Store(StoreError::InUse(_)) | PubError::Blobs(BlobError::InUse(_))))
        {
            break;
        }
        thread::sleep(Duration::from_millis(20));
        bound = Pub::bind(options.clone(), listen);
    }
    bound.expect("it can be bound")
}

fn count(dir: &Path) -> usize {
    std::fs::read_dir(dir).expect("it is there").count()
}

pub(crate) fn run<T, F: Future<Output = T>>(
    address: &Address,
    options: ClientOptions,
    work: impl FnOnce(Client) -> F,
) -> T {
    let done = block_on(bounded(async {
        let client = Client::connect_with(address, options).await.expect("it listens");
        let done = work(client.clone()).await;
        client.close().await;
        done
    }));
    done.expect("the machine is fit")
}

/// All bytes of a source, none of whose bodies is too large.
pub(crate) async fn read_all(
    client: &Client,
    name: &str,
    args: impl Serialize,
) -> Result<Vec<u8>, CallError> {
    let mut rx = client.source(name, args).await?;
    let mut all = Vec::new();
    while let Some(body) = rx.next().await.transpose()? {
        assert!(body.bytes.len() <= 65_536 && body.kind == push_mux::BodyKind::Binary);
        all.extend_from_slice(&body.bytes);
    }
    Ok(all)
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.end();
    }
}
