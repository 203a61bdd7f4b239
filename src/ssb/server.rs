use super::{
    calls::{self, ANONYMOUS, INVITED},
    keeper::Keeper,
    metrics::Board,
    node::{self, Common, Invites, Node, Start},
    options::PubOptions,
    store::{BlobError, BlobStore, Durability, FjallStore, Stance, Store, StoreError, StoreOptions},
};
use crate::{
    Access, Address, Keypair, Router, Shard,
    mux::ControlMode,
    rpc::{Dispatch, KEEPALIVE},
    runtime::{self, Bound, Mesh, Peer, Service, Shutdown, cpus, run_shards},
};
use glommio::timer::sleep;
use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize},
    },
    time::Duration,
};

/// Why a pub does not start, or has ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PubError {
    /// The options lack something.
    #[error("{0}")]
    Options(&'static str),
    /// The store cannot be opened or read.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The blobs cannot be opened.
    #[error("{0}")]
    Blobs(#[from] BlobError),
    /// A directory cannot be made.
    #[error("cannot make {0}: {1}")]
    Dir(std::path::PathBuf, std::io::Error),
    /// Listeners, shards or the machine.
    #[error("{0}")]
    Runtime(#[from] crate::Error),
}

/// A Secure Scuttlebutt pub: stores verified feeds, and replicates them with whoever connects.
///
/// ```no_run
/// use push_mux::{
///     Call,
///     runtime::{Credentials, identity_file},
///     ssb::{Pub, PubOptions},
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut options = PubOptions::new("/var/lib/pub");
/// let identity = identity_file::load_or_create("/var/lib/pub/secret".as_ref(), identity_file::draw_seed)?;
/// options.serve.credentials = Some(Credentials::new(identity));
/// Pub::bind(options, &["net:0.0.0.0:8008~shs".parse()?])?
///     .routes(|_shard, router| router.on_async("hello", async |call: Call| call.arg::<String>(0)))
///     .anonymous(["hello"])
///     .serve()?;
/// # Ok(())
/// # }
/// ```
pub struct Pub {
    options: PubOptions,
    identity: Arc<Keypair>,
    store: Arc<dyn Store>,
    blobs: BlobStore,
    bound: Bound,
    board: Board,
    added: Added,
}

/// What an application adds to the methods of a pub.
type Routes = Arc<dyn Fn(&Shard, Router) -> Router + Send + Sync>;

/// The methods of an application beside those of the pub.
#[derive(Default)]
struct Added {
    routes: Option<Routes>,
    anonymous: Vec<String>,
}

impl Pub {
    /// Opens the store and binds the addresses; connections queue from here on. `options.serve.credentials` says who the pub is.
    ///
    /// # Errors
    /// [`PubError`] when the store is in use or damaged, or an address cannot be bound.
    pub fn bind(options: PubOptions, listen: &[Address]) -> Result<Self, PubError> {
        let store =
            StoreOptions { disk_free_bytes_min: options.disk_free_bytes_min, ..StoreOptions::default() };
        std::fs::create_dir_all(&options.dir).map_err(|error| PubError::Dir(options.dir.clone(), error))?;
        let store = Arc::new(FjallStore::open(&options.dir.join("feeds"), store)?);
        Self::with_store(options, listen, store)
    }

    /// As [`bind`](Self::bind), with feeds in another store.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn with_store(
        options: PubOptions,
        listen: &[Address],
        store: Arc<dyn Store>,
    ) -> Result<Self, PubError> {
        let credentials = options.serve.credentials.as_ref();
        let identity = credentials.ok_or(PubError::Options("a pub needs an identity"))?.identity.clone();
        let dir = options.dir.join("blobs");
        std::fs::create_dir_all(&dir).map_err(|error| PubError::Dir(dir.clone(), error))?;
        let blobs = BlobStore::open(&dir, options.blobs_bytes_max, options.disk_free_bytes_min)?;
        let bound = runtime::bind(listen)?;
        Ok(Self { options, identity, store, blobs, bound, board: Board::default(), added: Added::default() })
    }

    /// Adds methods to those of the pub: `add` is run on each shard, with the router of the pub. They are the owner's alone unless
    /// [`anonymous`](Self::anonymous) names them. The server ends at once if a name is taken.
    #[must_use]
    pub fn routes(mut self, add: impl Fn(&Shard, Router) -> Router + Send + Sync + 'static) -> Self {
        self.added.routes = Some(Arc::new(add));
        self
    }

    /// Methods that every peer with an identity may call, besides those of any pub.
    #[must_use]
    pub fn anonymous<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.added.anonymous.extend(names.into_iter().map(str::to_owned));
        self
    }

    /// What peers dial, one for each listener.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        self.bound.addresses(Some(self.identity.public()))
    }

    /// Where figures hang.
    #[must_use]
    pub fn board(&self) -> Board {
        self.board.clone()
    }

    /// What stops the pub, from any thread. SIGINT and SIGTERM do too.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.bound.shutdown()
    }

    /// Serves until shutdown.
    ///
    /// # Errors
    /// [`PubError`] when the store cannot be read, or the machine lacks something.
    pub fn serve(mut self) -> Result<(), PubError> {
        let start = Arc::new(self.start()?);
        let addresses = self.addresses();
        let shards = cpus::plan(self.options.serve.shards).map_err(crate::Error::from)?.len();
        self.options.serve.session.keepalive.get_or_insert(KEEPALIVE);
        let serve = self.options.serve.clone();
        let common = Arc::new(Common {
            store: Arc::clone(&self.store),
            blobs: self.blobs,
            identity: self.identity,
            addresses,
            mesh: Mesh::new(shards)?,
            shutdown: self.bound.shutdown(),
            unverified_bytes: AtomicUsize::new(0),
            is_read_only: AtomicBool::new(false),
            options: self.options,
        });
        let (board, added) = (self.board, Arc::new(self.added));
        run_shards(self.bound, serve, move |shard| {
            enter(&common, &start, (&board, &added), shard).unwrap_or_else(|error| {
                tracing::error!(%error, "a shard cannot start");
                common.shutdown.ask();
                dispatch(Router::new(), &common, &added, None)
            })
        })?;
        // What shards had written is with the system; now it is on the disk too.
        self.store.set_value(b"stopped", Some(b"well"), Durability::Disk)?;
        Ok(())
    }

    fn start(&self) -> Result<Start, PubError> {
        let root = self.identity.public();
        let options = &self.options;
        let contacts = self.store.contacts()?;
        for contact in contacts.iter().filter(|contact| contact.author == root) {
            if contact.stance == Stance::Blocks {
                options.serve.blocklist.block(contact.target);
            }
        }
        let graph = node::load_graph(root, &contacts, options.feeds_max);
        let wanted = node::wanted(&graph, root, options.hops, &options.replicate);
        let invites = Invites::load(&*self.store)?;
        Ok(Start {
            root,
            heads: self.store.heads()?,
            contacts,
            wanted,
            feeds_max: options.feeds_max,
            invites,
            pushes: node::load_pushes(&*self.store)?,
        })
    }
}

/// Makes a shard one of the pub's.
fn enter(
    common: &Arc<Common>,
    start: &Start,
    (board, added): (&Board, &Added),
    shard: &Shard,
) -> crate::Result<Rc<dyn Service>> {
    let node = Node::new(Arc::clone(common), shard, start)?;
    common.mesh.join(shard, Rc::clone(&node))?;
    shard.spawn(Rc::clone(&node.metrics).publish(board.clone()));
    shard.spawn(Rc::clone(&node).watch_requests());
    shard.spawn(Rc::clone(&node).watch_figures());
    shard.at_end(finish(Rc::clone(&node)));
    if node.is_registrar() {
        shard.spawn(Rc::clone(&node).watch_blobs());
    }
    let mut router = calls::router(&node);
    if let Some(add) = &added.routes {
        router = add(shard, router);
    }
    // It holds the node, which holds it: without this nothing of a pub would ever be dropped, its locks included.
    let held = Rc::clone(&node);
    shard.at_end(async move { drop(held.dialled.take()) });
    *node.dialled.borrow_mut() = Some(dispatch(router.clone(), common, added, Some((&node, true))));
    for (number, address) in common.options.connect.iter().enumerate() {
        if number % shard.count() == shard.index() {
            shard.spawn(keep_up(Rc::clone(&node), address.clone()));
        }
    }
    Ok(dispatch(router, common, added, Some((&node, false))))
}

/// How long a shard waits for what others have to tell it at the end, such as the clocks of its peers.
const LAST_WORDS_MAX: Duration = Duration::from_millis(50);

/// Lets what was begun reach the store.
async fn finish(node: Rc<Node>) {
    sleep(LAST_WORDS_MAX).await;
    node.write(|_| ()).await;
}

/// What answers connections: those that came, or those that were dialled.
fn dispatch(router: Router, common: &Common, added: &Added, node: Option<(&Rc<Node>, bool)>) -> Rc<Dispatch> {
    let anonymous = ANONYMOUS.iter().copied().chain(added.anonymous.iter().map(String::as_str));
    let authorise = node.map(|(node, is_dialled)| -> Rc<dyn Fn(&Peer) -> Access> {
        let node = Rc::clone(node);
        Rc::new(move |peer| if is_dialled { Access::Anonymous } else { access(&node, peer) })
    });
    let connected = node.map(|(node, is_dialled)| -> Rc<dyn Fn(&runtime::Connection)> {
        let node = Rc::clone(node);
        Rc::new(move |connection| calls::attend(&node, connection, is_dialled))
    });
    Rc::new(Dispatch {
        router,
        has_control: common.options.serve.session.control != ControlMode::Off,
        start: None,
        authorise,
        anonymous: anonymous.map(str::to_owned).collect(),
        connected,
    })
}

/// What a peer that came may call: everything for processes of our own user, and for whoever has our own key.
fn access(node: &Node, peer: &Peer) -> Access {
    match peer.key {
        None if peer.is_owner => Access::Full,
        Some(key) if key == node.id() => Access::Full,
        Some(key) if node.is_invite(&key) => {
            Access::Only(INVITED.iter().map(|name| (*name).to_owned()).collect())
        }
        _ => Access::Anonymous,
    }
}

/// Keeps a connection to a peer up, for as long as the shard lives.
async fn keep_up(node: Rc<Node>, address: Address) {
    let seed = u64::from_le_bytes(std::array::from_fn(|at| node.id().0[at])) ^ node.next_id();
    let mut keeper = Keeper::new(seed);
    loop {
        let delay: Duration = match node.dial(&address).await {
            Ok(connection) => {
                tracing::info!(%address, "connected");
                let since = node.now();
                let error = connection.closed().await;
                tracing::info!(%address, %error, "the connection ended");
                keeper.ended(node.now().saturating_sub(since))
            }
            Err(error) => {
                tracing::info!(%error, "a peer is not reached");
                keeper.failed()
            }
        };
        sleep(delay).await;
    }
}
