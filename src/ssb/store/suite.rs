//! What every store must do, run against each of them, and a comparison of the two over random operations.

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

const ALL: Bounds = Bounds { messages_max: usize::MAX, bytes_max: usize::MAX };

fn author(number: u8) -> PublicKey {
    PublicKey([number; 32])
}

/// An id that tells which message it is: the store does not verify. `life` tells apart feeds deleted and begun anew.
fn id_of(author: &PublicKey, sequence: u32, life: u8) -> MessageId {
    let mut id = [life; 32];
    id[..4].copy_from_slice(&sequence.to_be_bytes());
    id[4] = author.0[0];
    MessageId(id)
}

fn entry(author: PublicKey, sequence: u32, life: u8) -> Entry {
    let value = format!("{{\"author\":\"{author:?}\",\"sequence\":{sequence}}}");
    let message = Message {
        author,
        sequence,
        previous: sequence.checked_sub(1).filter(|s| *s > 0).map(|s| id_of(&author, s, life)),
        id: id_of(&author, sequence, life),
        timestamp: f64::from(sequence),
        value: value.into(),
    };
    Entry { message, received_ms: f64::from(sequence) + 0.5, contact: None }
}

fn entries(number: u8, sequences: std::ops::RangeInclusive<u32>) -> Vec<Entry> {
    sequences.map(|sequence| entry(author(number), sequence, 0)).collect()
}

fn saying(mut entry: Entry, target: u8, stance: Stance) -> Entry {
    entry.contact = Some(Contact { author: entry.message.author, target: author(target), stance });
    entry
}

fn sequences(messages: &[Stored]) -> Vec<u32> {
    messages.iter().map(|stored| stored.sequence).collect()
}

fn appends_and_reads(store: &dyn Store) {
    assert_eq!(store.log_end(), 0);
    assert_eq!(store.heads().unwrap(), []);
    store.append(&[], Durability::Disk).unwrap();
    store.append(&entries(1, 1..=3), Durability::Process).unwrap();
    let mixed = [entries(2, 1..=2), entries(1, 4..=4)].concat();
    store.append(&mixed, Durability::Disk).unwrap();

    let mut heads = store.heads().unwrap();
    heads.sort_unstable_by_key(|(author, _)| *author);
    let head =
        |number, sequence| (author(number), Head { sequence, id: id_of(&author(number), sequence, 0) });
    assert_eq!(heads, [head(1, 4), head(2, 2)]);

    let found = store.range(&author(1), 2, ALL).unwrap();
    assert_eq!(sequences(&found), [2, 3, 4]);
    assert_eq!(found[0].value, entry(author(1), 2, 0).message.value);
    assert_eq!((found[0].received_ms, found[0].author), (2.5, author(1)));
    assert_eq!(store.message(&found[0].id).unwrap().as_ref(), Some(&found[0]));
    assert_eq!(store.message(&id_of(&author(9), 1, 0)).unwrap(), None);
    assert_eq!(sequences(&store.range(&author(1), 0, ALL).unwrap()), [1, 2, 3, 4]);
    assert_eq!(store.range(&author(1), 5, ALL).unwrap(), []);
    assert_eq!(store.range(&author(1), u32::MAX, ALL).unwrap(), []);
    assert_eq!(store.range(&author(9), 1, ALL).unwrap(), []);

    let log = store.log(0, ALL).unwrap();
    let places: Vec<_> = log.iter().map(|(at, stored)| (*at, stored.author.0[0], stored.sequence)).collect();
    assert_eq!(places, [(0, 1, 1), (1, 1, 2), (2, 1, 3), (3, 2, 1), (4, 2, 2), (5, 1, 4)]);
    assert_eq!(store.log_end(), 6);
    assert_eq!(store.log(4, ALL).unwrap().len(), 2);
    assert_eq!(store.log(6, ALL).unwrap(), []);
    assert_eq!(store.log(u64::MAX, ALL).unwrap(), []);
}

fn keeps_bounds(store: &dyn Store) {
    store.append(&entries(1, 1..=10), Durability::Process).unwrap();
    let bytes = store.range(&author(1), 1, ALL).unwrap()[0].value.len();
    for (messages_max, bytes_max, expected) in
        [(0, 0, 1), (3, usize::MAX, 3), (usize::MAX, 0, 1), (usize::MAX, 4 * bytes, 4), (9, 3 * bytes - 1, 2)]
    {
        let bounds = Bounds { messages_max, bytes_max };
        assert_eq!(store.range(&author(1), 1, bounds).unwrap().len(), expected, "{bounds:?}");
        assert_eq!(store.log(0, bounds).unwrap().len(), expected, "{bounds:?}");
    }
}

fn refuses_what_is_not_next(store: &dyn Store) {
    store.append(&entries(1, 1..=3), Durability::Process).unwrap();
    let mut forked = entry(author(1), 4, 0);
    forked.message.previous = Some(id_of(&author(1), 2, 0));
    let mut changed = entry(author(1), 2, 0);
    changed.message.id = id_of(&author(1), 2, 7);
    for wrong in [entry(author(1), 5, 0), entry(author(1), 0, 0), entry(author(2), 2, 0), forked, changed] {
        let good = [entries(3, 1..=1), entries(1, 4..=4)].concat();
        let batch = [vec![good[0].clone(), wrong.clone()], good].concat();
        assert!(
            matches!(store.append(&batch, Durability::Process), Err(StoreError::NotNext { .. })),
            "{wrong:?}"
        );
        assert_eq!(store.log_end(), 3, "nothing of the batch is stored: {wrong:?}");
        assert_eq!(store.range(&author(3), 1, ALL).unwrap(), []);
    }
    // What is stored already, or comes twice in a batch, is passed over.
    let again = [entries(1, 2..=5), entries(1, 4..=6)].concat();
    store.append(&again, Durability::Process).unwrap();
    assert_eq!(sequences(&store.range(&author(1), 1, ALL).unwrap()), [1, 2, 3, 4, 5, 6]);
    assert_eq!(store.log_end(), 6);
}

fn keeps_the_last_edge(store: &dyn Store) {
    let [a, b, c] = [1, 2, 3].map(|sequence| entry(author(1), sequence, 0));
    let batch = [saying(a, 2, Stance::Follows), saying(b, 2, Stance::Blocks), saying(c, 3, Stance::Follows)];
    store.append(&batch, Durability::Process).unwrap();
    store.append(&[saying(entry(author(1), 4, 0), 3, Stance::Neutral)], Durability::Process).unwrap();
    store.append(&[saying(entry(author(2), 1, 0), 1, Stance::Follows)], Durability::Process).unwrap();
    let mut edges = store.contacts().unwrap();
    edges.sort_unstable_by_key(|contact| (contact.author, contact.target));
    let edge = |from, to, stance| Contact { author: author(from), target: author(to), stance };
    let expected = [edge(1, 2, Stance::Blocks), edge(1, 3, Stance::Neutral), edge(2, 1, Stance::Follows)];
    assert_eq!(edges, expected);
}

fn deletes_feeds(store: &dyn Store) {
    store.append(&entries(1, 1..=2), Durability::Process).unwrap();
    let many: Vec<_> = (1..=700)
        .map(|sequence| saying(entry(author(2), sequence, 0), (sequence % 200) as u8, Stance::Follows))
        .collect();
    store.append(&many, Durability::Process).unwrap();
    store.delete_feed(&author(2)).unwrap();
    store.delete_feed(&author(2)).unwrap();
    store.delete_feed(&author(9)).unwrap();
    assert_eq!(store.heads().unwrap().len(), 1);
    assert_eq!(store.contacts().unwrap(), []);
    assert_eq!(store.range(&author(2), 1, ALL).unwrap(), []);
    assert_eq!(store.message(&many[4].message.id).unwrap(), None);
    assert_eq!(store.log(0, ALL).unwrap().len(), 2);
    assert_eq!(store.log_end(), 702, "positions are not given twice");
    store.compact().unwrap();
    store.append(&[entry(author(2), 1, 1)], Durability::Process).unwrap();
    let log = store.log(2, ALL).unwrap();
    assert_eq!((log.len(), log[0].0, log[0].1.id), (1, 702, id_of(&author(2), 1, 1)));
    assert_eq!(sequences(&store.range(&author(2), 1, ALL).unwrap()), [1]);
}

fn keeps_values(store: &dyn Store) {
    for key in [&b"clock/a"[..], b"clock/b", b"cloud", b""] {
        store.set_value(key, Some(key), Durability::Disk).unwrap();
    }
    store.set_value(b"clock/b", Some(b"new"), Durability::Process).unwrap();
    let clocks = store.values(b"clock/").unwrap();
    assert_eq!(clocks, [(b"clock/a".to_vec(), b"clock/a".to_vec()), (b"clock/b".to_vec(), b"new".to_vec())]);
    assert_eq!(store.value(b"").unwrap(), Some(Vec::new()));
    store.set_value(b"clock/a", None, Durability::Process).unwrap();
    assert_eq!(store.value(b"clock/a").unwrap(), None);
    assert_eq!(store.values(b"").unwrap().len(), 3);
    let long = vec![0xff; VALUE_KEY_BYTES_MAX];
    store.set_value(&long, Some(b"x"), Durability::Process).unwrap();
    assert_eq!(store.values(&long).unwrap().len(), 1);
    assert!(store.set_value(&vec![0; VALUE_KEY_BYTES_MAX + 1], None, Durability::Process).is_err());
}

const PARTS: [fn(&dyn Store); 6] = [
    appends_and_reads,
    keeps_bounds,
    refuses_what_is_not_next,
    keeps_the_last_edge,
    deletes_feeds,
    keeps_values,
];

#[test]
fn the_store_in_memory_does_what_a_store_must() {
    for part in PARTS {
        part(&MemoryStore::new());
    }
}

fn options() -> StoreOptions {
    StoreOptions { disk_free_bytes_min: 0, ..StoreOptions::default() }
}

#[test]
fn the_store_on_the_disk_does_what_a_store_must() {
    for part in PARTS {
        let dir = tempfile::tempdir().unwrap();
        part(&FjallStore::open(dir.path(), options()).unwrap());
    }
}

#[derive(Clone, Debug)]
enum Operation {
    /// Appends the next messages of feeds, and perhaps one that is not next.
    Append {
        counts: Vec<(u8, u8)>,
        target: u8,
        gap: bool,
    },
    Delete(u8),
    Set(u8, Option<u8>),
    Reopen,
    Compact,
}

fn operation() -> impl Strategy<Value = Operation> {
    let counts = prop::collection::vec((0..5_u8, 1..40_u8), 1..6);
    prop_oneof![
        8 => (counts, 0..5_u8, prop::bool::weighted(0.1))
            .prop_map(|(counts, target, gap)| Operation::Append { counts, target, gap }),
        1 => (0..5_u8).prop_map(Operation::Delete),
        2 => (0..4_u8, prop::option::of(any::<u8>())).prop_map(|(key, value)| Operation::Set(key, value)),
        1 => Just(Operation::Reopen),
        1 => Just(Operation::Compact),
    ]
}

/// All that can be read from a store.
#[derive(Debug, PartialEq)]
struct Content {
    heads: Vec<(PublicKey, Head)>,
    contacts: Vec<Contact>,
    feeds: Vec<Vec<Stored>>,
    log: Vec<(u64, Stored)>,
    log_end: u64,
    values: Vec<(Vec<u8>, Vec<u8>)>,
}

fn content(store: &dyn Store) -> Content {
    let mut heads = store.heads().unwrap();
    heads.sort_unstable_by_key(|(author, _)| *author);
    let mut contacts = store.contacts().unwrap();
    contacts.sort_unstable_by_key(|contact| (contact.author, contact.target));
    let feeds: Vec<_> = (0..5).map(|number| store.range(&author(number), 1, ALL).unwrap()).collect();
    for stored in feeds.iter().flatten() {
        assert_eq!(store.message(&stored.id).unwrap().as_ref(), Some(stored));
    }
    let log = store.log(0, ALL).unwrap();
    Content { heads, contacts, feeds, log, log_end: store.log_end(), values: store.values(b"").unwrap() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn the_two_stores_agree(operations in prop::collection::vec(operation(), 1..25)) {
        let dir = tempfile::tempdir().unwrap();
        let open = || FjallStore::open(dir.path(), options()).unwrap();
        let (memory, mut disk) = (MemoryStore::new(), Some(open()));
        let mut next: HashMap<u8, (u32, u8)> = HashMap::new();
        for operation in operations {
            let store = disk.as_ref().unwrap();
            match operation {
                Operation::Append { counts, target, gap } => {
                    let before = next.clone();
                    let mut batch = Vec::new();
                    for (number, count) in counts {
                        let (sequence, life) = next.entry(number).or_insert((1, 0));
                        for _ in 0..count {
                            batch.push(entry(author(number), *sequence, *life));
                            *sequence += 1;
                        }
                        let last = batch.pop().unwrap();
                        let stance = if count % 2 == 0 { Stance::Follows } else { Stance::Blocks };
                        batch.push(saying(last, target, stance));
                    }
                    if gap {
                        let sequence = next.get(&0).map_or(1, |(sequence, _)| *sequence) + 1;
                        batch.push(entry(author(0), sequence, 0));
                        next = before;
                    }
                    let results = [memory.append(&batch, Durability::Process), store.append(&batch, Durability::Process)];
                    for result in results {
                        prop_assert_eq!(result.is_err(), gap);
                    }
                }
                Operation::Delete(number) => {
                    memory.delete_feed(&author(number)).unwrap();
                    store.delete_feed(&author(number)).unwrap();
                    let (sequence, life) = next.entry(number).or_insert((1, 0));
                    (*sequence, *life) = (1, *life + 1);
                }
                Operation::Set(key, value) => {
                    let value = value.map(|byte| [byte]);
                    for store in [&memory as &dyn Store, store] {
                        store.set_value(&[key], value.as_ref().map(|value| &value[..]), Durability::Process).unwrap();
                    }
                }
                Operation::Reopen => {
                    drop(disk.take());
                    disk = Some(open());
                }
                Operation::Compact => store.compact().unwrap(),
            }
        }
        prop_assert_eq!(content(&memory), content(disk.as_ref().unwrap()));
        drop(disk.take());
        prop_assert_eq!(content(&memory), content(&open()));
    }
}
