//! `loadgen replicate`, `mux`, `idle` and `storm` as a user runs them, with little work.

mod connections;
mod faults;
mod history;
mod mux;
mod replicate;

use std::process::{Command, Output};

use serde_json::Value;

const FIELDS: [&str; 15] = [
    "scenario",
    "peer",
    "transport",
    "connections",
    "streams",
    "body_bytes",
    "messages",
    "seconds",
    "messages_per_second",
    "megabytes_per_second",
    "latency_us",
    "credit",
    "cpu_seconds",
    "rss_bytes",
    "errors",
];

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

/// The one object that a successful run prints.
fn object(line: &str) -> Value {
    let output = loadgen(line);
    assert!(output.status.success(), "{line}: {}", stderr(&output));
    let text = stdout(&output);
    assert_eq!(text.lines().count(), 1, "{line}: {text}");
    serde_json::from_str(&text).expect("one object")
}

/// A row, with the fields that rows have and no error.
fn row(line: &str) -> Value {
    let row = object(line);
    let mut names: Vec<&str> = row.as_object().expect("an object").keys().map(String::as_str).collect();
    let mut wanted = FIELDS.to_vec();
    names.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(names, wanted, "{line}");
    assert_eq!((&row["errors"], &row["peer"]), (&Value::from(0), &Value::from("push-mux")), "{line}: {row}");
    for end in ["server", "client"] {
        assert!(row["rss_bytes"][end].as_u64() > Some(100_000), "{line}: {row}");
    }
    assert!(row["messages_per_second"].as_f64() > Some(0.0), "{line}: {row}");
    row
}
