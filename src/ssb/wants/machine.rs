use super::{FrameError, WantsLimits, frame, peer::Peer};
use crate::{PublicKey, ssb::BlobId};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque, hash_map::Entry};

/// Fetch this blob from that connection, with `blobs.get`; then say [`Wants::handle_fetched`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The caller's number of the connection.
    pub conn: u64,
    /// The blob.
    pub blob: BlobId,
    /// How many bytes the peer says it has; fewer than the limit.
    pub size: u64,
}

/// A blob that is wanted.
#[derive(Debug)]
struct Want {
    /// Minus the distance from who wants it: −1 here.
    hops: i64,
    is_local: bool,
    /// Connections that want it.
    askers: usize,
    /// The connection that it is being fetched from.
    fetching: Option<u64>,
}

/// The wants of this side and of all peers, and who has what.
///
/// After each call, [`poll_frame`](Self::poll_frame) of every connection, [`poll_fetch`](Self::poll_fetch) and [`poll_pushed`](Self::poll_pushed)
/// are asked until they have nothing.
#[derive(Debug)]
pub struct Wants {
    wants: HashMap<BlobId, Want>,
    /// Wants of others only.
    shared: usize,
    /// Blobs that are to be taken by others, and who has them.
    pushes: HashMap<BlobId, BTreeSet<PublicKey>>,
    pushed: VecDeque<BlobId>,
    peers: BTreeMap<u64, Peer>,
    /// Connections that may have something to fetch, each in turn.
    turns: VecDeque<u64>,
    limits: WantsLimits,
}

impl Wants {
    /// Nothing is wanted, nobody is there.
    #[must_use]
    pub fn new(limits: WantsLimits) -> Self {
        Self {
            wants: HashMap::new(),
            shared: 0,
            pushes: HashMap::new(),
            pushed: VecDeque::new(),
            peers: BTreeMap::new(),
            turns: VecDeque::new(),
            limits,
        }
    }

    /// A connection is there. It is told of everything wanted, in a first frame that may be empty. A number of a connection that is there
    /// takes its place.
    pub fn handle_open(&mut self, conn: u64, key: PublicKey) {
        self.handle_gone(conn);
        let mut peer = Peer::new(key);
        self.wants.iter().for_each(|(blob, want)| peer.tell(*blob, want.hops, &self.limits));
        self.pushes.keys().for_each(|blob| peer.tell(*blob, -1, &self.limits));
        self.peers.insert(conn, peer);
    }

    /// A connection is gone: what only it wanted is not wanted any more, and what it was sending is fetched from another.
    pub fn handle_gone(&mut self, conn: u64) {
        let Some(peer) = self.peers.remove(&conn) else { return };
        for blob in peer.wants {
            let Some(want) = self.wants.get_mut(&blob) else { continue };
            want.askers = want.askers.saturating_sub(1);
            self.forget_unasked(&blob);
        }
        let mut lost = Vec::new();
        for (blob, want) in &mut self.wants {
            if want.fetching == Some(conn) {
                want.fetching = None;
                lost.push(*blob);
            }
        }
        for blob in lost {
            self.forget_unasked(&blob);
            self.offer_all(&blob);
        }
        self.turns.retain(|other| *other != conn);
    }

    /// A frame came on the call that we made. `size_of` says how many bytes a blob has here, if it is here.
    ///
    /// # Errors
    /// [`FrameError`]: it is no JSON object. What stood before the fault was taken.
    pub fn handle_frame(
        &mut self,
        conn: u64,
        frame: &[u8],
        size_of: impl Fn(&BlobId) -> Option<u64>,
    ) -> Result<(), FrameError> {
        frame::read(frame, |blob, number| match u64::try_from(number) {
            // Everybody has the blob of no bytes.
            _ if blob == BlobId::EMPTY => {}
            Ok(0) => {}
            Ok(size) => self.handle_have(conn, blob, size),
            Err(_) => match size_of(&blob).and_then(|size| i64::try_from(size).ok()) {
                Some(size) => {
                    if let Some(peer) = self.peers.get_mut(&conn) {
                        peer.tell(blob, size, &self.limits);
                    }
                }
                None => self.handle_want(conn, blob, number.saturating_sub(1)),
            },
        })
    }

    /// A peer wants a blob: if it is near enough, so do we, one step further away.
    fn handle_want(&mut self, conn: u64, blob: BlobId, hops: i64) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if hops < -self.limits.sympathy_max {
            return;
        }
        let is_new = !peer.wants.contains(&blob);
        if is_new && peer.wants.len() >= self.limits.peer_wants_max {
            return;
        }
        let is_nearer = match self.wants.entry(blob) {
            Entry::Occupied(mut at) => {
                let want = at.get_mut();
                want.askers += usize::from(is_new);
                let is_nearer = hops > want.hops;
                want.hops = want.hops.max(hops);
                is_nearer
            }
            Entry::Vacant(at) if self.shared < self.limits.shared_max => {
                at.insert(Want { hops, is_local: false, askers: 1, fetching: None });
                self.shared += 1;
                true
            }
            Entry::Vacant(_) => return,
        };
        peer.wants.insert(blob);
        if is_nearer {
            // The one that asked is told too: if it only pushes the blob, it answers that it has it.
            self.tell_all(&blob, hops);
            self.offer_all(&blob);
        }
    }

    /// A peer has a blob.
    fn handle_have(&mut self, conn: u64, blob: BlobId, size: u64) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let is_wanted = self.wants.contains_key(&blob);
        if let Some(holders) = self.pushes.get_mut(&blob) {
            holders.insert(peer.key);
            if holders.len() >= self.limits.push_peers {
                self.pushes.remove(&blob);
                self.pushed.push_back(blob);
            }
        }
        if peer.haves.len() >= self.limits.peer_haves_max && !peer.haves.contains_key(&blob) {
            let idle = peer.haves.keys().find(|other| !self.wants.contains_key(other)).copied();
            let Some(idle) = idle.filter(|_| is_wanted) else { return };
            peer.haves.remove(&idle);
        }
        peer.haves.insert(blob, size);
        if is_wanted {
            self.offer(conn, &blob);
        }
    }

    /// A blob is wanted here. The caller has looked that it is not stored.
    pub fn want(&mut self, blob: BlobId) {
        if blob == BlobId::EMPTY {
            return;
        }
        let want = self.wants.entry(blob).or_insert_with(|| {
            self.shared += 1;
            Want { hops: -1, is_local: false, askers: 0, fetching: None }
        });
        if !std::mem::replace(&mut want.is_local, true) {
            self.shared -= 1;
            want.hops = -1;
            self.tell_all(&blob, -1);
            self.offer_all(&blob);
        }
    }

    /// A blob is no longer wanted here. Peers that want it may still get it.
    pub fn unwant(&mut self, blob: &BlobId) {
        if let Some(want) = self.wants.get_mut(blob)
            && std::mem::take(&mut want.is_local)
        {
            self.shared += 1;
            self.forget_unasked(blob);
        }
    }

    /// A blob that is stored here is to be taken by others: it is asked for, as if it were wanted, until
    /// [`WantsLimits::push_peers`] peers have said that they have it.
    pub fn push(&mut self, blob: BlobId) {
        if blob != BlobId::EMPTY && !self.pushes.contains_key(&blob) {
            self.pushes.insert(blob, BTreeSet::new());
            self.tell_all(&blob, -1);
        }
    }

    /// A blob is stored here, wherever it came from. Yields whether it was wanted.
    pub fn handle_stored(&mut self, blob: &BlobId, size: u64) -> bool {
        let want = self.wants.remove(blob);
        self.shared -= usize::from(want.as_ref().is_some_and(|want| !want.is_local));
        for peer in self.peers.values_mut() {
            peer.wants.remove(blob);
            peer.offers.remove(blob);
        }
        if let Ok(size) = i64::try_from(size)
            && size > 0
        {
            self.tell_all(blob, size);
        }
        want.is_some()
    }

    /// A [`Fetch`] has ended. One that failed is not tried again there until the peer announces the blob again; another peer is asked.
    /// Of one that did not, [`handle_stored`](Self::handle_stored) tells as well, before or after.
    pub fn handle_fetched(&mut self, conn: u64, blob: &BlobId, is_stored: bool) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.fetches = peer.fetches.saturating_sub(1);
            if !is_stored {
                peer.haves.remove(blob);
            }
            self.take_turn(conn);
        }
        if let Some(want) = self.wants.get_mut(blob)
            && want.fetching == Some(conn)
        {
            want.fetching = None;
            if !is_stored {
                self.forget_unasked(blob);
                self.offer_all(blob);
            }
        }
    }

    /// The next blob to fetch, and from whom.
    pub fn poll_fetch(&mut self) -> Option<Fetch> {
        while let Some(conn) = self.turns.front().copied() {
            let Some(peer) = self.peers.get_mut(&conn) else {
                self.turns.pop_front();
                continue;
            };
            while peer.fetches < self.limits.peer_fetches_max
                && let Some(blob) = peer.offers.pop_first()
            {
                let size = peer.haves.get(&blob).copied().filter(|size| *size < self.limits.blob_bytes_max);
                let want = self.wants.get_mut(&blob).filter(|want| want.fetching.is_none());
                if let (Some(size), Some(want)) = (size, want) {
                    want.fetching = Some(conn);
                    peer.fetches += 1;
                    self.turns.rotate_left(1);
                    return Some(Fetch { conn, blob, size });
                }
            }
            // Full or without offers: either change brings it back.
            self.turns.pop_front();
        }
        None
    }

    /// Writes a frame of what a connection has not been told to the end of `out`, for the call that the peer made. Yields whether
    /// there was one.
    pub fn poll_frame(&mut self, conn: u64, out: &mut Vec<u8>) -> bool {
        self.peers.get_mut(&conn).is_some_and(|peer| peer.poll_frame(&self.limits, out))
    }

    /// The next pushed blob that enough peers have: it is not asked for any more.
    pub fn poll_pushed(&mut self) -> Option<BlobId> {
        self.pushed.pop_front()
    }

    /// Whether a blob is wanted, here or for others.
    #[must_use]
    pub fn is_wanted(&self, blob: &BlobId) -> bool {
        self.wants.contains_key(blob)
    }

    /// How many blobs are wanted, here or for others.
    #[must_use]
    pub fn count(&self) -> usize {
        self.wants.len()
    }

    fn tell_all(&mut self, blob: &BlobId, number: i64) {
        self.peers.values_mut().for_each(|peer| peer.tell(*blob, number, &self.limits));
    }

    /// Notes that a connection has a blob that is wanted.
    fn offer(&mut self, conn: u64, blob: &BlobId) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if peer.haves.contains_key(blob) {
            peer.offers.insert(*blob);
            self.take_turn(conn);
        }
    }

    fn take_turn(&mut self, conn: u64) {
        if !self.turns.contains(&conn) {
            self.turns.push_back(conn);
        }
    }

    /// Notes that a blob is wanted, if it still is, with everybody who has it.
    fn offer_all(&mut self, blob: &BlobId) {
        if !self.wants.contains_key(blob) {
            return;
        }
        let conns: Vec<u64> = self.peers.keys().copied().collect();
        conns.into_iter().for_each(|conn| self.offer(conn, blob));
    }

    /// Forgets a want that nobody has.
    fn forget_unasked(&mut self, blob: &BlobId) {
        let Some(want) = self.wants.get(blob) else { return };
        // One that is on its way had better come to its end.
        if !want.is_local && want.askers == 0 && want.fetching.is_none() {
            self.wants.remove(blob);
            self.shared -= 1;
            for peer in self.peers.values_mut() {
                peer.untell(blob);
                peer.offers.remove(blob);
            }
        }
    }
}
