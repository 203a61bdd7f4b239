//! The file that keeps an identity, `~/.ssb/secret`: reads and creates it, never changes one. The format is the one of
//! npm `ssb-keys`, see [`Keypair::from_secret_file`].

use crate::secret::{KEY_BYTES, Keypair, SecretFileError, Seed};
use std::{
    fs::{DirBuilder, File, OpenOptions, remove_file},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Bytes of a file that is read. Stops a wrong path, such as that of a log, from filling memory.
const FILE_BYTES_MAX: usize = 64 << 10;

/// Mode bits that let others than the owner read, write or run.
const OTHERS: u32 = 0o077;

/// Why an identity was not loaded or created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// There is no such file.
    #[error("there is no identity at {0}; `push-mux keygen` makes one")]
    Missing(PathBuf),
    /// The file is there already, and an identity is never overwritten.
    #[error("{0} is there already and is not overwritten: who loses an identity cannot get it back")]
    Exists(PathBuf),
    /// Others may read the file.
    #[error("others can read the secret in {path} (mode {mode:03o}); run: chmod 600 {path}")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A directory, device, pipe or socket.
    #[error("{0} is not a regular file")]
    NotRegular(PathBuf),
    /// Too long to be an identity.
    #[error("{0} holds more than {FILE_BYTES_MAX} bytes, so it is no identity")]
    TooLong(PathBuf),
    /// The file holds something else.
    #[error("{path} holds no identity: {error}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: SecretFileError,
    },
    /// A step failed.
    #[error("{what} {path}: {error}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What came of it.
        error: io::Error,
    },
    /// The environment does not say where the home directory is.
    #[error("HOME is not set; name the file of the identity")]
    NoHome,
    /// The system gave no randomness.
    #[error("the system gives no randomness: {0}")]
    Entropy(getrandom::Error),
}

impl IdentityError {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { what, path, error }
    }
}

/// `$HOME/.ssb/secret`, where the programs of Secure Scuttlebutt keep it.
///
/// # Errors
/// [`IdentityError::NoHome`].
pub fn default_path() -> Result<PathBuf, IdentityError> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).ok_or(IdentityError::NoHome)?;
    Ok(PathBuf::from(home).join(".ssb").join("secret"))
}

/// A seed drawn from the system.
///
/// # Errors
/// [`IdentityError::Entropy`].
pub fn draw_seed() -> Result<Seed, IdentityError> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    getrandom::fill(bytes.as_mut()).map_err(IdentityError::Entropy)?;
    Ok(Seed::new(*bytes))
}

/// Loads an identity. Blocks; call it before the shards start.
///
/// # Errors
/// [`IdentityError`], also when anyone but the owner may read the file.
pub fn load(path: &Path) -> Result<Keypair, IdentityError> {
    // Opening a pipe would wait for its writer otherwise.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = opened.map_err(|error| match error.kind() {
        ErrorKind::NotFound => IdentityError::Missing(path.to_owned()),
        _ => IdentityError::io("open", path)(error),
    })?;
    // Of what was opened, not of what the path names by now.
    let metadata = file.metadata().map_err(IdentityError::io("examine", path))?;
    if !metadata.is_file() {
        return Err(IdentityError::NotRegular(path.to_owned()));
    }
    let mode = metadata.mode() & 0o777;
    if mode & OTHERS != 0 {
        return Err(IdentityError::Exposed { path: path.to_owned(), mode });
    }
    let text = read_all(file, path)?;
    Keypair::from_secret_file(&text).map_err(|error| IdentityError::Content { path: path.to_owned(), error })
}

/// Reads into one buffer that never grows, since a buffer that grows leaves copies that nobody wipes.
fn read_all(mut file: File, path: &Path) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    let mut text = Zeroizing::new(vec![0; FILE_BYTES_MAX + 1]);
    let mut filled = 0;
    loop {
        let free = text.get_mut(filled..).unwrap_or_default();
        match file.read(free) {
            _ if free.is_empty() => return Err(IdentityError::TooLong(path.to_owned())),
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(IdentityError::io("read", path)(error)),
        }
    }
    text.truncate(filled);
    Ok(text)
}

/// Writes an identity to a new file that only its owner may read, and makes the directory if it is missing. When this
/// returns, the file survives a loss of power.
///
/// # Errors
/// [`IdentityError`]; [`IdentityError::Exists`] when there is a file already, which stays as it is.
pub fn create(path: &Path, keypair: &Keypair) -> Result<(), IdentityError> {
    let folder = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Err(IdentityError::NotRegular(path.to_owned())),
    };
    let missing = folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    let new_folders = missing.count();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(IdentityError::io("make the directory", folder))?;
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => IdentityError::Exists(path.to_owned()),
        _ => IdentityError::io("create", path)(error),
    })?;
    let text = keypair.to_secret_file();
    if let Err(error) = file.write_all(text.as_bytes()).and_then(|()| file.sync_all()) {
        // It is ours, new and of no use: left there, it would be in the way of the next attempt.
        let _ = remove_file(path);
        return Err(IdentityError::io("write", path)(error));
    }
    // The file's name stands in its directory, and that of a new directory in the one above.
    for folder in folder.ancestors().take(new_folders + 1) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(IdentityError::io("sync the directory", folder))?;
    }
    Ok(())
}

/// Loads an identity, or creates it from `seed` (such as [`draw_seed`]) when there is no file. What cannot be read is an
/// error, never replaced.
///
/// # Errors
/// [`IdentityError`].
pub fn load_or_create(
    path: &Path,
    seed: impl FnOnce() -> Result<Seed, IdentityError>,
) -> Result<Keypair, IdentityError> {
    match load(path) {
        Err(IdentityError::Missing(_)) => {}
        loaded => return loaded,
    }
    let keypair = seed()?.keypair();
    match create(path, &keypair) {
        // Somebody else was faster; theirs it is.
        Err(IdentityError::Exists(_)) => load(path),
        created => created.map(|()| keypair),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs::{self, Permissions},
        os::unix::fs::{PermissionsExt, symlink},
    };

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("there is a place for it")
    }

    fn keypair(byte: u8) -> Keypair {
        Keypair::from_seed(&[byte; KEY_BYTES])
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").mode() & 0o777
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
    }

    #[test]
    fn what_was_created_is_loaded_and_never_overwritten() {
        let folder = folder();
        let path = folder.path().join("a").join(".ssb").join("secret");
        create(&path, &keypair(1)).expect("it is created");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().expect("it has one")), 0o700);
        assert_eq!(load(&path).expect("it is loaded").to_secret(), keypair(1).to_secret());
        let text = fs::read(&path).expect("it is there");
        let error = create(&path, &keypair(2)).expect_err("it is there");
        assert!(matches!(error, IdentityError::Exists(_)), "{error}");
        assert_eq!(fs::read(&path).expect("it is there"), text);
        // As ssb-keys leaves it.
        chmod(&path, 0o400);
        assert!(load(&path).is_ok());
    }

    #[test]
    fn a_dangling_link_is_not_written_through() {
        let folder = folder();
        let (path, target) = (folder.path().join("secret"), folder.path().join("elsewhere"));
        symlink(&target, &path).expect("it can be made");
        assert!(matches!(create(&path, &keypair(1)), Err(IdentityError::Exists(_))));
        assert!(!target.exists());
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_remedy() {
        let folder = folder();
        let path = folder.path().join("secret");
        create(&path, &keypair(1)).expect("it is created");
        for bits in [0o640, 0o604, 0o620, 0o610, 0o644, 0o777] {
            chmod(&path, bits);
            let error = load(&path).expect_err("others can read it").to_string();
            assert!(error.contains(&format!("chmod 600 {}", path.display())), "{error}");
            assert!(error.contains(&format!("{bits:o}")), "{error}");
        }
    }

    #[test]
    fn what_is_no_identity_is_refused() {
        let folder = folder();
        let path = folder.path().join("secret");
        assert!(matches!(load(&path), Err(IdentityError::Missing(_))));
        assert!(matches!(load(folder.path()), Err(IdentityError::NotRegular(_))));
        let socket = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&socket).status();
        assert!(made.is_ok_and(|status| status.success()), "mkfifo is there");
        assert!(matches!(load(&socket), Err(IdentityError::NotRegular(_))));
        let mut text = keypair(1).to_secret_file().as_bytes().to_vec();
        text.resize(FILE_BYTES_MAX, b'\n');
        fs::write(&path, &text).expect("it can be written");
        chmod(&path, 0o600);
        assert!(load(&path).is_ok(), "just short enough");
        text.push(b'\n');
        fs::write(&path, &text).expect("it can be written");
        assert!(matches!(load(&path), Err(IdentityError::TooLong(_))));
        fs::write(&path, "# nothing").expect("it can be written");
        let error = load(&path).expect_err("it is empty");
        assert!(matches!(error, IdentityError::Content { error: SecretFileError::Empty, .. }), "{error}");
    }

    #[test]
    fn a_seed_is_drawn_only_where_no_file_is() {
        let folder = folder();
        let path = folder.path().join("secret");
        let created = load_or_create(&path, || Ok(Seed::new([3; KEY_BYTES]))).expect("it is created");
        assert_eq!(created.public(), keypair(3).public());
        let loaded = load_or_create(&path, || panic!("there is a file")).expect("it is loaded");
        assert_eq!(loaded.public(), created.public());
        chmod(&path, 0o644);
        let refused = load_or_create(&path, || panic!("there is a file"));
        assert!(matches!(refused, Err(IdentityError::Exposed { .. })));
        assert_ne!(draw_seed().expect("there is some"), draw_seed().expect("there is some"));
    }
}
