//! Feeds whose every byte follows from author and sequence, so that what is read can be checked without a record of what was written.

use push_mux::{
    PublicKey,
    ssb::{
        MessageId,
        message::Message,
        store::{Bounds, Contact, Entry, FjallStore, Stance, Store, StoreError, StoreOptions},
    },
};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

pub(crate) const FEEDS: u8 = 12;
const BOUNDS: Bounds = Bounds { messages_max: 500, bytes_max: 1 << 20 };

/// Tables are written and merged every few rounds.
pub(crate) fn open(dir: &Path) -> Result<FjallStore, StoreError> {
    let options = StoreOptions { disk_free_bytes_min: 0, memtable_bytes: 1 << 20, ..StoreOptions::default() };
    FjallStore::open(dir, options)
}

pub(crate) fn author(number: u8) -> PublicKey {
    PublicKey([number; 32])
}

fn id_of(author: &PublicKey, sequence: u32) -> MessageId {
    let mut id = [0x5a; 32];
    id[0] = author.0[0];
    id[1..5].copy_from_slice(&sequence.wrapping_mul(0x9e37_79b1).to_be_bytes());
    id[5..9].copy_from_slice(&sequence.to_be_bytes());
    MessageId(id)
}

fn edge_of(author: &PublicKey, sequence: u32) -> Option<(u8, Stance)> {
    if !sequence.is_multiple_of(10) {
        return None;
    }
    let stance = [Stance::Follows, Stance::Blocks, Stance::Neutral][(sequence / 10 % 3) as usize];
    Some((author.0[0].wrapping_add((sequence / 10 % 7) as u8), stance))
}

pub(crate) fn entry(author: PublicKey, sequence: u32) -> Entry {
    let filler = "abcdefghijklmnop".repeat((sequence as usize * 7 + usize::from(author.0[0])) % 60);
    let value = format!("{{\"sequence\":{sequence},\"author\":{},\"text\":\"{filler}\"}}", author.0[0]);
    let previous = sequence.checked_sub(1).filter(|previous| *previous > 0);
    let message = Message {
        author,
        sequence,
        previous: previous.map(|previous| id_of(&author, previous)),
        id: id_of(&author, sequence),
        timestamp: f64::from(sequence),
        value: value.into(),
    };
    let edge = edge_of(&author, sequence);
    let contact = edge.map(|(target, stance)| Contact { author, target: self::author(target), stance });
    Entry { message, received_ms: f64::from(sequence) * 2.0, contact }
}

pub(crate) fn heads(store: &FjallStore) -> BTreeMap<u8, u32> {
    let heads = store.heads().expect("heads are kept in memory");
    heads.into_iter().map(|(author, head)| (author.0[0], head.sequence)).collect()
}

/// Reads all there is in all ways there are, and checks that each feed is a prefix and everything else agrees with it.
pub(crate) fn check(store: &FjallStore) -> BTreeMap<u8, u32> {
    let heads = heads(store);
    for number in 0..=u8::MAX {
        let author = author(number);
        let end = heads.get(&number).copied().unwrap_or(0);
        let mut next = 1;
        loop {
            let found = store.range(&author, next, BOUNDS).expect("a range is read");
            for stored in &found {
                let made = entry(author, next);
                assert_eq!((stored.author, stored.sequence), (author, next), "a feed has a hole");
                assert_eq!((stored.id, &stored.value), (made.message.id, &made.message.value));
                assert_eq!(stored.received_ms.to_bits(), made.received_ms.to_bits());
                let by_id = store.message(&stored.id).expect("a message is read");
                assert_eq!(by_id.as_ref(), Some(stored), "the index by id is behind");
                next += 1;
            }
            if found.is_empty() {
                break;
            }
        }
        assert_eq!(next - 1, end, "the head of feed {number} is not its last message");
        assert_eq!(store.message(&id_of(&author, next)).expect("a message is looked for"), None);
    }
    check_log(store, &heads);
    check_contacts(store, &heads);
    heads
}

fn check_log(store: &FjallStore, heads: &BTreeMap<u8, u32>) {
    let mut next: HashMap<u8, u32> = HashMap::new();
    let mut from = 0;
    loop {
        let found = store.log(from, BOUNDS).expect("the log is read");
        let Some((last, _)) = found.last() else { break };
        assert!(*last < store.log_end());
        for (position, stored) in &found {
            assert!(*position >= from, "the log goes back");
            from = position + 1;
            let next = next.entry(stored.author.0[0]).or_insert(1);
            assert_eq!(stored.sequence, *next, "the log is not in the order of a feed");
            *next += 1;
        }
    }
    let logged: BTreeMap<_, _> = next.into_iter().map(|(number, next)| (number, next - 1)).collect();
    assert_eq!(&logged, heads, "the log has other messages than the feeds");
}

fn check_contacts(store: &FjallStore, heads: &BTreeMap<u8, u32>) {
    let mut expected = BTreeMap::new();
    for (number, end) in heads {
        for sequence in 1..=*end {
            if let Some((target, stance)) = edge_of(&author(*number), sequence) {
                expected.insert((*number, target), stance);
            }
        }
    }
    let contacts = store.contacts().expect("contacts are read").into_iter();
    let found: BTreeMap<_, _> =
        contacts.map(|contact| ((contact.author.0[0], contact.target.0[0]), contact.stance)).collect();
    assert_eq!(found, expected, "the edges are not those of the messages");
}
