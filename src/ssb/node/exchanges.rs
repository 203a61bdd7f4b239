//! The exchanges of a shard's connections, and how they hear of what other shards do.

use super::{Intake, Node, Refusal, arrival::Arrival, blocks::Blocks, feeds::Feeds, intake::Origin};
use crate::{
    PublicKey,
    runtime::wall_ms,
    ssb::ebt::{self, Claim, Exchange},
};
use glommio::timer::sleep;
use std::{
    cell::{Cell, Ref, RefCell},
    collections::{BTreeMap, HashMap},
    rc::Rc,
    task::{Context, Waker},
    time::Duration,
};

/// How often requests that are due to be moved to another peer are looked for.
const TICK: Duration = Duration::from_millis(250);

/// A connection that exchanges feeds.
pub(crate) struct ExchangePeer {
    pub(crate) key: PublicKey,
    pub(crate) exchange: RefCell<Exchange>,
    pub(crate) intake: Rc<Intake>,
    /// When it began, milliseconds since 1970: of two exchanges of a peer the later one stays.
    since_ms: f64,
    /// The peer has come again, by another connection.
    pub(crate) is_replaced: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl ExchangePeer {
    /// The number of the exchange in the whole process: that of its intake.
    pub(crate) fn id(&self) -> u64 {
        self.intake.id()
    }

    /// Wakes this task from now on when something has changed.
    pub(crate) fn listen(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|old| old.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// What an exchange has to know of this side.
pub(crate) struct Local<'a> {
    node: &'a Node,
    id: u64,
    peer: PublicKey,
    feeds: Ref<'a, Feeds>,
    blocks: Ref<'a, Blocks>,
}

impl<'a> Local<'a> {
    pub(crate) fn new(node: &'a Node, peer: &ExchangePeer) -> Self {
        Self::of(node, peer.id(), peer.key)
    }

    fn of(node: &'a Node, id: u64, peer: PublicKey) -> Self {
        Self { node, id, peer, feeds: node.feeds.borrow(), blocks: node.blocks.borrow() }
    }
}

impl ebt::Local for Local<'_> {
    fn sequence(&self, feed: &PublicKey) -> u32 {
        self.feeds.sequence(feed)
    }

    fn wants(&self, feed: &PublicKey) -> bool {
        self.feeds.is_wanted(feed)
    }

    fn may_send(&self, feed: &PublicKey) -> bool {
        !self.blocks.has(feed, &self.peer)
    }

    fn for_each_wanted(&self, visit: &mut dyn FnMut(&PublicKey)) {
        self.feeds.wanted().for_each(visit);
    }

    fn asks_first(&self, feed: &PublicKey) -> bool {
        // The owner decides; here that is known without asking only for feeds of our own shard.
        self.node.owner(feed) == self.node.index()
            && self.node.requests.borrow_mut().ask_first(self.node.now(), self.id, feed)
    }
}

impl Node {
    /// Registers an exchange; what `make` yields begins it. An older one with the same peer, on any shard, ends.
    pub(crate) fn add_exchange(
        self: &Rc<Self>,
        key: PublicKey,
        make: impl FnOnce(&Local<'_>) -> Exchange,
    ) -> Rc<ExchangePeer> {
        let intake = Intake::new(self);
        let local = Local::of(self, intake.id(), key);
        let exchange = RefCell::new(make(&local));
        drop(local);
        let peer = Rc::new(ExchangePeer {
            key,
            exchange,
            intake,
            since_ms: wall_ms(),
            is_replaced: Cell::new(false),
            waker: RefCell::new(None),
        });
        let (id, since_ms) = (peer.id(), peer.since_ms);
        self.exchanges.borrow_mut().insert(id, Rc::clone(&peer));
        self.common.mesh.tell_all(move |node| node.replace_exchanges(&key, (since_ms, id)));
        peer
    }

    fn replace_exchanges(&self, key: &PublicKey, by: (f64, u64)) {
        let exchanges = self.exchanges.borrow();
        for peer in exchanges.values().filter(|peer| peer.key == *key && (peer.since_ms, peer.id()) < by) {
            peer.is_replaced.set(true);
            peer.wake();
        }
    }

    pub(crate) fn remove_exchange(&self, peer: &ExchangePeer) {
        let id = peer.id();
        self.exchanges.borrow_mut().remove(&id);
        self.common.mesh.tell_all(move |node| {
            node.requests.borrow_mut().handle_gone(node.now(), id);
            node.decide();
        });
    }

    /// What a peer says it has goes to the shards that own the feeds.
    pub(crate) fn tell_claims(&self, exchange: u64, claims: Vec<Claim>) {
        let mut by_owner: BTreeMap<usize, Vec<Claim>> = BTreeMap::new();
        for claim in claims {
            by_owner.entry(self.owner(&claim.feed)).or_default().push(claim);
        }
        for (owner, claims) in by_owner {
            self.common.mesh.tell(owner, move |node| {
                let now = node.now();
                let mut requests = node.requests.borrow_mut();
                for Claim { feed, sequence } in claims {
                    requests.handle_claim(now, exchange, &feed, sequence);
                }
                drop(requests);
                node.decide();
            });
        }
    }

    pub(crate) fn tell_duplicate(&self, exchange: u64, feed: PublicKey) {
        self.common.mesh.tell(self.owner(&feed), move |node| {
            node.requests.borrow_mut().handle_duplicate(node.now(), exchange, &feed);
            node.decide();
        });
    }

    /// A peer's message was not taken.
    pub(crate) fn handle_refused(&self, peer: &ExchangePeer, feed: &PublicKey, refusal: &Refusal) {
        let (id, feed) = (peer.id(), *feed);
        // After a message that could not be stored, those that follow it are out of place.
        let is_ours = match refusal {
            Refusal::NotStored => true,
            Refusal::Gap { .. } => peer.exchange.borrow().was_held(&feed),
            Refusal::Invalid(_) | Refusal::Fork => false,
        };
        if is_ours {
            return self.hold(peer, &feed);
        }
        peer.exchange.borrow_mut().refuse(&feed);
        self.common.mesh.tell(self.owner(&feed), move |node| {
            node.requests.borrow_mut().handle_refused(node.now(), id, &feed);
            node.decide();
        });
    }

    fn hold(&self, peer: &ExchangePeer, feed: &PublicKey) {
        let claim = peer.exchange.borrow_mut().hold(feed);
        self.tell_claims(peer.id(), claim.into_iter().collect());
    }

    /// A feed begins anew: peers are told so, and asked for it if it is wanted.
    pub(super) fn hold_everywhere(&self, feed: &PublicKey) {
        for peer in self.exchanges.borrow().values() {
            self.hold(peer, feed);
            peer.wake();
        }
    }

    /// What could not be stored is asked for again.
    pub(super) fn resume_exchanges(&self) {
        for peer in self.exchanges.borrow().values() {
            let claims = peer.exchange.borrow_mut().resume(&Local::new(self, peer));
            if !claims.is_empty() {
                self.tell_claims(peer.id(), claims);
                peer.wake();
            }
        }
    }

    /// Sends what has been decided about the feeds of this shard to the connections it concerns.
    pub(crate) fn decide(&self) {
        let now = self.now();
        let mut by_shard: BTreeMap<usize, Vec<(u64, PublicKey, bool)>> = BTreeMap::new();
        while let Some(decision) = self.requests.borrow_mut().poll(now) {
            let shard = shard_of(decision.conn);
            by_shard.entry(shard).or_default().push((decision.conn, decision.feed, decision.receive));
        }
        for (shard, decisions) in by_shard {
            self.common.mesh.tell(shard, move |node| node.handle_decisions(&decisions));
        }
    }

    fn handle_decisions(&self, decisions: &[(u64, PublicKey, bool)]) {
        let exchanges = self.exchanges.borrow();
        for (id, feed, receive) in decisions {
            if let Some(peer) = exchanges.get(id) {
                peer.exchange.borrow_mut().set_receive(feed, *receive, &Local::new(self, peer));
                peer.wake();
            }
        }
    }

    /// How far each peer of this shard says it has a feed.
    pub(crate) fn exchange_status(&self, feed: &PublicKey) -> Vec<(PublicKey, u32)> {
        let exchanges = self.exchanges.borrow();
        let theirs = |peer: &Rc<ExchangePeer>| Some((peer.key, peer.exchange.borrow().theirs(feed)?));
        exchanges.values().filter_map(theirs).collect()
    }

    /// Feeds that are wanted and that peers of this shard say they have further than we do, and how far.
    pub(crate) fn ahead(&self) -> HashMap<PublicKey, u32> {
        let feeds = self.feeds.borrow();
        let mut ahead: HashMap<PublicKey, u32> = HashMap::new();
        for peer in self.exchanges.borrow().values() {
            let exchange = peer.exchange.borrow();
            for (feed, theirs) in exchange.claims().filter(|(feed, _)| feeds.is_wanted(feed)) {
                if theirs > feeds.sequence(&feed) {
                    let most = ahead.entry(feed).or_default();
                    *most = theirs.max(*most);
                }
            }
        }
        ahead
    }

    /// Looks now and then whether a peer owes messages for too long.
    pub(crate) async fn watch_requests(self: Rc<Self>) {
        loop {
            sleep(TICK).await;
            self.decide();
        }
    }

    pub(super) fn handle_appended(&self, latest: &HashMap<PublicKey, u32>, arrivals: &[Arrival]) {
        for peer in self.exchanges.borrow().values() {
            let local = Local::new(self, peer);
            let mut exchange = peer.exchange.borrow_mut();
            latest.keys().for_each(|feed| exchange.handle_appended(feed, &local));
            drop(exchange);
            peer.wake();
        }
        let mut requests = self.requests.borrow_mut();
        let now = self.now();
        for Arrival { message, origin, .. } in arrivals {
            if self.owner(&message.author) == self.index() {
                let from = match origin {
                    Origin::Intake { id, .. } => Some(*id),
                    Origin::Ours => None,
                };
                requests.handle_progress(now, &message.author, message.sequence, from);
            }
        }
        drop(requests);
        self.decide();
    }

    /// What is wanted has changed: exchanges say so to their peers.
    pub(super) fn handle_wanted(&self, feeds: &[PublicKey]) {
        for peer in self.exchanges.borrow().values() {
            let local = Local::new(self, peer);
            let mut exchange = peer.exchange.borrow_mut();
            let claims = feeds.iter().filter_map(|feed| exchange.handle_wanted(feed, &local)).collect();
            drop(exchange);
            self.tell_claims(peer.id(), claims);
            peer.wake();
        }
    }

    /// An author blocks somebody, or no longer.
    pub(super) fn handle_block(&self, author: &PublicKey, target: &PublicKey, blocks: bool) {
        self.blocks.borrow_mut().set(author, target, blocks);
        for peer in self.exchanges.borrow().values().filter(|peer| peer.key == *target) {
            let claim = peer.exchange.borrow_mut().handle_wanted(author, &Local::new(self, peer));
            self.tell_claims(peer.id(), claim.into_iter().collect());
            peer.wake();
        }
    }
}

/// The shard of a number that [`Node::next_id`] gave.
pub(super) fn shard_of(id: u64) -> usize {
    usize::try_from(id >> 48).unwrap_or(0)
}
