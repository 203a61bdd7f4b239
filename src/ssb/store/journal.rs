//! The engine's journals, checked before the engine reads them.
//!
//! The engine cuts a last batch that ends too early, as the end of a process leaves it. It does not bear what the end of a machine may
//! leave: pages of the last seconds written out of order, so that a batch has its end and not its middle. And it cuts a sealed journal
//! silently at an entry that makes no sense, though those that follow it are replayed, which would leave a hole. So here the newest
//! journal is cut after its last whole batch, and an older one with a broken batch is an error: it was on the disk before it was sealed,
//! no crash breaks it.
//!
//! The form of a journal, of engine version 3: batches of `1` count(4) sequence(8), items, `3` checksum(8) `FJL` `3`; an item is `2`
//! type(1) compression(1) key space(8) key length(2) value length(4) stored length(4) key value, or `4` key space(8). The checksum
//! is XXH3 over the items. Numbers are little-endian. A new journal is 64 MiB of zeros.

use super::StoreError;
use rustix::{fs::SeekFrom, io::Errno};
use std::{
    fs::{self, File},
    io::{self, BufReader, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};
use xxhash_rust::xxh3::Xxh3;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const TRAILER: &[u8; 4] = b"FJL\x03";
const UNCOMPRESSED: u8 = 0;
const LZ4: u8 = 1;

/// Cuts the newest journal in `dir` after its last whole batch, and returns how many bytes that were no zeros went.
pub(super) fn mend(dir: &Path) -> Result<u64, StoreError> {
    let journals = list(dir).map_err(|error| unreadable(dir, &error))?;
    for (earlier, later) in journals.iter().zip(journals.iter().skip(1)) {
        if earlier.0.checked_add(1) != Some(later.0) {
            return Err(StoreError::Damaged(format!(
                "journal {}.jnl is missing",
                earlier.0.saturating_add(1)
            )));
        }
    }
    let Some(((_, newest), sealed)) = journals.split_last() else { return Ok(0) };
    for (_, path) in sealed {
        let scan = Scan::of(path).map_err(|error| unreadable(path, &error))?;
        if scan.rest_bytes > 0 {
            let at = scan.whole_bytes;
            return Err(StoreError::Damaged(format!("{} is broken at byte {at}", path.display())));
        }
    }
    let scan = Scan::of(newest).map_err(|error| unreadable(newest, &error))?;
    if scan.whole_bytes < scan.file_bytes {
        cut(newest, scan.whole_bytes).map_err(|error| unreadable(newest, &error))?;
    }
    Ok(scan.rest_bytes)
}

fn unreadable(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Engine(format!("{}: {error}", path.display()))
}

fn cut(path: &Path, bytes: u64) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    file.set_len(bytes)?;
    file.sync_all()
}

/// Journals by their number, oldest first.
fn list(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut journals = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".jnl"));
        if let Some(number) = name.and_then(|name| name.parse().ok()) {
            journals.push((number, path));
        }
    }
    journals.sort_unstable();
    Ok(journals)
}

/// What a journal holds.
struct Scan {
    /// Bytes of whole batches at its beginning.
    whole_bytes: u64,
    /// Bytes after them, without the zeros at the end.
    rest_bytes: u64,
    file_bytes: u64,
}

impl Scan {
    fn of(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let file_bytes = file.metadata()?.len();
        let mut reader =
            Reader { inner: BufReader::with_capacity(1 << 20, file), at: 0, left: file_bytes, sum: None };
        let mut whole_bytes = 0;
        while reader.batch()?.is_some() {
            whole_bytes = reader.at;
        }
        let rest_bytes = last_non_zero(path, whole_bytes)?.saturating_sub(whole_bytes);
        Ok(Self { whole_bytes, rest_bytes, file_bytes })
    }
}

/// Where the last byte from `from` on that is no zero ends; `from` when there is none. Goes over holes, as what was allocated and
/// never written mostly is.
fn last_non_zero(path: &Path, from: u64) -> io::Result<u64> {
    let file = File::open(path)?;
    let mut chunk = vec![0; 1 << 16];
    let (mut at, mut end) = (from, from);
    loop {
        at = match rustix::fs::seek(&file, SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(Errno::NXIO) => return Ok(end),
            // A file system without holes.
            Err(_) => at,
        };
        let read = file.read_at(&mut chunk, at)?;
        if read == 0 {
            return Ok(end);
        }
        if let Some(last) = chunk.iter().take(read).rposition(|byte| *byte != 0) {
            end = at + last as u64 + 1;
        }
        at += read as u64;
    }
}

struct Reader {
    inner: BufReader<File>,
    at: u64,
    left: u64,
    /// The sum of the items of the batch that is being read.
    sum: Option<Xxh3>,
}

impl Reader {
    /// Reads one batch; `None` when what follows is no whole batch.
    fn batch(&mut self) -> io::Result<Option<()>> {
        if self.take::<1>()? != Some([START]) {
            return Ok(None);
        }
        let Some(count) = self.take::<4>()? else { return Ok(None) };
        if self.take::<8>()?.is_none() {
            return Ok(None);
        }
        self.sum = Some(Xxh3::new());
        for _ in 0..u32::from_le_bytes(count) {
            if self.item()?.is_none() {
                return Ok(None);
            }
        }
        let sum = self.sum.take().map(|sum| sum.digest().to_le_bytes());
        if self.take::<1>()? != Some([END]) || self.take::<8>()? != sum {
            return Ok(None);
        }
        Ok((self.take::<4>()?.as_ref() == Some(TRAILER)).then_some(()))
    }

    fn item(&mut self) -> io::Result<Option<()>> {
        match self.take::<1>()? {
            Some([ITEM]) => {}
            Some([CLEAR]) => return Ok(self.take::<8>()?.map(drop)),
            _ => return Ok(None),
        }
        let Some([_, compression]) = self.take::<2>()? else { return Ok(None) };
        if ![UNCOMPRESSED, LZ4].contains(&compression) || self.take::<8>()?.is_none() {
            return Ok(None);
        }
        let Some(key_bytes) = self.take::<2>()? else { return Ok(None) };
        let Some(value_bytes) = self.take::<4>()? else { return Ok(None) };
        let Some(stored_bytes) = self.take::<4>()? else { return Ok(None) };
        // The engine believes the first length when it is told that nothing is compressed.
        if compression == UNCOMPRESSED && value_bytes != stored_bytes {
            return Ok(None);
        }
        self.pass(u64::from(u16::from_le_bytes(key_bytes)) + u64::from(u32::from_le_bytes(stored_bytes)))
    }

    /// The next bytes; `None` when the file has fewer.
    fn take<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let mut bytes = [0; N];
        if self.left < N as u64 {
            return Ok(None);
        }
        self.inner.read_exact(&mut bytes)?;
        self.count(&bytes);
        Ok(Some(bytes))
    }

    /// Goes over bytes in pieces, whatever their length claims to be.
    fn pass(&mut self, bytes: u64) -> io::Result<Option<()>> {
        if self.left < bytes {
            return Ok(None);
        }
        let mut piece = [0; 4096];
        let mut left = bytes;
        while left > 0 {
            let length = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
            let piece = &mut piece[..length];
            self.inner.read_exact(piece)?;
            left -= length as u64;
            self.count(piece);
        }
        Ok(Some(()))
    }

    fn count(&mut self, bytes: &[u8]) {
        self.at += bytes.len() as u64;
        self.left -= bytes.len() as u64;
        if let Some(sum) = &mut self.sum {
            sum.update(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssb::store::{Durability, FjallStore, Store, StoreOptions};

    /// A batch as the engine writes it, of one item.
    fn batch(number: u8) -> Vec<u8> {
        let mut item = vec![ITEM, 0, UNCOMPRESSED];
        item.extend(1_u64.to_le_bytes());
        item.extend(3_u16.to_le_bytes());
        item.extend(40_u32.to_le_bytes());
        item.extend(40_u32.to_le_bytes());
        item.extend(b"key");
        item.extend([number; 40]);
        let mut sum = Xxh3::new();
        sum.update(&item);
        let mut batch = vec![START];
        batch.extend(1_u32.to_le_bytes());
        batch.extend(u64::from(number).to_le_bytes());
        batch.extend(&item);
        batch.push(END);
        batch.extend(sum.digest().to_le_bytes());
        batch.extend(TRAILER);
        batch
    }

    fn write(dir: &Path, number: u64, bytes: &[u8]) {
        fs::write(dir.join(format!("{number}.jnl")), bytes).unwrap();
    }

    fn length(dir: &Path, number: u64) -> u64 {
        fs::metadata(dir.join(format!("{number}.jnl"))).unwrap().len()
    }

    #[test]
    fn the_newest_journal_is_cut_after_its_last_whole_batch() {
        let (one, two) = (batch(1), batch(2));
        let whole = one.len() as u64;
        for at in 0..two.len() {
            let dir = tempfile::tempdir().unwrap();
            let mut torn = two.clone();
            torn[at] ^= 0xff;
            // The engine does not sum the number of a batch either.
            let is_summed = !(5..13).contains(&at);
            write(dir.path(), 7, &[one.as_slice(), &torn, &one, &[0; 9_000]].concat());
            let cut_bytes = mend(dir.path()).unwrap();
            if is_summed {
                assert_eq!((cut_bytes, length(dir.path(), 7)), (2 * whole, whole), "byte {at}");
            }
            assert_eq!(mend(dir.path()).unwrap(), 0);
        }
        for end in 0..two.len() {
            let dir = tempfile::tempdir().unwrap();
            write(dir.path(), 7, &[&one, &two[..end]].concat());
            mend(dir.path()).unwrap();
            assert_eq!(length(dir.path(), 7), whole, "{end} bytes of the second");
        }
    }

    #[test]
    fn an_older_journal_must_be_whole_and_there() {
        let dir = tempfile::tempdir().unwrap();
        let one = batch(1);
        write(dir.path(), 4, &[one.as_slice(), &[0; 70_000]].concat());
        write(dir.path(), 5, &one);
        assert_eq!(mend(dir.path()).unwrap(), 0);
        assert_eq!(length(dir.path(), 4), one.len() as u64 + 70_000, "it is left as it is");
        write(dir.path(), 4, &one[..one.len() - 1]);
        assert!(matches!(mend(dir.path()), Err(StoreError::Damaged(_))));
        fs::remove_file(dir.path().join("4.jnl")).unwrap();
        mend(dir.path()).unwrap();
        write(dir.path(), 3, &one);
        assert!(matches!(mend(dir.path()), Err(StoreError::Damaged(what)) if what.contains("4.jnl")));
    }

    #[test]
    fn what_the_engine_writes_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions { disk_free_bytes_min: 0, ..StoreOptions::default() };
        let store = FjallStore::open(dir.path(), options).unwrap();
        for length in [0, 1, 4_095, 4_096, 1 << 20] {
            store.set_value(b"key", Some(&vec![b'x'; length]), Durability::Process).unwrap();
        }
        store.set_value(b"key", None, Durability::Disk).unwrap();
        let (_, path) = list(&dir.path().join("engine")).unwrap().pop().unwrap();
        let scan = Scan::of(&path).unwrap();
        assert!(scan.whole_bytes > 1 << 20);
        assert_eq!(scan.rest_bytes, 0);
    }
}
