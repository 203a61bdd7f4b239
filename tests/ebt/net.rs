//! A network of exchanges in one thread: nodes with stores that only count, and lines that deliver in order, when the test says so.

use crate::random::Random;
use push_mux::{
    PublicKey,
    ssb::ebt::{Arrival, Claim, Clock, Exchange, ExchangeLimits, Local, Note, Requests, Role},
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

pub(crate) fn feed(number: usize) -> PublicKey {
    PublicKey([u8::try_from(number).expect("few feeds"); 32])
}

/// The number of a peer that is no node of the network: JavaScript.
pub(crate) const OUTSIDE: usize = 99;

pub(crate) enum Frame {
    Notes(Vec<u8>),
    Message(PublicKey, u32),
}

/// One end of a connection.
struct End {
    exchange: Exchange,
    peer: usize,
    /// What the peer has sent and we have not read.
    inbox: VecDeque<Frame>,
    /// Messages that crossed, in either direction, as this end saw them.
    crossed: BTreeSet<(PublicKey, u32)>,
    /// Sends no messages: a peer that stalls.
    is_mute: bool,
}

pub(crate) struct Node {
    pub(crate) clock: BTreeMap<PublicKey, u32>,
    pub(crate) wants: BTreeSet<PublicKey>,
    requests: RefCell<Requests>,
    ends: BTreeMap<u64, End>,
    saved: BTreeMap<usize, Clock>,
}

/// What a node's exchange with one peer sees of the node.
struct View<'a> {
    clock: &'a BTreeMap<PublicKey, u32>,
    wants: &'a BTreeSet<PublicKey>,
    blocks: &'a BTreeSet<(PublicKey, usize)>,
    requests: &'a RefCell<Requests>,
    peer: usize,
    conn: u64,
    now: Duration,
}

impl Local for View<'_> {
    fn sequence(&self, feed: &PublicKey) -> u32 {
        self.clock.get(feed).copied().unwrap_or(0)
    }

    fn wants(&self, feed: &PublicKey) -> bool {
        self.wants.contains(feed)
    }

    fn may_send(&self, feed: &PublicKey) -> bool {
        !self.blocks.contains(&(*feed, self.peer))
    }

    fn for_each_wanted(&self, visit: &mut dyn FnMut(&PublicKey)) {
        self.wants.iter().for_each(visit);
    }

    fn asks_first(&self, feed: &PublicKey) -> bool {
        self.requests.borrow_mut().ask_first(self.now, self.conn, feed)
    }
}

#[derive(Default)]
pub(crate) struct Net {
    pub(crate) nodes: Vec<Node>,
    /// A feed's author lets no messages go to that node.
    pub(crate) blocks: BTreeSet<(PublicKey, usize)>,
    /// Open connections, and the two nodes of each.
    pub(crate) conns: BTreeMap<u64, [usize; 2]>,
    pub(crate) now: Duration,
    conns_ever: u64,
    /// Frames and messages sent, for tests that count them.
    pub(crate) notes_sent: usize,
    /// What goes to the peer outside, by connection.
    pub(crate) outside: VecDeque<(u64, Frame)>,
    pub(crate) messages_sent: usize,
}

macro_rules! view {
    ($net:ident, $node:ident, $peer:expr, $conn:expr) => {
        View {
            clock: &$node.clock,
            wants: &$node.wants,
            blocks: &$net.blocks,
            requests: &$node.requests,
            peer: $peer,
            conn: $conn,
            now: $net.now,
        }
    };
}

impl Net {
    pub(crate) fn add_node(&mut self, wants: impl IntoIterator<Item = PublicKey>) -> usize {
        let mut requests = Requests::new(Duration::from_secs(3));
        let wants: BTreeSet<_> = wants.into_iter().collect();
        wants.iter().for_each(|feed| requests.handle_wanted(feed, Some(0)));
        self.nodes.push(Node {
            clock: BTreeMap::new(),
            wants,
            requests: RefCell::new(requests),
            ends: BTreeMap::new(),
            saved: BTreeMap::new(),
        });
        self.nodes.len() - 1
    }

    pub(crate) fn connect(&mut self, opener: usize, acceptor: usize) {
        if opener == acceptor
            || self
                .conns
                .values()
                .any(|[a, b]| [*a, *b] == [opener, acceptor] || [*b, *a] == [opener, acceptor])
        {
            return;
        }
        self.conns_ever += 1;
        let conn = self.conns_ever;
        self.conns.insert(conn, [opener, acceptor]);
        for (at, peer, role) in [(acceptor, opener, Role::Acceptor), (opener, acceptor, Role::Opener)] {
            if at == OUTSIDE {
                continue;
            }
            let node = &mut self.nodes[at];
            let saved = node.saved.get(&peer).cloned().unwrap_or_default();
            let limits = ExchangeLimits { note_bytes_max: 200, unwanted_max: 3, ..ExchangeLimits::default() };
            let exchange = Exchange::new(role, saved, limits, &view!(self, node, peer, conn));
            let (inbox, crossed) = (VecDeque::new(), BTreeSet::new());
            node.ends.insert(conn, End { exchange, peer, inbox, crossed, is_mute: false });
        }
    }

    pub(crate) fn disconnect(&mut self, conn: u64) {
        let Some(pair) = self.conns.remove(&conn) else { return };
        for at in pair.into_iter().filter(|at| *at != OUTSIDE) {
            let node = &mut self.nodes[at];
            let end = node.ends.remove(&conn).expect("both ends are there");
            let bytes = end.exchange.clock().to_bytes();
            node.saved.insert(end.peer, Clock::from_bytes(&bytes).expect("a clock"));
            node.requests.borrow_mut().handle_gone(self.now, conn);
            self.decide(at);
        }
    }

    pub(crate) fn set_mute(&mut self, conn: u64, at: usize, is_mute: bool) {
        if let Some(end) = self.nodes[at].ends.get_mut(&conn) {
            end.is_mute = is_mute;
        }
    }

    /// The node loses messages of a feed from the end, and its connections with them; `forgets` loses the peers' clocks too.
    pub(crate) fn lose(&mut self, at: usize, feed: &PublicKey, left: u32, forgets: bool) {
        let conns: Vec<u64> = self.nodes[at].ends.keys().copied().collect();
        conns.into_iter().for_each(|conn| self.disconnect(conn));
        let node = &mut self.nodes[at];
        if forgets {
            node.saved.clear();
        }
        if let Some(sequence) = node.clock.get_mut(feed) {
            *sequence = left.min(*sequence);
            if node.wants.contains(feed) {
                let mut requests = node.requests.borrow_mut();
                requests.handle_wanted(feed, None);
                requests.handle_wanted(feed, Some(*sequence));
            }
        }
    }

    pub(crate) fn set_wanted(&mut self, at: usize, feed: &PublicKey, wanted: bool) {
        let node = &mut self.nodes[at];
        let head = node.clock.get(feed).copied().unwrap_or(0);
        if wanted == node.wants.contains(feed) {
            return;
        }
        if wanted {
            node.wants.insert(*feed);
        } else {
            node.wants.remove(feed);
        }
        node.requests.borrow_mut().handle_wanted(feed, wanted.then_some(head));
        self.handle_wanted(at, feed);
        self.decide(at);
    }

    pub(crate) fn set_block(&mut self, feed: &PublicKey, target: usize, blocks: bool) {
        if blocks {
            self.blocks.insert((*feed, target));
        } else {
            self.blocks.remove(&(*feed, target));
        }
        for at in 0..self.nodes.len() {
            self.handle_wanted(at, feed);
            self.decide(at);
        }
    }

    fn handle_wanted(&mut self, at: usize, feed: &PublicKey) {
        let node = &mut self.nodes[at];
        for (conn, end) in &mut node.ends {
            let claim = end.exchange.handle_wanted(feed, &view!(self, node, end.peer, *conn));
            if let Some(Claim { feed, sequence }) = claim {
                node.requests.borrow_mut().handle_claim(self.now, *conn, &feed, sequence);
            }
        }
    }

    /// Appends the next message of a feed at a node.
    pub(crate) fn append(&mut self, at: usize, feed: &PublicKey, from: Option<u64>) {
        let node = &mut self.nodes[at];
        let sequence = node.clock.entry(*feed).or_insert(0);
        *sequence += 1;
        node.requests.borrow_mut().handle_progress(self.now, feed, *sequence, from);
        for (conn, end) in &mut node.ends {
            end.exchange.handle_appended(feed, &view!(self, node, end.peer, *conn));
        }
        self.decide(at);
    }

    fn decide(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        loop {
            let Some(decision) = node.requests.borrow_mut().poll(self.now) else { return };
            if let Some(end) = node.ends.get_mut(&decision.conn) {
                let view = view!(self, node, end.peer, decision.conn);
                end.exchange.set_receive(&decision.feed, decision.receive, &view);
            }
        }
    }

    /// Lets time pass, and every node look at the clock.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
        (0..self.nodes.len()).for_each(|at| self.decide(at));
    }

    /// One end writes: notes, or a run of messages. Yields whether there was anything.
    pub(crate) fn write(&mut self, conn: u64, at: usize, run: usize) -> bool {
        let Some(node) = self.nodes.get_mut(at) else { return false };
        let Some(end) = node.ends.get_mut(&conn) else { return false };
        let view = view!(self, node, end.peer, conn);
        let mut frames = Vec::new();
        let mut frame = Vec::new();
        if end.exchange.poll_notes(&view, &mut frame) {
            assert!(frame.len() <= 200, "{}", frame.len());
            frames.push(Frame::Notes(frame));
            self.notes_sent += 1;
        } else if !end.is_mute
            && let Some((feed, from)) = end.exchange.poll_send(&view)
        {
            let mut sent = 0;
            for sequence in (from..=view.sequence(&feed)).take(run) {
                assert!(end.exchange.owes(&feed, sequence, &view));
                assert!(!self.blocks.contains(&(feed, end.peer)), "sent to whom its author blocks");
                assert!(end.crossed.insert((feed, sequence)), "{feed}:{sequence} crossed twice");
                frames.push(Frame::Message(feed, sequence));
                self.messages_sent += 1;
                sent = sequence;
            }
            end.exchange.handle_sent(&feed, sent, &view);
        }
        let peer = end.peer;
        let any = !frames.is_empty();
        if peer == OUTSIDE {
            self.outside.extend(frames.into_iter().map(|frame| (conn, frame)));
        } else {
            self.nodes[peer].ends.get_mut(&conn).expect("the other end").inbox.extend(frames);
        }
        any
    }

    /// A frame comes from the peer outside.
    pub(crate) fn deliver(&mut self, conn: u64, frame: Frame) {
        let at = self.conns[&conn].into_iter().find(|at| *at != OUTSIDE).expect("a node");
        self.nodes[at].ends.get_mut(&conn).expect("its end").inbox.push_back(frame);
    }

    /// One end reads a frame. Yields whether there was one.
    pub(crate) fn read(&mut self, conn: u64, at: usize) -> bool {
        let Some(node) = self.nodes.get_mut(at) else { return false };
        let Some(end) = node.ends.get_mut(&conn) else { return false };
        let Some(frame) = end.inbox.pop_front() else { return false };
        let view = view!(self, node, end.peer, conn);
        match frame {
            Frame::Notes(bytes) => {
                let mut claims = Vec::new();
                end.exchange.handle_notes(&bytes, &view, |claim| claims.push(claim)).expect("notes");
                for (feed, note) in Note::read_all(&bytes, 1000).expect("notes") {
                    if note == Note::NONE {
                        end.crossed.retain(|(other, _)| *other != feed);
                    }
                }
                let mut requests = node.requests.borrow_mut();
                for Claim { feed, sequence } in claims {
                    requests.handle_claim(self.now, conn, &feed, sequence);
                }
            }
            Frame::Message(feed, sequence) => {
                end.crossed.insert((feed, sequence));
                match end.exchange.handle_message(&feed, sequence, &view) {
                    Arrival::Fresh if view.sequence(&feed) + 1 == sequence => {
                        self.append(at, &feed, Some(conn));
                        return true;
                    }
                    Arrival::Duplicate { was_asked: true } => {
                        node.requests.borrow_mut().handle_duplicate(self.now, conn, &feed);
                    }
                    _ => {}
                }
            }
        }
        assert!(end.exchange.feeds() <= node.wants.len() + 64, "what strangers name is bounded");
        self.decide(at);
        true
    }

    /// Everything that can be written and read is, in a random order, until nothing is left and no deadline is ahead.
    ///
    /// With a peer outside it returns when that one is to act, and does not wait for what it owes for ever.
    pub(crate) fn settle(&mut self, random: &mut Random) {
        let mut waits = 0;
        for _ in 0..200_000 {
            let ends = self.conns.iter().flat_map(|(conn, pair)| pair.map(|at| (*conn, at)));
            let ends: Vec<(u64, usize)> = ends.filter(|(_, at)| *at != OUTSIDE).collect();
            let mut any = false;
            for (conn, at) in &ends {
                if random.chance(70) {
                    any |= self.write(*conn, *at, 1 + random.below(4));
                }
                if random.chance(70) {
                    any |= self.read(*conn, *at);
                }
            }
            if any {
                continue;
            }
            let is_idle = ends
                .iter()
                .all(|(conn, at)| !self.write(*conn, *at, 4) && self.nodes[*at].ends[conn].inbox.is_empty());
            if is_idle && !self.outside.is_empty() {
                return;
            }
            if is_idle {
                waits += 1;
                if waits > 3 && self.conns.values().flatten().any(|at| *at == OUTSIDE) {
                    return;
                }
                let due = self.nodes.iter().filter_map(|node| node.requests.borrow().next_deadline()).min();
                let Some(due) = due else { return };
                self.pass(due.saturating_sub(self.now));
            }
        }
        panic!("the network never comes to rest");
    }
}
