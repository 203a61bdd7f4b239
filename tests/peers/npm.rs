//! Node, and the JavaScript packages that tests run.

use std::{
    env, fs,
    fs::File,
    io,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Looks a program up on the path and checks that it runs at all.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let found = env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())?;
    let ran = Command::new(&found).arg("--version").output().ok()?;
    ran.status.success().then_some(found)
}

/// Installs the packages of the lock file unless that has been done since the lock last changed.
///
/// Several test runs may get here at once, so the work is done under a file lock, and only a marker written after a
/// complete install counts: a `node_modules` left half full by an interrupted run is made anew.
pub(crate) fn install(npm: &Path, folder: &Path) -> io::Result<()> {
    // The lock file of npm doubles as ours: it outlives `node_modules`, which npm deletes, and needs no file of its own.
    let path = folder.join("package-lock.json");
    let guard = File::open(&path)?;
    guard.lock()?;

    let lock = fs::read(&path)?;
    let marker = folder.join("node_modules/.installed-lock.json");
    if fs::read(&marker).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    let output = Command::new(npm).args(["ci", "--ignore-scripts"]).current_dir(folder).output()?;
    if !output.status.success() {
        return Err(io::Error::other(both(&output)));
    }
    fs::write(marker, lock)
}

pub(crate) fn both(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
