//! Feeds reach every client.

use crate::{File, loadgen, row, stderr, stdout};

#[test]
fn every_client_gets_every_message() {
    for transport in ["tcp", "unix"] {
        let line =
            format!("replicate --json --messages 2500 --connections 3 --streams 2 --transport {transport}");
        let row = row(&line);
        assert_eq!((&row["messages"], &row["scenario"]), (&7500.into(), &"replicate".into()));
        let settings = &row["settings"];
        assert_eq!((&settings["connections"], &settings["streams"]), (&3.into(), &2.into()));
        assert_eq!(settings["transport"], transport);
        assert!(row["latency_us"]["p50"].as_f64() > Some(0.0), "{row}");
        assert!(row["credit"]["grants"].as_u64() > Some(0), "{row}");
    }
}

#[test]
fn any_credit_and_mode_will_do() {
    for options in ["--credit 4096", "--credit 1MiB --credit-mode offer", "--credit-mode off", "--shards 1"] {
        let row = row(&format!("replicate --json --messages 1200 --connections 2 --streams 3 {options}"));
        assert_eq!(row["messages"], 2400, "{options}");
        let grants = row["credit"]["grants"].as_u64();
        assert_eq!(grants == Some(0), options.ends_with("off"), "{options}: {row}");
    }
}

#[test]
fn messages_of_a_file_keep_their_bytes() {
    let lines = [
        r#"{"key":"%1","value":{"author":"@b", "sequence":2,"text":"\u00e9"},"timestamp":1}"#,
        r#"{"author":"@a","sequence":1, "number":1.0e2}"#,
        r#"{"key":"%2","value":{"author":"@b", "sequence":1,"text":"é"},"timestamp":2}"#,
    ];
    let file = File::new("three", &lines.join("\n"));
    let path = file.path().display();
    let all = row(&format!("replicate --json --connections 2 --streams 8 --feed {path}"));
    assert_eq!(all["messages"], 6);
    let some = row(&format!("replicate --json --connections 1 --messages 2 --feed {path}"));
    assert_eq!(some["messages"], 2);
}

#[test]
fn people_are_told_what_was_done() {
    let output = loadgen("replicate --messages 300 --connections 2");
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    for part in ["replicate: 2 connections, 8 streams", "msg/s", "first message us", "stalls"] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert!(text.contains("2 clients ended with 300 messages each, byte for byte and in order"), "{text}");
    assert!(output.stderr.is_empty(), "no progress bar for a pipe");
}

#[test]
fn a_file_that_is_none_is_refused() {
    let file = File::new("none", "not JSON");
    for path in ["/nowhere/at-all", file.path().to_str().expect("a plain path")] {
        let output = loadgen(&format!("replicate --feed {path}"));
        assert_eq!(output.status.code(), Some(2), "{path}");
        assert!(stderr(&output).contains(path) && output.stdout.is_empty(), "{path}: {}", stderr(&output));
    }
}
