use super::*;
use std::fs;

const MAX: u64 = 1 << 20;

fn id_of(bytes: &[u8]) -> BlobId {
    BlobId(Sha256::digest(bytes).into())
}

fn open(dir: &Path, quota_bytes: u64) -> BlobStore {
    BlobStore::open(dir, quota_bytes, 0).unwrap()
}

fn put(store: &BlobStore, bytes: &[u8]) -> BlobId {
    let mut writer = store.writer(MAX).unwrap();
    writer.write(bytes).unwrap();
    let (id, length) = writer.finish(None).unwrap();
    assert_eq!(length, bytes.len() as u64);
    id
}

fn get(store: &BlobStore, id: &BlobId) -> Vec<u8> {
    let reader = store.open_blob(id).unwrap().unwrap();
    let mut all = Vec::new();
    while all.len() as u64 != reader.size() {
        let chunk = reader.read(all.len() as u64).unwrap();
        assert!(!chunk.is_empty() && chunk.len() <= CHUNK_BYTES);
        all.extend_from_slice(&chunk);
    }
    assert!(reader.read(reader.size()).unwrap().is_empty());
    assert!(reader.read(u64::MAX).unwrap().is_empty());
    all
}

/// A blob of so many bytes, like no other.
fn blob(mark: u8, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| mark ^ (at % 251) as u8).collect()
}

fn files_in(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().count()
}

#[test]
fn a_blob_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = blob(1, 150_000);
    let id = {
        let store = open(dir.path(), MAX);
        let id = put(&store, &bytes);
        assert_eq!(id, id_of(&bytes));
        assert_eq!(get(&store, &id), bytes);
        assert_eq!(put(&store, &bytes), id, "it may come twice");
        assert_eq!((store.bytes(), store.list()), (150_000, vec![(id, 150_000)]));
        assert!(matches!(BlobStore::open(dir.path(), MAX, 0), Err(BlobError::InUse(_))));
        id
    };
    let store = open(dir.path(), MAX);
    assert_eq!((store.size(&id), store.has(&id)), (Some(150_000), true));
    assert_eq!(get(&store, &id), bytes);
    assert!(store.remove(&id).unwrap());
    assert!(!store.remove(&id).unwrap());
    assert!(!store.has(&id) && store.open_blob(&id).unwrap().is_none());
    assert_eq!(store.bytes(), 0);
}

#[test]
fn everybody_has_the_blob_of_no_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), MAX);
    assert!(store.has(&BlobId::EMPTY));
    assert!(get(&store, &BlobId::EMPTY).is_empty());
    assert_eq!(store.writer(0).unwrap().finish(None).unwrap(), (BlobId::EMPTY, 0));
    assert_eq!((store.list(), store.bytes()), (vec![], 0));
}

#[test]
fn another_hash_deletes_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), MAX);
    let mut writer = store.writer(MAX).unwrap();
    writer.write(b"this").unwrap();
    assert!(matches!(writer.finish(Some(id_of(b"that"))), Err(BlobError::WrongHash { .. })));
    let mut writer = store.download(&id_of(b"that"), MAX).unwrap();
    writer.write(b"this").unwrap();
    let Err(BlobError::WrongHash { expected, found }) = writer.finish(None) else { panic!("it was taken") };
    assert_eq!((expected, found), (id_of(b"that"), id_of(b"this")));
    assert!(store.partial(&id_of(b"that"), MAX).unwrap().is_none());
    assert_eq!((files_in(&dir.path().join("tmp")), store.bytes(), store.list()), (0, 0, vec![]));
}

#[test]
fn a_download_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = blob(2, 100_000);
    let id = id_of(&bytes);
    {
        let store = open(dir.path(), MAX);
        assert!(store.partial(&id, MAX).unwrap().is_none());
        let mut writer = store.download(&id, MAX).unwrap();
        assert!(matches!(store.download(&id, MAX), Err(BlobError::Busy(_))));
        writer.write(&bytes[..40_000]).unwrap();
        drop(writer);
        let mut writer = store.partial(&id, MAX).unwrap().unwrap();
        assert_eq!(writer.offset(), 40_000);
        writer.write(&bytes[40_000..70_000]).unwrap();
        drop(writer);
        assert_eq!(store.bytes(), 70_000);
    }
    let store = open(dir.path(), MAX);
    assert_eq!(store.bytes(), 70_000);
    let mut writer = store.partial(&id, MAX).unwrap().unwrap();
    writer.write(&bytes[70_000..]).unwrap();
    assert!(!store.has(&id));
    assert_eq!(writer.finish(Some(id)).unwrap(), (id, 100_000));
    assert_eq!((get(&store, &id), store.bytes()), (bytes, 100_000));
    assert!(store.partial(&id, MAX).unwrap().is_none());
}

#[test]
fn downloads_that_rest_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), MAX);
    for mark in 0..100 {
        store.download(&BlobId([mark; 32]), MAX).unwrap().write(b"a byte or two").unwrap();
    }
    assert_eq!(files_in(&dir.path().join("tmp")), 64);
    assert_eq!(store.bytes(), 64 * 4_096);
    assert!(store.partial(&BlobId([35; 32]), MAX).unwrap().is_none());
    assert!(store.partial(&BlobId([36; 32]), MAX).unwrap().is_some());
}

#[test]
fn what_is_too_large_is_refused_and_gone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), MAX);
    let mut writer = store.download(&BlobId([7; 32]), 10).unwrap();
    writer.write(&[0; 10]).unwrap();
    assert!(matches!(writer.write(&[0]), Err(BlobError::TooLarge { bytes_max: 10 })));
    drop(writer);
    assert_eq!((files_in(&dir.path().join("tmp")), store.bytes()), (0, 0));
}

#[test]
fn the_least_recently_used_go_first_and_pins_never() {
    let dir = tempfile::tempdir().unwrap();
    let quota = 50_000;
    let blobs: Vec<_> = (1..=7).map(|mark| blob(mark, 10_000)).collect();
    let ids: Vec<_> = blobs.iter().map(|bytes| id_of(bytes)).collect();
    let have = |store: &BlobStore| ids.iter().map(|id| store.has(id)).collect::<Vec<_>>();
    {
        let store = open(dir.path(), quota);
        store.pin(&ids[0]).unwrap();
        for bytes in &blobs[..5] {
            put(&store, bytes);
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert_eq!(store.bytes(), quota);
        // 1 is pinned, 2 has been used since: 3 goes first.
        get(&store, &ids[1]);
        put(&store, &blobs[5]);
        assert_eq!(have(&store), [true, true, false, true, true, true, false]);
    }
    // The order outlives the process, and so does the pin.
    let store = open(dir.path(), quota);
    assert!(store.is_pinned(&ids[0]));
    put(&store, &blobs[6]);
    assert_eq!(have(&store), [true, true, false, false, true, true, true]);
    store.unpin(&ids[0]).unwrap();
    get(&store, &ids[4]);
    put(&store, &blobs[3]);
    assert!(!store.has(&ids[0]), "it is the oldest, and no longer pinned");
    drop(store);
    let store = open(dir.path(), 20_000);
    assert_eq!((store.list().len(), store.bytes()), (2, 20_000), "a lower quota is kept at once");
}

#[test]
fn pinned_blobs_can_fill_the_quota() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 20_000);
    for mark in [1, 2] {
        store.pin(&put(&store, &blob(mark, 10_000))).unwrap();
    }
    let mut writer = store.writer(MAX).unwrap();
    assert!(matches!(writer.write(b"more"), Err(BlobError::Quota { quota_bytes: 20_000 })));
    drop(writer);
    assert_eq!((store.bytes(), files_in(&dir.path().join("tmp"))), (20_000, 0));
}

#[test]
fn writers_at_once_keep_the_quota() {
    let dir = tempfile::tempdir().unwrap();
    let (quota, store) = (100_000, open(dir.path(), 100_000));
    std::thread::scope(|scope| {
        for mark in 0..4_u8 {
            let store = store.clone();
            scope.spawn(move || {
                for round in 0..12 {
                    let bytes = blob(mark * 16 + round, 20_000);
                    let mut writer = store.writer(MAX).unwrap();
                    for part in bytes.chunks(3_000) {
                        writer.write(part).unwrap();
                        assert!(store.bytes() <= quota);
                    }
                    writer.finish(Some(id_of(&bytes))).unwrap();
                }
            });
        }
    });
    let list = store.list();
    assert_eq!((list.len(), store.bytes()), (5, 100_000));
    drop(store);
    let store = open(dir.path(), quota);
    assert_eq!(store.bytes(), 100_000, "the files are those of the index");
    for (id, _) in list {
        assert_eq!(id_of(&get(&store, &id)), id);
    }
}

#[test]
fn what_a_crash_leaves_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let kept = put(&open(dir.path(), MAX), b"kept");
    fs::write(dir.path().join("tmp/new-0"), b"half a blob").unwrap();
    fs::write(dir.path().join("tmp/junk"), b"junk").unwrap();
    fs::write(dir.path().join(format!("tmp/partial-{}", "ab".repeat(32))), b"half").unwrap();
    fs::write(dir.path().join("pins/junk"), b"").unwrap();
    fs::create_dir(dir.path().join("sha256/junk")).unwrap();
    let store = open(dir.path(), MAX);
    assert_eq!(files_in(&dir.path().join("tmp")), 1);
    assert_eq!(store.list(), [(kept, 4)]);
    assert_eq!(store.partial(&BlobId([0xab; 32]), MAX).unwrap().unwrap().offset(), 4);
    put(&store, b"names of files are given anew");
    // A blob removed by hand is missed when it is asked for.
    fs::remove_file(store.0.layout.blob(&kept)).unwrap();
    assert!(store.open_blob(&kept).unwrap().is_none());
    assert!(!store.has(&kept));
}

#[test]
fn a_full_disk_refuses_and_reads_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let id = put(&open(dir.path(), MAX), b"read me");
    let store = BlobStore::open(dir.path(), MAX, u64::MAX).unwrap();
    assert!(matches!(
        store.writer(MAX).unwrap().write(b"x"),
        Err(BlobError::Full { min_bytes: u64::MAX, .. })
    ));
    assert_eq!(get(&store, &id), b"read me");
}
