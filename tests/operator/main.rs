//! The command line of an operator, end to end: a server that is started, watched and stopped, and the commands that speak
//! with one.

mod commands;
mod serve;

use std::{
    path::Path,
    process::{Command, Output},
    thread,
    time::Duration,
};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The command with an environment of its own: what the machine has set is none of its concern.
fn push_mux(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_push-mux"));
    command.env_clear().env("HOME", home).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// What a command printed, its exit code, and what it complained of.
fn told(output: &Output) -> (String, Option<i32>, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), output.status.code(), text(&output.stderr))
}

/// Waits until something is so.
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..PATIENCE.as_millis() / 20 {
        if let Some(found) = look() {
            return found;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{what} does not come");
}
