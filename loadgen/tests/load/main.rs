//! `loadgen run` and `replicate` as a user runs them, with little work.

mod bad_servers;
mod faults;
mod files;
mod history;
mod output;
mod pubs;
mod replicate;
mod scenarios;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn loadgen(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(line.split_whitespace())
        .output()
        .expect("the program was built for this test")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The objects that a run prints.
fn objects(output: &Output) -> Vec<Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
}

/// The rows of a run that ends well.
fn rows(line: &str) -> Vec<Value> {
    let output = loadgen(line);
    assert!(output.status.success(), "{line}: {}{}", stderr(&output), stdout(&output));
    let rows = objects(&output);
    for row in &rows {
        assert_eq!((&row["errors"], &row["schema"]), (&0.into(), &2.into()), "{line}: {row}");
        assert!(row["failed"].is_null(), "{line}: {row}");
    }
    rows
}

/// The one row of a run that ends well.
fn row(line: &str) -> Value {
    let mut rows = rows(line);
    assert_eq!(rows.len(), 1, "{line}");
    rows.remove(0)
}

/// A file that is gone with the test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("loadgen-test-{}-{name}", std::process::id()));
        std::fs::write(&path, text).expect("a place for a file");
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.0).expect("a file")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.0);
    }
}
