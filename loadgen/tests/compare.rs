//! `loadgen compare` as a user runs it, with little work.

use std::process::{Command, Output};

use serde_json::Value;

const SCENARIOS: [&str; 6] =
    ["source-64", "source-64-100", "source-64-10000", "source-4k", "async-1", "async-64"];

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
        let streams = if row["scenario"] == "source-64-10000" { 10_000 } else { 2000 };
        assert_eq!(row["messages"], streams, "{row}");
        assert!(row["ratio"]["median"].as_f64() > Some(0.0), "{row}");
        assert_eq!(
            row["latency_us"].is_null(),
            row["scenario"].as_str().is_some_and(|name| name.starts_with("source"))
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
