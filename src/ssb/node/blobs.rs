//! Blobs on one shard: the thread that reads and writes them, the connections that take part in wants, and who waits for a blob to
//! come.

use super::{Node, REGISTRAR};
use crate::{
    runtime::{Connection, Result, Worker},
    ssb::{BlobId, store::BlobStore},
};
use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
};

/// Blobs that a listener has not been told of (1,024). Stops a peer that listens and never reads from filling memory; it is told that
/// it was too slow.
const UNHEARD_MAX: usize = 1_024;

/// Callers on one shard that wait for a blob to come (4,096). Stops a program that wants without end from filling memory.
const WAITERS_MAX: usize = 4_096;

/// The state of one shard.
pub(crate) struct Blobs {
    /// A thread of their own: large files must not hold up feeds.
    worker: Worker,
    peers: RefCell<BTreeMap<u64, Rc<BlobPeer>>>,
    listeners: RefCell<BTreeMap<u64, Rc<Listener>>>,
}

/// A connection that takes part in wants.
pub(crate) struct BlobPeer {
    /// Its number in the whole process; the shard's stands above.
    pub(crate) conn: u64,
    pub(super) connection: Connection,
    /// A frame for the peer that nobody has taken yet.
    frame: RefCell<Option<Vec<u8>>>,
    /// The registrar has been asked for a frame.
    is_asked: Cell<bool>,
    /// The calls of `blobs.createWants` that there were: the last one is served.
    calls: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

/// Takes a connection's part in wants away with the connection.
#[derive(Default)]
struct Seat(OnceCell<Leave>);

struct Leave {
    node: Rc<Node>,
    conn: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let conn = self.conn;
        self.node.blobs.peers.borrow_mut().remove(&conn);
        self.node.common.mesh.tell(REGISTRAR, move |node| node.close_blob_peer(conn));
    }
}

/// Somebody who is told of blobs that are stored.
struct Listener {
    /// Of this one only.
    only: Option<BlobId>,
    heard: RefCell<VecDeque<(BlobId, u64)>>,
    is_late: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// The blobs that are stored from now on, in their order.
pub(crate) struct StoredBlobs {
    node: Rc<Node>,
    id: u64,
    listener: Rc<Listener>,
}

impl StoredBlobs {
    /// The next one and its size; `None` when too many were not taken.
    pub(crate) async fn next(&mut self) -> Option<(BlobId, u64)> {
        poll_fn(|cx| {
            if let Some(stored) = self.listener.heard.borrow_mut().pop_front() {
                return Poll::Ready(Some(stored));
            }
            if self.listener.is_late.get() {
                return Poll::Ready(None);
            }
            *self.listener.waker.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Drop for StoredBlobs {
    fn drop(&mut self) {
        self.node.blobs.listeners.borrow_mut().remove(&self.id);
    }
}

impl Blobs {
    pub(super) fn start() -> Result<Self> {
        Ok(Self { worker: Worker::start("blobs")?, peers: RefCell::default(), listeners: RefCell::default() })
    }

    pub(super) fn peer(&self, conn: u64) -> Option<Rc<BlobPeer>> {
        self.peers.borrow().get(&conn).cloned()
    }

    /// A blob is stored.
    pub(super) fn note_stored(&self, blob: BlobId, size: u64) {
        for listener in self.listeners.borrow().values() {
            if listener.only.is_some_and(|only| only != blob) || listener.is_late.get() {
                continue;
            }
            let mut heard = listener.heard.borrow_mut();
            if heard.len() < UNHEARD_MAX {
                heard.push_back((blob, size));
            } else {
                listener.is_late.set(true);
            }
            wake(&listener.waker);
        }
    }

    /// The registrar has a frame for a peer.
    pub(super) fn take_frame(&self, conn: u64, frame: Vec<u8>) {
        if let Some(peer) = self.peer(conn) {
            peer.is_asked.set(false);
            *peer.frame.borrow_mut() = Some(frame);
            wake(&peer.waker);
        }
    }
}

fn wake(waker: &RefCell<Option<Waker>>) {
    let waker = waker.borrow_mut().take();
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Node {
    /// Reads or writes blobs, on the shard's thread for them.
    pub(crate) fn on_blobs<T: Send + 'static, W: FnOnce(&BlobStore) -> T + Send + 'static>(
        &self,
        work: W,
    ) -> impl Future<Output = T> + use<T, W> {
        let store = self.common.blobs.clone();
        self.blobs.worker.run((&self.common.mesh, self.index()), move || work(&store))
    }

    /// A connection's part in wants, which ends with the connection.
    pub(crate) fn blob_peer(self: &Rc<Self>, connection: &Connection) -> Rc<BlobPeer> {
        let seat = connection.state::<Seat>();
        let conn = seat.0.get_or_init(|| self.open_peer(connection)).conn;
        self.blobs.peer(conn).unwrap_or_else(|| unreachable!("it goes with its seat, which is there"))
    }

    fn open_peer(self: &Rc<Self>, connection: &Connection) -> Leave {
        let conn = self.next_id();
        let peer = Rc::new(BlobPeer {
            conn,
            connection: connection.clone(),
            frame: RefCell::new(None),
            is_asked: Cell::new(false),
            calls: Cell::new(0),
            waker: RefCell::new(None),
        });
        self.blobs.peers.borrow_mut().insert(conn, peer);
        // A process of our own user has no key: what it has counts as had here.
        let key = connection.peer().key.unwrap_or_else(|| self.id());
        self.common.mesh.tell(REGISTRAR, move |node| node.open_blob_peer(conn, key));
        Leave { node: Rc::clone(self), conn }
    }

    /// Begins a call of `blobs.createWants`: its number, by which it asks for frames. It takes the place of the one before.
    pub(crate) fn begin_wants(&self, peer: &BlobPeer) -> u64 {
        peer.calls.set(peer.calls.get() + 1);
        wake(&peer.waker);
        peer.calls.get()
    }

    /// The next frame for a peer; `None` when a later call is served instead.
    pub(crate) async fn next_wants(&self, peer: &BlobPeer, call: u64) -> Option<Vec<u8>> {
        poll_fn(|cx| {
            if peer.calls.get() != call {
                return Poll::Ready(None);
            }
            if let Some(frame) = peer.frame.borrow_mut().take() {
                return Poll::Ready(Some(frame));
            }
            *peer.waker.borrow_mut() = Some(cx.waker().clone());
            if !peer.is_asked.replace(true) {
                let conn = peer.conn;
                self.common.mesh.tell(REGISTRAR, move |node| node.want_frame(conn));
            }
            Poll::Pending
        })
        .await
    }

    /// Listens to what is stored: everything, or one blob. `None` when too many wait for one.
    pub(crate) fn stored_blobs(self: &Rc<Self>, only: Option<BlobId>) -> Option<StoredBlobs> {
        let mut listeners = self.blobs.listeners.borrow_mut();
        let waiters = || listeners.values().filter(|listener| listener.only.is_some()).count();
        if only.is_some() && waiters() >= WAITERS_MAX {
            return None;
        }
        let listener = Rc::new(Listener {
            only,
            heard: RefCell::default(),
            is_late: Cell::new(false),
            waker: RefCell::new(None),
        });
        let id = self.next_id();
        listeners.insert(id, Rc::clone(&listener));
        Some(StoredBlobs { node: Rc::clone(self), id, listener })
    }

    /// Sizes of blobs; `None` of those that are not here.
    pub(crate) async fn blob_sizes(&self, blobs: Vec<BlobId>) -> Vec<Option<u64>> {
        if blobs.is_empty() {
            return Vec::new();
        }
        self.on_blobs(move |store| blobs.iter().map(|blob| store.size(blob)).collect()).await
    }
}
