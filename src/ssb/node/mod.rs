//! What a pub keeps on each shard, and how a message goes from a peer to the store and from there to every reader.
//!
//! A feed is *owned* by the shard that its key hashes to: that one verifies its messages and puts them in order ([`ingest`]). Every
//! shard knows how far every feed is stored ([`feeds`]) and keeps the messages that came last ([`tail`]), so whoever follows live
//! asks nobody. The first shard is the *registrar*: it keeps the follow graph, invites and blob wants, which are one
//! for the whole pub.
//!
//! Contract: state is its shard's alone; what crosses goes through the [`Mesh`] in batches. Blocking work is done on a shard's blocking
//! thread, in the order in which it was asked for.

mod arrival;
mod blobs;
mod blocks;
mod desk;
mod exchanges;
mod feeds;
mod fetch;
mod figures;
mod ingest;
mod intake;
mod invites;
mod own;
mod peers;
mod reader;
mod registrar;
mod tail;
mod verdict;
mod waiters;
mod writing;

use self::{
    blobs::Blobs, blocks::Blocks, feeds::Feeds, ingest::Ingest, own::OwnFeed, registrar::Registrar,
    tail::Tail, waiters::Waiters,
};
pub(crate) use self::{
    blobs::StoredBlobs,
    desk::load_pushes,
    exchanges::{ExchangePeer, Local},
    intake::Intake,
    invites::{Invite, Invites},
    peers::{NodeFigures, PeerEntry, PeerFigures},
    reader::{FeedReader, Pace},
    registrar::{Wanted, load_graph, wanted},
    verdict::Refusal,
    writing::BlobWriting,
};
use super::{
    BlobId, PubOptions,
    ebt::Requests,
    metrics::Metrics,
    store::{BlobStore, Contact, Durability, Head, Store, StoreError},
};
use crate::{
    Address, Keypair, PublicKey,
    mux::Time,
    runtime::{ConnectOptions, Error, Mesh, Result, Service, Shard, Shutdown, Worker, identity_file},
};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap, HashSet},
    rc::{Rc, Weak},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// The shard that keeps what there is one of.
pub(crate) const REGISTRAR: usize = 0;

/// What all shards share: nothing of it changes on the path of a message but one counter.
pub(crate) struct Common {
    pub(crate) options: PubOptions,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) blobs: BlobStore,
    pub(crate) identity: Arc<Keypair>,
    /// What peers dial.
    pub(crate) addresses: Vec<Address>,
    pub(crate) mesh: Mesh<Node>,
    pub(crate) shutdown: Shutdown,
    /// Bytes of messages that wait for their verdict.
    pub(crate) unverified_bytes: AtomicUsize,
    /// The store has refused to write, and has not written since.
    pub(crate) is_read_only: AtomicBool,
}

/// What the store had when the process started.
pub(crate) struct Start {
    pub(crate) root: PublicKey,
    pub(crate) heads: Vec<(PublicKey, Head)>,
    pub(crate) contacts: Vec<Contact>,
    pub(crate) wanted: Wanted,
    pub(crate) feeds_max: usize,
    pub(crate) invites: Invites,
    /// Blobs that others are to take.
    pub(crate) pushes: Vec<BlobId>,
}

impl Common {
    /// How peers are dialled.
    pub(crate) fn connect_options(&self) -> ConnectOptions {
        let serve = &self.options.serve;
        let mut session = serve.session.clone();
        session.keepalive.get_or_insert(crate::rpc::KEEPALIVE);
        ConnectOptions {
            session,
            congestion: serve.congestion.clone(),
            credentials: serve.credentials.clone(),
            ..ConnectOptions::default()
        }
    }
}

/// What a pub keeps on one shard.
pub(crate) struct Node {
    pub(crate) common: Arc<Common>,
    pub(crate) shard: Shard,
    pub(crate) feeds: RefCell<Feeds>,
    pub(crate) blocks: RefCell<Blocks>,
    pub(crate) metrics: Rc<Metrics>,
    tail: RefCell<Tail>,
    ingest: Ingest,
    intakes: RefCell<HashMap<u64, Weak<Intake>>>,
    next_id: Cell<u64>,
    pub(crate) exchanges: RefCell<BTreeMap<u64, Rc<ExchangePeer>>>,
    pub(crate) requests: RefCell<Requests>,
    pub(crate) peers: RefCell<BTreeMap<u64, PeerEntry>>,
    /// Keys that redeem invites.
    invites: RefCell<HashSet<PublicKey>>,
    /// What answers the peers that we dial.
    pub(crate) dialled: RefCell<Option<Rc<dyn Service>>>,
    waiters: Waiters,
    /// Changes of the set of wanted feeds.
    wanted_changes: Cell<u64>,
    reading: Worker,
    writing: Worker,
    pub(crate) blobs: Blobs,
    pub(crate) own: OwnFeed,
    pub(crate) registrar: Registrar,
}

impl Node {
    /// The state of this shard, with what the store had when the process started.
    pub(crate) fn new(common: Arc<Common>, shard: &Shard, start: &Start) -> Result<Rc<Self>> {
        let seed = identity_file::draw_seed().map_err(|error| Error::Options(error.to_string()))?;
        let seed = *seed.as_bytes();
        let requests = RefCell::new(Requests::new(common.options.request_switch));
        let node = Rc::new(Self {
            common,
            shard: shard.clone(),
            feeds: RefCell::default(),
            blocks: RefCell::new(Blocks::load(&start.contacts)),
            metrics: Rc::default(),
            tail: RefCell::default(),
            ingest: Ingest::new(seed),
            intakes: RefCell::default(),
            // Unique in the process: the shard's number stands above the count.
            next_id: Cell::new((shard.index() as u64) << 48),
            exchanges: RefCell::default(),
            requests,
            peers: RefCell::default(),
            invites: RefCell::new(start.invites.keys().copied().collect()),
            dialled: RefCell::new(None),
            waiters: Waiters::default(),
            wanted_changes: Cell::new(0),
            reading: Worker::start("reading")?,
            writing: Worker::start("writing")?,
            blobs: Blobs::start()?,
            own: OwnFeed::default(),
            registrar: Registrar::default(),
        });
        for (feed, head) in &start.heads {
            node.feeds.borrow_mut().advance(feed, head.sequence);
            if node.owner(feed) == node.index() {
                node.ingest.load(*feed, *head);
            }
        }
        for (feed, hops) in &start.wanted {
            node.feeds.borrow_mut().set_hops(feed, Some(*hops));
            if node.owner(feed) == node.index() {
                let head = node.feeds.borrow().sequence(feed);
                node.requests.borrow_mut().handle_wanted(feed, Some(head));
            }
        }
        if node.is_registrar() {
            node.registrar.load(start);
            node.registrar.blobs.load(node.common.options.blob_bytes_max, &start.pushes);
        }
        Ok(node)
    }

    pub(crate) fn index(&self) -> usize {
        self.shard.index()
    }

    pub(crate) fn is_registrar(&self) -> bool {
        self.index() == REGISTRAR
    }

    /// A number that nothing else of this process has.
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.set(self.next_id.get() + 1);
        self.next_id.get()
    }

    /// The shard that owns a feed.
    pub(crate) fn owner(&self, feed: &PublicKey) -> usize {
        let [a, b, c, d, ..] = feed.0;
        u32::from_le_bytes([a, b, c, d]) as usize % self.common.mesh.shards()
    }

    /// Time since the shard started.
    pub(crate) fn now(&self) -> Duration {
        self.shard.clock().now().since(Time::from_micros(0))
    }

    /// Our own feed.
    pub(crate) fn id(&self) -> PublicKey {
        self.common.identity.public()
    }

    /// Reads from the store, on the shard's reading thread.
    pub(crate) fn read<T: Send + 'static, W: FnOnce(&dyn Store) -> T + Send + 'static>(
        &self,
        work: W,
    ) -> impl Future<Output = T> + use<T, W> {
        let store = Arc::clone(&self.common.store);
        self.reading.run((&self.common.mesh, self.index()), move || work(&*store))
    }

    /// Writes to the store, on the shard's writing thread: in the order in which this is called.
    pub(crate) fn write<T: Send + 'static, W: FnOnce(&dyn Store) -> T + Send + 'static>(
        &self,
        work: W,
    ) -> impl Future<Output = T> + use<T, W> {
        let store = Arc::clone(&self.common.store);
        self.writing.run((&self.common.mesh, self.index()), move || work(&*store))
    }

    /// Sets a small value without waiting for it; a failure is logged.
    pub(crate) fn set_value_later(&self, key: Vec<u8>, value: Option<Vec<u8>>) {
        // On its way already: nobody waits for the answer.
        drop(self.write(move |store| {
            if let Err(error) = store.set_value(&key, value.as_deref(), Durability::Process) {
                tracing::warn!(%error, "a value was not saved");
            }
        }));
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.common.is_read_only.load(Ordering::Relaxed)
    }

    /// Tells the operator of a store that does not do as asked, once for each time that it begins.
    pub(crate) fn report_store(&self, error: &StoreError) {
        if !self.common.is_read_only.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "nothing is stored any more until this is mended; what is stored is served");
        }
    }
}
