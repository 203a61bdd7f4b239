//! Who follows and blocks whom, and which feeds are replicated for it, as npm `ssb-friends` 5 has it.
//!
//! Pure. Contract: distances are those of `ssb-friends` for the same contacts, whatever the order in which they came; what strangers say
//! cannot make more feeds wanted than [`GraphLimits::feeds_max`].

use super::store::{Contact, Stance};
use crate::PublicKey;
use std::collections::{HashMap, HashSet, VecDeque, hash_map::Entry};

/// Every bound of a [`Graph`]. Each says what it stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphLimits {
    /// Feeds that distance makes wanted, the nearest first (100,000). Stops a follower from filling the store with a graph of
    /// made-up feeds.
    pub feeds_max: usize,
    /// Feeds known as author or target of a contact (1,000,000, about 100 MB with their edges). Stops the same
    /// follower from filling memory; contacts that name more are not taken.
    pub nodes_max: usize,
    /// Others that one author follows or blocks (20,000). Stops one author from being the graph.
    pub contacts_max: usize,
}

impl Default for GraphLimits {
    fn default() -> Self {
        Self { feeds_max: 100_000, nodes_max: 1_000_000, contacts_max: 20_000 }
    }
}

/// The graph that contact messages draw, seen from one feed, the root: the pub's own.
#[derive(Debug)]
pub struct Graph {
    root: PublicKey,
    index: HashMap<PublicKey, u32>,
    nodes: Vec<Node>,
    limits: GraphLimits,
}

#[derive(Debug)]
struct Node {
    feed: PublicKey,
    /// Sorted by target.
    contacts: Vec<(u32, Stance)>,
}

/// What became different between two sets of wanted feeds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Feeds that are wanted now.
    pub added: Vec<PublicKey>,
    /// Feeds that are not any more.
    pub removed: Vec<PublicKey>,
}

impl Graph {
    /// A graph of the root alone.
    #[must_use]
    pub fn new(root: PublicKey, limits: GraphLimits) -> Self {
        let mut graph = Self { root, index: HashMap::new(), nodes: Vec::new(), limits };
        graph.node(root, true);
        graph
    }

    /// The number of a feed; `None` when it is not known and there is no room for it.
    fn node(&mut self, feed: PublicKey, is_root_s: bool) -> Option<u32> {
        let count = self.nodes.len();
        match self.index.entry(feed) {
            Entry::Occupied(at) => Some(*at.get()),
            Entry::Vacant(at) => {
                let number =
                    u32::try_from(count).ok().filter(|_| is_root_s || count < self.limits.nodes_max)?;
                self.nodes.push(Node { feed, contacts: Vec::new() });
                Some(*at.insert(number))
            }
        }
    }

    fn contacts(&self, feed: &PublicKey) -> &[(u32, Stance)] {
        let node = self.index.get(feed).and_then(|at| self.nodes.get(*at as usize));
        node.map_or(&[], |node| &node.contacts)
    }

    fn stance(&self, author: &PublicKey, target: &PublicKey) -> Option<Stance> {
        let target = self.index.get(target)?;
        let contacts = self.contacts(author);
        let at = contacts.binary_search_by_key(target, |(target, _)| *target).ok()?;
        contacts.get(at).map(|(_, stance)| *stance)
    }

    /// Takes what an author says of another, in place of what it said before. Yields whether that is something new, so that
    /// distances may have changed; what nobody but the root says may find no room, and then changes nothing.
    pub fn set(&mut self, contact: Contact) -> bool {
        let is_root_s = contact.author == self.root;
        // Said of oneself, it means nothing; a root that could block itself would be lost.
        if contact.author == contact.target
            || self.stance(&contact.author, &contact.target) == Some(contact.stance)
        {
            return false;
        }
        let Some(author) = self.node(contact.author, is_root_s) else { return false };
        let Some(target) = self.node(contact.target, is_root_s) else { return false };
        let contacts_max = self.limits.contacts_max;
        let Some(node) = self.nodes.get_mut(author as usize) else { return false };
        match node.contacts.binary_search_by_key(&target, |(target, _)| *target) {
            Ok(at) => node.contacts.get_mut(at).is_some_and(|(_, stance)| {
                *stance = contact.stance;
                true
            }),
            Err(at) => {
                let has_room = is_root_s || node.contacts.len() < contacts_max;
                if has_room {
                    node.contacts.insert(at, (target, contact.stance));
                }
                has_room
            }
        }
    }

    /// Forgets all that an author said, as when its feed is deleted. Yields whether that was anything.
    pub fn clear(&mut self, author: &PublicKey) -> bool {
        let node = self.index.get(author).and_then(|at| self.nodes.get_mut(*at as usize));
        node.is_some_and(|node| !std::mem::take(&mut node.contacts).is_empty())
    }

    /// Whether `author` follows `target`.
    #[must_use]
    pub fn is_following(&self, author: &PublicKey, target: &PublicKey) -> bool {
        self.stance(author, target) == Some(Stance::Follows)
    }

    /// Whether `author` blocks `target`: then nobody sends `target` a message of `author`.
    #[must_use]
    pub fn is_blocking(&self, author: &PublicKey, target: &PublicKey) -> bool {
        self.stance(author, target) == Some(Stance::Blocks)
    }

    /// Whom an author blocks.
    pub fn blocks_of(&self, author: &PublicKey) -> impl Iterator<Item = PublicKey> {
        let blocked = self.contacts(author).iter().filter(|(_, stance)| *stance == Stance::Blocks);
        blocked.filter_map(|(at, _)| self.nodes.get(*at as usize).map(|node| node.feed))
    }

    /// How far feeds are from the root, up to `max` follows: 0 the root, 1 whom it follows. What is blocked, or no longer followed, nearer than
    /// it is followed has a negative distance, −1 being blocked by the root, and nobody is reached through it. A block as
    /// near as a follow yields to it.
    ///
    /// Looks once at every contact of the feeds within reach, so a caller coalesces the changes of a batch.
    #[must_use]
    pub fn hops(&self, max: u32) -> HashMap<PublicKey, i32> {
        let hops = self.distances(max);
        let known = self.nodes.iter().zip(hops);
        known.filter_map(|(node, hops)| Some((node.feed, hops?))).collect()
    }

    /// Distances by number.
    fn distances(&self, max: u32) -> Vec<Option<i32>> {
        let mut hops: Vec<Option<i32>> = vec![None; self.nodes.len()];
        let Some(root) = hops.first_mut() else { return hops };
        *root = Some(0);
        // Nodes of this distance and the next, in the order in which they were found.
        let mut queue = VecDeque::from([0_u32]);
        let mut reached = 1;
        while let Some(at) = queue.pop_front() {
            let (Some(node), Some(Some(distance))) = (self.nodes.get(at as usize), hops.get(at as usize))
            else {
                continue;
            };
            let distance = *distance;
            if distance.unsigned_abs() >= max {
                continue;
            }
            for (target, stance) in &node.contacts {
                let Some(found) = hops.get_mut(*target as usize) else { continue };
                let weight = if *stance == Stance::Neutral { 2 } else { 1 };
                let next = distance + weight;
                let is_nearer = found.is_none_or(|found| found.abs() > next);
                if *stance != Stance::Follows {
                    if is_nearer {
                        *found = Some(-next);
                    }
                } else if (is_nearer || *found == Some(-next)) && reached < self.limits.feeds_max {
                    *found = Some(next);
                    reached += 1;
                    queue.push_back(*target);
                }
            }
        }
        hops
    }

    /// The feeds to replicate: those at most `max` follows away, and `pins` whatever the graph says.
    #[must_use]
    pub fn wanted(&self, max: u32, pins: &[PublicKey]) -> HashSet<PublicKey> {
        let hops = self.distances(max);
        let near = self.nodes.iter().zip(hops).filter(|(_, hops)| hops.is_some_and(|hops| hops >= 0));
        near.map(|(node, _)| node.feed).chain(pins.iter().copied()).collect()
    }

    /// What to begin and to end replicating, going from one set of wanted feeds to the next.
    #[must_use]
    pub fn changes(before: &HashSet<PublicKey>, after: &HashSet<PublicKey>) -> Changes {
        Changes {
            added: after.difference(before).copied().collect(),
            removed: before.difference(after).copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(number: usize) -> PublicKey {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        PublicKey(bytes)
    }

    fn contact(author: usize, target: usize, stance: Stance) -> Contact {
        Contact { author: feed(author), target: feed(target), stance }
    }

    fn graph(contacts: &[(usize, usize, Stance)], limits: GraphLimits) -> Graph {
        let mut graph = Graph::new(feed(0), limits);
        for (author, target, stance) in contacts {
            graph.set(contact(*author, *target, *stance));
        }
        graph
    }

    #[test]
    fn distances_are_those_of_ssb_friends() {
        let lines = include_str!("../../tests/vectors/ssb-friends-hops.txt").lines();
        let mut checked = 0;
        for line in lines.filter(|line| !line.starts_with('#')) {
            let parts: Vec<&str> = line.split('|').map(str::trim).collect();
            let mut contacts: Vec<_> = parts[1]
                .split_whitespace()
                .map(|edge| {
                    let (pair, value) = edge.split_once(':').expect("a value");
                    let (author, target) = pair.split_once('>').expect("a pair");
                    let stance = match value {
                        "1" => Stance::Follows,
                        "-1" => Stance::Blocks,
                        _ => Stance::Neutral,
                    };
                    (author.parse().expect("a number"), target.parse().expect("a number"), stance)
                })
                .collect();
            let expected: HashMap<PublicKey, i32> = parts[2]
                .split_whitespace()
                .map(|entry| entry.split_once(':').expect("a distance"))
                .map(|(node, hops)| (feed(node.parse().expect("a number")), hops.parse().expect("a number")))
                .collect();
            let max = parts[0].parse().expect("a number");
            assert_eq!(graph(&contacts, GraphLimits::default()).hops(max), expected, "{line}");
            contacts.reverse();
            assert_eq!(graph(&contacts, GraphLimits::default()).hops(max), expected, "reversed: {line}");
            checked += 1;
        }
        assert_eq!(checked, 60);
    }

    #[test]
    fn a_feed_that_the_root_blocks_is_not_wanted_nor_looked_through() {
        let contacts = [
            (0, 1, Stance::Follows),
            (1, 2, Stance::Follows),
            (2, 3, Stance::Follows),
            (0, 2, Stance::Blocks),
        ];
        let mut graph = graph(&contacts, GraphLimits::default());
        assert_eq!(graph.hops(3).get(&feed(2)), Some(&-1));
        let before = graph.wanted(3, &[feed(9)]);
        assert_eq!(before, HashSet::from([0, 1, 9].map(feed)));
        assert!(graph.is_blocking(&feed(0), &feed(2)) && !graph.is_following(&feed(0), &feed(2)));
        assert_eq!(graph.blocks_of(&feed(0)).collect::<Vec<_>>(), [feed(2)]);
        assert!(graph.set(contact(0, 2, Stance::Follows)));
        assert!(!graph.set(contact(0, 2, Stance::Follows)), "said before");
        let changes = Graph::changes(&before, &graph.wanted(3, &[]));
        let added: HashSet<_> = changes.added.into_iter().collect();
        assert_eq!((added, changes.removed), (HashSet::from([2, 3].map(feed)), vec![feed(9)]));
        assert!(graph.clear(&feed(0)) && !graph.clear(&feed(0)));
        assert_eq!(graph.wanted(3, &[]), HashSet::from([feed(0)]));
    }

    #[test]
    fn strangers_find_no_room_and_the_root_always_does() {
        let mut contacts = vec![(0, 1, Stance::Follows)];
        contacts.extend((2..100).map(|target| (1, target, Stance::Follows)));
        let limits = GraphLimits { feeds_max: 10, nodes_max: 50, contacts_max: 40 };
        let mut graph = graph(&contacts, limits);
        assert_eq!(graph.wanted(2, &[]).len(), 10);
        assert_eq!(graph.contacts(&feed(1)).len(), 40);
        assert!(!graph.set(contact(3, 1_000, Stance::Follows)) || graph.nodes.len() <= 50);
        for target in 200..300 {
            assert!(graph.set(contact(0, target, Stance::Blocks)));
        }
        assert_eq!(graph.blocks_of(&feed(0)).count(), 100);
        assert!(!graph.set(contact(0, 0, Stance::Blocks)), "of oneself");
    }
}
