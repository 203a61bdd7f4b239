//! A disk that is full, and then is not.

use crate::{
    made::{author, check, entry, open},
    now,
};
use push_mux::ssb::store::{Durability, FjallStore, Store, StoreError, StoreOptions};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

/// A small disk in memory, gone with this value.
struct Disk(PathBuf);

impl Disk {
    fn mount(dir: &Path, megabytes: u32) -> Option<Self> {
        let size = format!("size={megabytes}m");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir).output();
        mount.is_ok_and(|done| done.status.success()).then(|| Self(dir.into()))
    }

    /// Takes all the room there is.
    fn fill(&self) {
        let mut file = fs::File::create(self.0.join("ballast")).expect("a file");
        while file.write_all(&[1; 4_096]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.0.join("ballast")).expect("it goes");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

fn batch(from: u32) -> Vec<push_mux::ssb::store::Entry> {
    (from..from + 100).map(|sequence| entry(author(1), sequence)).collect()
}

#[test]
fn a_store_goes_on_once_a_full_disk_has_room() {
    let dir = tempfile::tempdir().expect("a directory");
    let Some(disk) = Disk::mount(dir.path(), 24) else {
        println!("SKIPPED: a disk that is full needs the right to mount a small one");
        return;
    };
    let store = open(&dir.path().join("store")).expect("the store opens");
    let (mut next, mut reopenings_refused) = (1, 0);
    for turn in 0..3 {
        // The store has asked the disk a moment ago and still believes that there is room.
        store.append(&batch(next), Durability::Process).expect("there is room");
        next += 100;
        disk.fill();
        let mut failures = 0;
        while failures < 3 {
            match store.append(&batch(next), Durability::Disk) {
                Ok(()) => next += 100,
                Err(error @ (StoreError::Full { .. } | StoreError::Engine(_))) => {
                    failures += 1;
                    // It does not even try to open the engine anew: so the engine has failed.
                    reopenings_refused +=
                        u32::from(matches!(error, StoreError::Full { min_bytes, .. } if min_bytes > 0));
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        // Reading goes on, and finds what was acknowledged.
        assert_eq!(check(&store).get(&1), Some(&(next - 1)), "turn {turn}");
        disk.free();
        let begun = now();
        while let Err(error) = store.append(&batch(next), Durability::Process) {
            assert!(begun.elapsed() < Duration::from_secs(20), "it does not come back: {error}");
            assert!(matches!(error, StoreError::Full { .. } | StoreError::Engine(_)), "{error:?}");
            thread::sleep(Duration::from_millis(50));
        }
        next += 100;
        assert_eq!(check(&store).get(&1), Some(&(next - 1)), "turn {turn}");
    }
    println!("the engine failed, as seen by {reopenings_refused} calls");
    drop(store);
    let store = open(&dir.path().join("store")).expect("the store opens again");
    assert_eq!(check(&store).get(&1), Some(&(next - 1)));
}

#[test]
fn a_reserve_on_the_disk_is_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    open(dir.path()).and_then(|store| store.append(&batch(1), Durability::Disk)).expect("there is room");
    let options = StoreOptions { disk_free_bytes_min: u64::MAX, ..StoreOptions::default() };
    let store = FjallStore::open(dir.path(), options).expect("it opens for reading");
    for result in [
        store.append(&batch(101), Durability::Process),
        store.set_value(b"key", Some(b"value"), Durability::Process),
        store.compact(),
    ] {
        assert!(matches!(result, Err(StoreError::Full { min_bytes: u64::MAX, .. })), "{result:?}");
    }
    assert_eq!(check(&store).get(&1), Some(&100));
    store.delete_feed(&author(1)).expect("what makes room goes on");
    assert_eq!(check(&store).get(&1), None);
}

#[test]
fn a_second_user_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).expect("the store opens");
    assert!(matches!(open(dir.path()), Err(StoreError::InUse(path)) if path == dir.path()));
    drop(store);
    open(dir.path()).expect("it is free again");
}
