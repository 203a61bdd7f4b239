//! What the end of a machine leaves: files that are cut short, or whose last pages are wrong.

use crate::{
    Random,
    made::{FEEDS, author, check, entry, open},
    rounds,
};
use push_mux::ssb::store::{Durability, Store, StoreError};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// A store with tables and a journal that is not empty, whose last writes are in the journal alone.
fn made(dir: &Path, random: &mut Random) {
    let store = open(dir).expect("the store opens");
    let mut ends: BTreeMap<u8, u32> = BTreeMap::new();
    for _ in 0..60 {
        let mut batch = Vec::new();
        for _ in 0..4 {
            let number = random.below(FEEDS.into()) as u8;
            let end = ends.entry(number).or_insert(0);
            let count = 1 + random.below(30) as u32;
            batch.extend((*end + 1..=*end + count).map(|sequence| entry(author(number), sequence)));
            *end += count;
        }
        store.append(&batch, Durability::Process).expect("the batch is appended");
    }
    store.delete_feed(&author(3)).expect("the feed is deleted");
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("the directory is read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("the directory is read") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() { copy(&path, &target) } else { fs::copy(&path, &target).map(drop).expect("a copy") }
    }
}

fn newest(dir: &Path, is_wanted: impl Fn(&Path) -> bool) -> PathBuf {
    let mut found = Vec::new();
    files(dir, &mut found);
    found.retain(|path| is_wanted(path));
    found.sort_by_key(|path| fs::metadata(path).and_then(|data| data.modified()).expect("a time"));
    found.pop().expect("there is one")
}

fn is_journal(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "jnl")
}

/// Where the bytes of a journal that are not its allocated zeros end.
fn written(journal: &Path) -> u64 {
    let bytes = fs::read(journal).expect("the journal is read");
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

/// Damages the end of a journal in one of the ways there are.
fn damage(journal: &Path, random: &mut Random) -> String {
    let end = written(journal);
    let at = random.below(end);
    let file = fs::File::options().write(true).open(journal).expect("the journal opens");
    let length = (1 + random.below(8_192)).min(end - at) as usize;
    match random.below(4) {
        0 => {
            file.set_len(at).expect("it is cut");
            format!("cut at {at} of {end}")
        }
        1 => {
            let bytes: Vec<_> = (0..length).map(|_| random.below(256) as u8).collect();
            file.write_all_at(&bytes, at).expect("it is garbled");
            format!("garbled {length} bytes at {at} of {end}")
        }
        2 => {
            let page = at - at % 4_096;
            file.write_all_at(&vec![0; 4_096], page).expect("a page is lost");
            format!("lost the page at {page} of {end}")
        }
        _ => {
            file.set_len(at).and_then(|()| file.set_len(end + 4_096)).expect("the tail is lost");
            format!("lost all pages after {at} of {end}")
        }
    }
}

#[test]
fn a_journal_with_a_torn_end_opens_with_a_prefix() {
    let mut random = Random::new();
    let dir = tempfile::tempdir().expect("a directory");
    let whole = dir.path().join("whole");
    made(&whole, &mut random);
    let all = check(&open(&whole).expect("it opens"));
    let mut lost = 0;
    for round in 0..rounds() {
        let torn = dir.path().join(format!("torn-{round}"));
        copy(&whole, &torn);
        let how = damage(&newest(&torn, is_journal), &mut random);
        let store = open(&torn).unwrap_or_else(|error| panic!("{how}: {error}"));
        let found = check(&store);
        lost += u32::from(found != all);
        // It goes on from there, and what it says now it keeps.
        let end = found.get(&7).copied().unwrap_or(0);
        store.append(&[entry(author(7), end + 1)], Durability::Disk).unwrap_or_else(|e| panic!("{how}: {e}"));
        drop(store);
        let again = check(&open(&torn).unwrap_or_else(|error| panic!("{how}, again: {error}")));
        assert_eq!(again.get(&7), Some(&(end + 1)), "{how}");
        fs::remove_dir_all(&torn).expect("the copy goes");
    }
    assert!(lost > 0, "no damage has cost anything, so nothing was tested");
}

#[test]
fn a_lost_journal_costs_its_messages_and_a_lost_table_is_said() {
    let mut random = Random::new();
    let dir = tempfile::tempdir().expect("a directory");
    let whole = dir.path().join("whole");
    made(&whole, &mut random);
    let lost = dir.path().join("journal");
    copy(&whole, &lost);
    fs::remove_file(newest(&lost, is_journal)).expect("it goes");
    check(&open(&lost).expect("it opens without its last journal"));

    let is_table = |path: &Path| path.parent().is_some_and(|folder| folder.ends_with("tables"));
    open(&whole).and_then(|store| store.compact()).expect("there are tables");
    let lost = dir.path().join("table");
    copy(&whole, &lost);
    fs::remove_file(newest(&lost, is_table)).expect("it goes");
    let opened = open(&lost);
    assert!(matches!(opened, Err(StoreError::Damaged(_))), "{opened:?}");

    // Bytes of a table that rot are found when they are read.
    let rotten = dir.path().join("rotten");
    copy(&whole, &rotten);
    let table = newest(&rotten, is_table);
    let file = fs::File::options().write(true).open(&table).expect("the table opens");
    let middle = fs::metadata(&table).expect("its size").len() / 3;
    file.write_all_at(&[0x55; 64], middle).expect("it rots");
    let read = open(&rotten).and_then(|store| {
        let all = push_mux::ssb::store::Bounds { messages_max: usize::MAX, bytes_max: usize::MAX };
        (0..FEEDS).try_for_each(|number| store.range(&author(number), 1, all).map(drop))?;
        store.log(0, all).map(drop)
    });
    assert!(matches!(read, Err(StoreError::Damaged(_))), "{read:?}");
}
