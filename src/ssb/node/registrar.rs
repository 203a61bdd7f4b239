//! What there is one of in a pub: the follow graph, the invites, and the wants of blobs. On the first shard.

use super::{Node, Start, desk::Desk, invites::Invites, waiters::Event};
use crate::{
    PublicKey,
    runtime::Blocklist,
    ssb::{
        graph::{Graph, GraphLimits},
        store::{Contact, Stance},
    },
};
use glommio::timer::sleep;
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    rc::Rc,
    time::Duration,
};

/// How long changes of the graph are gathered before distances are computed anew, which looks at every contact.
const GATHER: Duration = Duration::from_millis(200);

/// Feeds to replicate, with their distance.
pub(crate) type Wanted = HashMap<PublicKey, u8>;

/// The state of the registrar; on other shards it is empty.
#[derive(Default)]
pub(crate) struct Registrar {
    graph: RefCell<Option<Graph>>,
    edges: RefCell<BTreeMap<(PublicKey, PublicKey), Stance>>,
    wanted: RefCell<Wanted>,
    /// Distances are about to be computed.
    is_due: Cell<bool>,
    pub(crate) invites: RefCell<Invites>,
    pub(super) blobs: Desk,
}

/// The graph that a store's contacts draw.
pub(crate) fn load_graph(root: PublicKey, contacts: &[Contact], feeds_max: usize) -> Graph {
    let mut graph = Graph::new(root, GraphLimits { feeds_max, ..GraphLimits::default() });
    for contact in contacts {
        graph.set(*contact);
    }
    graph
}

/// What is to be replicated: our own feed, those near it, and those that the operator names.
pub(crate) fn wanted(graph: &Graph, root: PublicKey, hops: u32, pins: &[PublicKey]) -> Wanted {
    let distances = graph.hops(hops);
    let distance =
        |feed: &PublicKey| distances.get(feed).map_or(0, |hops| u8::try_from(*hops).unwrap_or(u8::MAX));
    let mut wanted: Wanted =
        graph.wanted(hops, pins).into_iter().map(|feed| (feed, distance(&feed))).collect();
    wanted.insert(root, 0);
    wanted
}

impl Registrar {
    pub(super) fn load(&self, start: &Start) {
        self.invites.borrow_mut().clone_from(&start.invites);
        for contact in &start.contacts {
            self.note_edge(contact);
        }
        let root = start.root;
        *self.graph.borrow_mut() = Some(load_graph(root, &start.contacts, start.feeds_max));
        self.wanted.borrow_mut().clone_from(&start.wanted);
    }

    fn note_edge(&self, contact: &Contact) {
        let Contact { author, target, stance } = *contact;
        self.edges.borrow_mut().insert((author, target), stance);
    }

    /// What one feed says of another.
    pub(crate) fn stance(&self, author: &PublicKey, target: &PublicKey) -> Stance {
        self.edges.borrow().get(&(*author, *target)).copied().unwrap_or(Stance::Neutral)
    }

    pub(crate) fn edges(&self) -> BTreeMap<(PublicKey, PublicKey), Stance> {
        self.edges.borrow().clone()
    }

    /// Distances from our own feed; negative where somebody near blocks.
    pub(crate) fn hops(&self, max: u32) -> HashMap<PublicKey, i32> {
        self.graph.borrow().as_ref().map(|graph| graph.hops(max)).unwrap_or_default()
    }

    /// Contact messages were stored.
    pub(super) fn handle_contacts(&self, node: &Rc<Node>, contacts: impl Iterator<Item = Contact>) {
        for contact in contacts {
            let before = self.stance(&contact.author, &contact.target);
            let is_news = self.graph.borrow_mut().as_mut().is_some_and(|graph| graph.set(contact));
            if !is_news {
                continue;
            }
            self.note_edge(&contact);
            let blocks = contact.stance == Stance::Blocks;
            if blocks || before == Stance::Blocks {
                if contact.author == node.id() {
                    block(&node.common.options.serve.blocklist, contact.target, blocks);
                }
                let Contact { author, target, .. } = contact;
                node.common.mesh.tell_all(move |node| node.handle_block(&author, &target, blocks));
            }
            self.recompute_soon(node);
        }
    }

    /// A feed was deleted, and with it all that its author said.
    pub(crate) fn forget(&self, node: &Rc<Node>, author: &PublicKey) {
        self.edges.borrow_mut().retain(|(from, _), _| from != author);
        if self.graph.borrow_mut().as_mut().is_some_and(|graph| graph.clear(author)) {
            self.recompute_soon(node);
        }
    }

    fn recompute_soon(&self, node: &Rc<Node>) {
        if self.is_due.replace(true) {
            return;
        }
        // A task that is left over when the shard ends is never dropped: it must not hold the stores open.
        let node = Rc::downgrade(node);
        glommio::spawn_local(async move {
            sleep(GATHER).await;
            let Some(node) = node.upgrade() else { return };
            node.registrar.is_due.set(false);
            node.registrar.recompute(&node);
        })
        .detach();
    }

    fn recompute(&self, node: &Node) {
        let options = &node.common.options;
        let after = match &*self.graph.borrow() {
            Some(graph) => wanted(graph, node.id(), options.hops, &options.replicate),
            None => return,
        };
        let before = self.wanted.replace(after.clone());
        let mut changes: Vec<(PublicKey, Option<u8>)> = after
            .iter()
            .filter(|(feed, hops)| before.get(feed) != Some(hops))
            .map(|(feed, hops)| (*feed, Some(*hops)))
            .collect();
        changes.extend(before.keys().filter(|feed| !after.contains_key(feed)).map(|feed| (*feed, None)));
        if changes.is_empty() {
            return;
        }
        let turned = |(feed, hops): &(PublicKey, Option<u8>)| before.contains_key(feed) != hops.is_some();
        let turned: Vec<PublicKey> =
            changes.iter().filter(|change| turned(change)).map(|(feed, _)| *feed).collect();
        node.common.mesh.tell_all(move |node| node.set_wanted(&changes));
        // After every shard has the news: exchanges pass claims to the feeds' owners, who ignore those to feeds that are not wanted.
        node.common.mesh.tell_all(move |node| node.handle_wanted(&turned));
    }
}

/// Whom the pub blocks does not get in, and is cut off.
fn block(blocklist: &Blocklist, target: PublicKey, blocks: bool) {
    if blocks {
        blocklist.block(target);
    } else {
        blocklist.unblock(&target);
    }
}

impl Node {
    fn set_wanted(&self, changes: &[(PublicKey, Option<u8>)]) {
        for (feed, hops) in changes {
            let mut feeds = self.feeds.borrow_mut();
            let is_turned = feeds.is_wanted(feed) != hops.is_some();
            feeds.set_hops(feed, *hops);
            if is_turned && self.owner(feed) == self.index() {
                let head = hops.is_some().then(|| feeds.sequence(feed));
                self.requests.borrow_mut().handle_wanted(feed, head);
            }
        }
        self.wanted_changes.set(self.wanted_changes.get() + 1);
        self.waiters.wake(Event::Wanted);
    }

    /// Waits until the set of wanted feeds changes.
    pub(crate) async fn wanted_changed(&self) {
        let before = self.wanted_changes.get();
        self.waiters.until(Event::Wanted, || self.wanted_changes.get() != before).await;
    }
}
