//! The wants of the whole pub, on the registrar: what peers say goes in, frames for them and decisions to fetch go out to the
//! shards where their connections live.

use super::{Node, REGISTRAR};
use crate::{
    PublicKey,
    ssb::{
        BlobId,
        metrics::BlobFigures,
        store::{Store, StoreError},
        wants::{Fetch, FrameError, Wants, WantsLimits, asked},
    },
};
use glommio::timer::sleep;
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeSet, HashMap},
    rc::Rc,
    time::Duration,
};

/// How long news is gathered before frames are written and fetches begun, so that a burst costs each peer one frame.
const GATHER: Duration = Duration::from_millis(5);

/// How often the figures of blobs are counted anew.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// What the keys of pushed blobs begin with.
const PREFIX: &[u8] = b"blobs/push/";

fn push_key(blob: &BlobId) -> Vec<u8> {
    [PREFIX, &blob.0[..]].concat()
}

/// Blobs that others were to take when the process ended.
pub(crate) fn load_pushes(store: &dyn Store) -> Result<Vec<BlobId>, StoreError> {
    let read = |(key, _): (Vec<u8>, Vec<u8>)| Some(BlobId(key.strip_prefix(PREFIX)?.try_into().ok()?));
    Ok(store.values(PREFIX)?.into_iter().filter_map(read).collect())
}

/// The state of the wants; on other shards it is empty.
pub(crate) struct Desk {
    wants: RefCell<Wants>,
    /// Connections whose peers can take a frame.
    ready: RefCell<BTreeSet<u64>>,
    /// Frames and fetches are about to be looked for.
    is_due: Cell<bool>,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            wants: RefCell::new(Wants::new(WantsLimits::default())),
            ready: RefCell::default(),
            is_due: Cell::new(false),
        }
    }
}

impl Desk {
    pub(super) fn load(&self, blob_bytes_max: u64, pushes: &[BlobId]) {
        let mut wants = Wants::new(WantsLimits { blob_bytes_max, ..WantsLimits::default() });
        pushes.iter().for_each(|blob| wants.push(*blob));
        *self.wants.borrow_mut() = wants;
    }
}

/// What the registrar does.
impl Node {
    pub(super) fn open_blob_peer(self: &Rc<Self>, conn: u64, key: PublicKey) {
        self.with_wants(|wants| wants.handle_open(conn, key));
    }

    pub(super) fn close_blob_peer(self: &Rc<Self>, conn: u64) {
        self.registrar.blobs.ready.borrow_mut().remove(&conn);
        self.with_wants(|wants| wants.handle_gone(conn));
    }

    /// A peer can take a frame.
    pub(super) fn want_frame(self: &Rc<Self>, conn: u64) {
        self.registrar.blobs.ready.borrow_mut().insert(conn);
        self.settle_soon();
    }

    fn with_wants<T>(self: &Rc<Self>, act: impl FnOnce(&mut Wants) -> T) -> T {
        let done = act(&mut self.registrar.blobs.wants.borrow_mut());
        self.settle_soon();
        done
    }

    fn settle_soon(self: &Rc<Self>) {
        if self.registrar.blobs.is_due.replace(true) {
            return;
        }
        // A task that is left over when the shard ends is never dropped: it must not hold the stores open.
        let node = Rc::downgrade(self);
        glommio::spawn_local(async move {
            sleep(GATHER).await;
            let Some(node) = node.upgrade() else { return };
            node.registrar.blobs.is_due.set(false);
            node.settle();
        })
        .detach();
    }

    /// Sends what there is to whom it concerns.
    fn settle(&self) {
        let mut wants = self.registrar.blobs.wants.borrow_mut();
        while let Some(fetch) = wants.poll_fetch() {
            self.common.mesh.tell(self.shard_of(fetch.conn), move |node| node.start_fetch(fetch));
        }
        while let Some(blob) = wants.poll_pushed() {
            self.set_value_later(push_key(&blob), None);
        }
        self.registrar.blobs.ready.borrow_mut().retain(|conn| {
            let mut frame = Vec::new();
            let (conn, has_news) = (*conn, wants.poll_frame(*conn, &mut frame));
            if has_news {
                self.common.mesh.tell(self.shard_of(conn), move |node| node.blobs.take_frame(conn, frame));
            }
            !has_news
        });
    }

    /// The shard of a number that [`next_id`](Self::next_id) gave.
    fn shard_of(&self, id: u64) -> usize {
        usize::try_from(id >> 48).unwrap_or(REGISTRAR).min(self.common.mesh.shards() - 1)
    }

    /// A frame came; yields what of it is wanted now and was not known to be here.
    fn handle_wants(
        self: &Rc<Self>,
        conn: u64,
        frame: &[u8],
        sizes: &HashMap<BlobId, Option<u64>>,
    ) -> Result<Vec<BlobId>, FrameError> {
        self.with_wants(|wants| {
            wants.handle_frame(conn, frame, |blob| sizes.get(blob).copied().flatten())?;
            let is_missing = |(blob, size): &(&BlobId, &Option<u64>)| size.is_none() && wants.is_wanted(blob);
            Ok(sizes.iter().filter(is_missing).map(|(blob, _)| *blob).collect())
        })
    }

    fn handle_stored_blob(self: &Rc<Self>, blob: BlobId, size: u64) {
        self.with_wants(|wants| wants.handle_stored(&blob, size));
        self.common.mesh.tell_all(move |node| node.blobs.note_stored(blob, size));
    }

    /// Tells operators how many blobs there are, until the shard ends.
    pub(crate) async fn watch_blobs(self: Rc<Self>) {
        loop {
            let (count, bytes) = self.on_blobs(|store| (store.count() as u64, store.bytes())).await;
            let wanted = self.registrar.blobs.wants.borrow().count() as u64;
            self.metrics.set_blobs(BlobFigures { count, bytes, wanted });
            sleep(COUNT_EVERY).await;
        }
    }
}

/// What every shard may ask of the registrar.
impl Node {
    /// What the peer of a connection wants and has, in a frame of `blobs.createWants`; yields the sizes of what it asks for.
    ///
    /// # Errors
    /// [`FrameError`].
    pub(crate) async fn hear_wants(
        &self,
        conn: u64,
        frame: bytes::Bytes,
    ) -> Result<HashMap<BlobId, Option<u64>>, FrameError> {
        let ids = asked(&frame)?;
        let sizes: HashMap<_, _> = ids.iter().copied().zip(self.blob_sizes(ids.clone()).await).collect();
        let known = sizes.clone();
        let missing = self.ask(REGISTRAR, move |node| node.handle_wants(conn, &frame, &sizes)).await?;
        self.check_again(missing).await;
        Ok(known)
    }

    /// What was stored while it was becoming a want has been missed by the registrar, which looks for wants when something is stored.
    async fn check_again(&self, blobs: Vec<BlobId>) {
        let sizes = self.blob_sizes(blobs.clone()).await;
        for (blob, size) in blobs.into_iter().zip(sizes) {
            if let Some(size) = size {
                self.tell_stored(blob, size);
            }
        }
    }

    /// Wants a blob here, until it comes.
    pub(crate) async fn want_blob(&self, blob: BlobId) {
        self.ask(REGISTRAR, move |node| node.with_wants(|wants| wants.want(blob))).await;
        self.check_again(vec![blob]).await;
    }

    /// Has others take a blob, also after a restart.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn push_blob(&self, blob: BlobId) -> Result<(), StoreError> {
        let key = push_key(&blob);
        self.write(move |store| store.set_value(&key, Some(b""), super::Durability::Process)).await?;
        self.ask(REGISTRAR, move |node| node.with_wants(|wants| wants.push(blob))).await;
        Ok(())
    }

    /// Tells the whole pub that a blob is stored.
    pub(crate) fn tell_stored(&self, blob: BlobId, size: u64) {
        self.common.mesh.tell(REGISTRAR, move |node| node.handle_stored_blob(blob, size));
    }

    pub(super) fn tell_fetched(&self, fetch: Fetch, is_stored: bool) {
        let Fetch { conn, blob, .. } = fetch;
        self.common.mesh.tell(REGISTRAR, move |node| {
            node.with_wants(|wants| wants.handle_fetched(conn, &blob, is_stored));
        });
    }
}
