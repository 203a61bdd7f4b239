//! `loadgen compare` as a user runs it, with little work.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::{Value, json};

const SCENARIOS: [&str; 10] = [
    "source-64",
    "source-64-100",
    "source-64-10000",
    "source-4k",
    "sink-64",
    "sink-64-100",
    "ping-pong-64",
    "ping-pong-64-100",
    "async-1",
    "async-64",
];

/// Peers that are part of this program.
const BUILT_IN: [&str; 7] = ["push-mux", "push-mux-shs", "tcp", "tcp-coalesced", "h2", "yamux", "quinn"];

fn loadgen(arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(arguments.split_whitespace())
        .output()
        .expect("the program was built for this test")
}

fn objects(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
}

#[test]
fn every_message_of_every_scenario_arrives_over_every_crate() {
    let peers = ["tcp", "tcp-coalesced", "h2", "yamux"];
    let output = loadgen(
        "compare --json --runs 1 --messages 2000 --base tcp --no-namespace \
         --peer tcp --peer tcp-coalesced --peer h2 --peer yamux",
    );
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let rows = objects(&output);
    assert_eq!(rows.len(), peers.len() * SCENARIOS.len(), "{errors}");
    for row in rows {
        assert_eq!(row["errors"], 0, "{row}");
        let messages = if row["scenario"] == "source-64-10000" { 10_000 } else { 2000 };
        assert_eq!(row["messages"], messages, "{row}");
        assert!(row["ratio"]["median"].as_f64() > Some(0.0), "{row}");
        assert_eq!(
            row["latency_us"].is_null(),
            row["scenario"].as_str().is_some_and(|name| name.starts_with('s'))
        );
        assert!(row["rss_bytes"]["server"].as_u64() > Some(100_000), "{row}");
    }
}

#[test]
fn people_get_a_table_and_where_it_comes_from() {
    let output =
        loadgen("compare --runs 2 --messages 500 --base tcp --no-namespace --peer tcp --scenario async-64");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    for part in
        ["congestion control", "outside a network namespace, as asked", "x tcp", "p99 us", "async-64: calls"]
    {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert!(output.stderr.is_empty(), "no progress bar for a pipe");
}

#[test]
fn what_does_not_exist_is_refused_before_any_load() {
    for arguments in
        ["compare --scenario nothing", "compare --peer nobody", "compare --runs 0", "compare --messages 0"]
    {
        let output = loadgen(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments}");
    }
}

/// A server of one run, which goes when this does.
struct Server {
    process: Child,
    port: u64,
    /// Kept open: some servers have more to say, and would fail if they could not.
    _output: BufReader<ChildStdout>,
}

impl Server {
    fn start(peer: &str, work: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_loadgen"))
            .args(["peer", "serve", "--peer", peer, "--work", work])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program was built for this test");
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().expect("a pipe"));
        output.read_line(&mut line).expect("a line of text");
        let ready: Value = serde_json::from_str(&line).expect("the server listens");
        Self { process, port: ready["port"].as_u64().expect("a port"), _output: output }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _already_gone = self.process.kill();
        let _already_reaped = self.process.wait();
    }
}

/// What the client of one run says.
fn drive(peer: &str, work: &Value) -> Value {
    let work = work.to_string();
    let server = Server::start(peer, &work);
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["peer", "drive", "--peer", peer, "--work", &work, "--patience", "20", "--deadline", "40"])
        .args(["--port", &server.port.to_string(), "--server-process", &server.process.id().to_string()])
        .output()
        .expect("the program was built for this test");
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.trim()).unwrap_or_else(|_| panic!("{peer}, {work}: {output:?}"))
}

/// Runs work and looks at the row that comes of it.
fn check(peer: &str, work: &Value) {
    let row = drive(peer, work);
    let is_timed = work["shape"] == "ping-pong" || work["shape"] == "async";
    let streams = if work["shape"] == "async" { 1 } else { work["streams"].as_u64().expect("a number") };
    let messages = work["each"].as_u64().expect("a number") * streams;
    assert_eq!(row["errors"], 0, "{peer}, {work}: {row}");
    assert_eq!(row["messages"], messages, "{peer}, {work}: {row}");
    assert_eq!(row["latency_us"].is_object(), is_timed, "{peer}, {work}: {row}");
    let bytes =
        row["megabytes_per_second"].as_f64().zip(row["seconds"].as_f64()).map(|(rate, time)| rate * time);
    let wanted = (messages * work["body"].as_u64().expect("a number")) as f64 / 1e6;
    let is_exact = bytes.is_some_and(|bytes| (bytes - wanted).abs() < 1e-6);
    // A call of the JavaScript peers is answered by a greeting, which is longer than its argument.
    assert!(is_exact || peer.starts_with("js-") && work["shape"] == "async", "{peer}, {work}: {row}");
}

/// Whether the packages of the JavaScript peers are installed; without them there is nothing to test.
fn has_javascript() -> bool {
    let packages = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/peers/node_modules/muxrpc");
    let is_there = std::path::Path::new(packages).is_dir();
    if !is_there {
        eprintln!("the packages of the JavaScript peers are not installed");
    }
    is_there
}

fn check_every_shape(peer: &str) {
    for shape in ["source", "sink", "ping-pong", "async"] {
        for (streams, body, depth, each, windows) in [
            (1, 64, 1, 100, "default"),
            (1, 65_536, 2, 20, "default"),
            (1, 65_536, 100, 110, "equal"),
            (7, 4096, 3, 50, "default"),
            (7, 4096, 3, 50, "equal"),
            (600, 64, 1, 3, "default"),
            (600, 64, 1, 3, "equal"),
        ] {
            let streams = if shape == "async" { 1 } else { streams };
            let work = json!({
                "shape": shape, "streams": streams, "body": body, "depth": depth, "each": each,
                "windows": windows,
            });
            check(peer, &work);
        }
    }
}

#[test]
fn every_shape_works_over_push_mux() {
    check_every_shape("push-mux");
    check_every_shape("push-mux-shs");
}

#[test]
fn every_shape_works_over_raw_tcp() {
    check_every_shape("tcp");
    check_every_shape("tcp-coalesced");
}

#[test]
fn every_shape_works_over_h2() {
    check_every_shape("h2");
}

#[test]
fn every_shape_works_over_yamux() {
    check_every_shape("yamux");
}

#[test]
fn every_shape_works_over_quinn() {
    check_every_shape("quinn");
}

#[test]
fn more_on_the_way_than_windows_and_sockets_hold_comes_back_all_the_same() {
    for peer in BUILT_IN {
        let work = json!({
            "shape": "ping-pong", "streams": 2, "body": 65_536, "depth": 100, "each": 110, "windows": "default",
        });
        check(peer, &work);
    }
}

#[test]
fn every_shape_works_over_the_javascript_peers() {
    if !has_javascript() {
        return;
    }
    for peer in ["js-push-mux", "js-muxrpc", "js-muxrpc-shs"] {
        for (shape, streams) in [("source", 3), ("sink", 3), ("ping-pong", 3), ("async", 1)] {
            for windows in ["default", "equal"] {
                let work = json!({
                    "shape": shape, "streams": streams, "body": 64, "depth": 2, "each": 30, "windows": windows,
                });
                check(peer, &work);
            }
        }
    }
}
