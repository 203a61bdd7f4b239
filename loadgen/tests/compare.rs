//! `loadgen compare` as a user runs it, with little work.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::{Value, json};

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
fn every_message_of_the_standard_works_arrives_over_every_crate() {
    let peers = ["tcp", "tcp-coalesced", "h2", "yamux"];
    let line = format!(
        "compare --json --runs 1 --messages 300 --base tcp --no-namespace --peer {}",
        peers.join(",")
    );
    let output = loadgen(&line);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let rows = objects(&output);
    assert_eq!(rows.len(), peers.len() * 6, "{errors}");
    for row in rows {
        assert_eq!((&row["errors"], &row["schema"]), (&0.into(), &2.into()), "{row}");
        let streams = row["settings"]["streams"].as_u64().expect("a number");
        assert_eq!(row["messages"], 300 * streams, "{row}");
        assert!(row["ratio"]["median"].as_f64() > Some(0.0), "{row}");
        assert_eq!(row["latency_us"].is_null(), row["scenario"] == "source", "{row}");
        assert!(row["rss_bytes"]["server"].as_u64() > Some(100_000), "{row}");
    }
}

#[test]
fn lists_of_settings_and_windows_are_compared_one_by_one() {
    let output = loadgen(
        "compare sink --json --runs 1 --messages 50 --streams 1,3 --windows default,equal --base tcp --no-namespace \
         --peer tcp,h2",
    );
    assert!(output.status.success(), "{output:?}");
    let rows = objects(&output);
    let seen: Vec<_> = rows
        .iter()
        .map(|row| (row["settings"]["windows"].clone(), row["settings"]["streams"].clone()))
        .collect();
    assert_eq!(rows.len(), 8);
    assert_eq!((&seen[0], &seen[7]), (&(json!("default"), json!(1)), &(json!("equal"), json!(3))));
}

#[test]
fn a_server_that_runs_already_takes_part_by_its_address() {
    // What the load generator's own server answers to `same`, asked by everybody's client and by the foreign one.
    let options = json!({
        "address": "net:127.0.0.1:0", "cores": [], "connections_max": 64, "streams_max": 64, "receive_max": 1 << 20,
        "receive_shard_max": 1 << 20, "settings": {}, "feeds": null,
    });
    let mut server = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["serve", &options.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program was built for this test");
    let mut first = String::new();
    BufReader::new(server.stdout.take().expect("a pipe")).read_line(&mut first).expect("a line");
    let ready: Value = serde_json::from_str(&first).expect("an object");
    let address = ready["address"].as_str().expect("an address").to_owned();
    let output = loadgen(&format!(
        "compare async --json --runs 1 --duration 0.3 --base tcp --peer tcp --server {address} --method hello --args [\"you\"]"
    ));
    let _gone = server.kill();
    let _reaped = server.wait();
    assert!(output.status.success(), "{output:?}");
    let rows = objects(&output);
    assert_eq!((rows.len(), &rows[1]["peer"]), (2, &address.as_str().into()), "{rows:?}");
    assert!(rows[1]["ratio"]["median"].as_f64() > Some(0.0), "{}", rows[1]);
}

#[test]
fn people_get_a_table_and_where_it_comes_from() {
    let output =
        loadgen("compare async --depth 64 --runs 2 --messages 500 --base tcp --no-namespace --peer tcp");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    for part in [
        "congestion control",
        "outside a network namespace, as asked",
        "x tcp",
        "p99 us",
        "async: 64-byte bodies, 64 in flight",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert!(output.stderr.is_empty(), "no progress bar for a pipe");
}

#[test]
fn what_does_not_exist_is_refused_before_any_load() {
    for arguments in [
        "compare nothing",
        "compare churn",
        "compare --peer nobody",
        "compare --runs 0",
        "compare --messages 0",
        "compare source --connections 2",
        "compare async --rate 5",
    ] {
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

/// Runs work and looks at the outcome.
fn check(peer: &str, work: &Value) {
    let row = drive(peer, work);
    let is_timed = work["shape"] == "ping-pong" || work["shape"] == "async";
    let streams = if work["shape"] == "async" { 1 } else { work["streams"].as_u64().expect("a number") };
    let messages = work["each"].as_u64().expect("a number") * streams;
    assert_eq!(row["errors"], 0, "{peer}, {work}: {row}");
    assert_eq!(row["messages"], messages, "{peer}, {work}: {row}");
    // Either a histogram, or the percentiles that another program told.
    let has_times = row["latency"] != "" || row["latency_us"].is_object();
    assert_eq!(has_times, is_timed, "{peer}, {work}: {row}");
    let wanted = messages * work["body"].as_u64().expect("a number");
    // A call of the JavaScript peers is answered by a greeting, which is longer than its argument.
    let is_exact = row["bytes"] == wanted || peer.starts_with("js-") && work["shape"] == "async";
    assert!(is_exact, "{peer}, {work}: {row}");
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
