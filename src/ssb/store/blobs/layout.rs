//! Where the files of blobs lie.

use super::BlobError;
use crate::ssb::BlobId;
use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// What the name of a download that rests begins with.
const PARTIAL: &str = "partial-";

/// `sha256/ab/cdef...` for blobs, `tmp` for what is being written, `pins` with an empty file for each pin.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) dir: PathBuf,
}

/// A file of a blob: whose, its bytes, and when it was used.
pub(super) type Found = (BlobId, u64, SystemTime);

fn hex(id: &BlobId) -> String {
    use std::fmt::Write;
    id.0.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Option<BlobId> {
    let mut id = [0; 32];
    if text.len() != 64 || text.bytes().any(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    for (at, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(BlobId(id))
}

impl Layout {
    pub(super) fn make(&self) -> Result<(), BlobError> {
        for part in ["sha256", "tmp", "pins"] {
            let path = self.dir.join(part);
            fs::create_dir_all(&path).map_err(BlobError::io(path.display()))?;
        }
        sync(&self.dir)
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    pub(super) fn blob(&self, id: &BlobId) -> PathBuf {
        let hex = hex(id);
        let (folder, name) = hex.split_at(2);
        self.dir.join("sha256").join(folder).join(name)
    }

    pub(super) fn new_file(&self, number: u64) -> PathBuf {
        self.dir.join("tmp").join(format!("new-{number}"))
    }

    pub(super) fn partial(&self, id: &BlobId) -> PathBuf {
        self.dir.join("tmp").join(format!("{PARTIAL}{}", hex(id)))
    }

    fn pin(&self, id: &BlobId) -> PathBuf {
        self.dir.join("pins").join(hex(id))
    }

    pub(super) fn set_pin(&self, id: &BlobId, is_pinned: bool) -> Result<(), BlobError> {
        let path = self.pin(id);
        let done = if is_pinned { File::create(&path).map(drop) } else { removed(&path) };
        done.map_err(BlobError::io(path.display()))?;
        sync(&self.dir.join("pins"))
    }

    pub(super) fn pins(&self) -> Result<HashSet<BlobId>, BlobError> {
        let names = entries(&self.dir.join("pins"))?;
        Ok(names.into_iter().filter_map(|(name, _)| from_hex(&name)).collect())
    }

    /// All blobs, the least recently used first.
    pub(super) fn blobs(&self) -> Result<Vec<Found>, BlobError> {
        let mut found = Vec::new();
        for (folder, path) in entries(&self.dir.join("sha256"))? {
            for (name, path) in entries(&path)? {
                let Some(id) = from_hex(&format!("{folder}{name}")) else { continue };
                found.extend(look(id, &path)?);
            }
        }
        found.sort_unstable_by_key(|(_, _, used)| *used);
        Ok(found)
    }

    /// Downloads that rest, the oldest first. All else that was being written is removed.
    pub(super) fn partials(&self) -> Result<Vec<Found>, BlobError> {
        let mut found = Vec::new();
        for (name, path) in entries(&self.dir.join("tmp"))? {
            match name.strip_prefix(PARTIAL).and_then(from_hex) {
                Some(id) => found.extend(look(id, &path)?),
                None => removed(&path).map_err(BlobError::io(path.display()))?,
            }
        }
        found.sort_unstable_by_key(|(_, _, used)| *used);
        Ok(found)
    }

    /// Gives a whole file the name of its blob. It has been synced.
    pub(super) fn keep(&self, from: &Path, id: &BlobId) -> Result<(), BlobError> {
        let path = self.blob(id);
        let folder = path.parent().unwrap_or(&self.dir);
        match fs::create_dir(folder) {
            Ok(()) => sync(&self.dir.join("sha256"))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(BlobError::io(folder.display())(error)),
        }
        fs::rename(from, &path).map_err(BlobError::io(path.display()))?;
        sync(folder)
    }
}

/// Removes a file, which need not be there.
pub(super) fn removed(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync(folder: &Path) -> Result<(), BlobError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(BlobError::io(folder.display()))
}

fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, BlobError> {
    let read = || -> io::Result<Vec<_>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            found.extend(entry.file_name().into_string().ok().map(|name| (name, entry.path())));
        }
        Ok(found)
    };
    read().map_err(BlobError::io(folder.display()))
}

fn look(id: BlobId, path: &Path) -> Result<Option<Found>, BlobError> {
    let look = || {
        let data = fs::metadata(path)?;
        Ok(data.is_file().then_some((id, data.len(), data.modified()?)))
    };
    look().map_err(BlobError::io(path.display()))
}
