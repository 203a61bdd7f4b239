//! What is wrong is noticed.

use serde_json::Value;

use crate::{loadgen, stderr, stdout};

#[test]
fn one_spoiled_message_fails_the_run() {
    for line in [
        "replicate --messages 300 --connections 2",
        "mux --scenario source --messages 100",
        "mux --scenario sink --messages 100",
        "mux --scenario duplex --messages 100",
        "mux --scenario async --messages 100",
    ] {
        let output = loadgen(&format!("{line} --fault --json"));
        assert_eq!(output.status.code(), Some(1), "{line}: {}", stderr(&output));
        let row: Value = serde_json::from_str(&stdout(&output)).expect("a row all the same");
        assert!(row["errors"].as_u64() > Some(0), "{line}: {row}");
        assert!(stderr(&output).contains("wrong or missing"), "{line}: {}", stderr(&output));
    }
}

#[test]
fn one_spoiled_message_fails_the_runs_that_are_compared() {
    let output = loadgen("mux --scenario isolation --runs 1 --messages 1000 --fault");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
}

#[test]
fn people_who_ask_for_what_cannot_be_are_told_so() {
    for line in [
        "replicate --connections 0",
        "replicate --transport pigeon",
        "replicate --credit 0",
        "mux --scenario nothing",
        "mux --body 3",
        "mux --seconds 0",
        "mux --messages 1 --seconds 1",
        "mux --credit-mode always",
        "mux --shards 100000",
        "mux --receive-max auto",
        "server",
    ] {
        let output = loadgen(line);
        assert_eq!(output.status.code(), Some(2), "{line}: {}", stderr(&output));
        assert!(!output.stderr.is_empty(), "{line}");
    }
}
