//! Signed feeds through a pub.

use std::thread;

use push_mux::runtime::{Credentials, ServeOptions};
use push_mux::secret::Keypair;
use push_mux::ssb::{Pub, PubOptions};
use serde_json::Value;

use crate::{File, loadgen, objects, row, rows, stderr, stdout};

/// Few enough messages for a debug build.
const LITTLE: &str = "--peers 2 --feeds 6 --messages 20 --rate 100 --live 0.5";

fn figure(row: &Value, name: &str) -> f64 {
    row["figures"][name]["median"].as_f64().unwrap_or_else(|| panic!("{name} is not in {row}"))
}

#[test]
fn feeds_pass_whole_in_both_ways_of_replicating() {
    for protocol in ["history", "ebt"] {
        let row = row(&format!("replicate --json --protocol {protocol} {LITTLE}"));
        // Each of two peers fetched six feeds of twenty.
        assert_eq!((&row["messages"], &row["settings"]["protocol"]), (&240.into(), &protocol.into()));
        assert_eq!(row["settings"]["transport"], "shs");
        for name in ["ingest", "fanout", "through", "live"] {
            assert!(figure(&row, &format!("{name}_per_second")) > 0.0, "{name}: {row}");
            assert!(figure(&row, &format!("{name}_server_us")) > 0.0, "{name}: {row}");
        }
        assert!(figure(&row, "ingest_of_verification") > 0.0);
        assert!(figure(&row, "rss_pushed_bytes") > 1e6);
        let (latency, service) = (&row["latency_us"]["p50"], &row["service_us"]["p50"]);
        assert!(latency.as_f64() > Some(0.0) && service.as_f64() > Some(0.0), "{row}");
        let remarks = row["remarks"].to_string();
        // Twenty, five that go through, and nine on schedule.
        assert!(remarks.contains("2 peers ended with 6 feeds of 34 signed messages each"), "{remarks}");
    }
}

#[test]
fn more_shards_and_more_peers_than_feeds_will_do() {
    let line =
        "replicate --json --protocol ebt,history --peers 3 --feeds 2 --messages 10 --live 0 --transport ws";
    for row in rows(line) {
        assert_eq!(row["messages"], 60);
    }
}

/// A pub that knows of nobody's feeds, and its owner's key file.
fn empty_pub(name: &str) -> (String, File) {
    let owner = Keypair::from_seed(&[7; 32]);
    let secret = File::new(name, &owner.to_secret_file());
    let dir = std::env::temp_dir().join(format!("loadgen-test-pub-{}-{name}", std::process::id()));
    let serve = ServeOptions {
        credentials: Some(Credentials::new(owner)),
        shards: Some(1),
        ..ServeOptions::default()
    };
    let server = Pub::bind(
        PubOptions { serve, ..PubOptions::new(&dir) },
        &["net:127.0.0.1:0~shs".parse().expect("an address")],
    )
    .expect("it can be bound");
    let address = server.addresses()[0].to_string();
    // It ends with the test's process; what it stored is not needed any more.
    thread::spawn(move || server.serve());
    (address, secret)
}

#[test]
fn a_pub_that_runs_already_is_told_whom_to_follow() {
    let (address, secret) = empty_pub("told");
    let line = format!("--protocol history {LITTLE} --server {address} --secret {}", secret.path().display());
    let row = row(&format!("replicate --json {line}"));
    assert_eq!((&row["messages"], &row["peer"]), (&240.into(), &address.as_str().into()));
    // Nothing is known of what a server elsewhere spends.
    assert!(row["figures"]["ingest_server_us"].is_null() && row["figures"]["rss_pushed_bytes"].is_null());
}

#[test]
fn a_pub_that_does_not_want_the_feeds_is_found_out() {
    let (address, _secret) = empty_pub("unwilling");
    let line = format!("run replicate --json --patience 1 --protocol ebt {LITTLE} --server {address}");
    let output = loadgen(&line);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let row = &objects(&output)[0];
    let why = row["failed"].as_str().expect("it says why");
    assert!(why.contains("asked for 0 of 6 feeds"), "{why}");
}

#[test]
fn slow_readers_follow_what_they_can() {
    let line = "run followers --json --connections 4 --feeds 6 --streams 3 --messages 3 --rate 60 --live 2";
    let slow = &rows(&format!("{line} --reads 700"))[0];
    let fast = &rows(&format!("{line} --reads 1MiB"))[0];
    // Six feeds of three and twenty messages; each of four readers follows three of them.
    assert_eq!(figure(fast, "delivered"), f64::from(4 * 3 * 23));
    assert!((12.0..200.0).contains(&figure(slow, "delivered")), "{slow}");
    for row in [slow, fast] {
        assert_eq!(row["messages"], 120);
        assert!(figure(row, "rss_most_bytes") >= figure(row, "rss_following_bytes"), "{row}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (line, why) in [
        ("replicate --rate 5", "--protocol"),
        ("replicate --protocol ebt --feed x", "by seed"),
        ("replicate --protocol ebt --fault", "by seed"),
        ("replicate --protocol ebt --transport unix", "shake hands"),
        ("replicate --protocol ebt --reads 5", "followers"),
        ("replicate --protocol pigeon", "history, ebt"),
        ("run source --server net:127.0.0.1:1", "--method"),
        ("run followers --transport tcp", "shake hands"),
    ] {
        let output = loadgen(line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(stderr(&output).contains(why), "{line}: {}", stderr(&output));
    }
}

#[test]
fn verification_alone_is_told() {
    let output = loadgen("verify --messages 300 --batch 64 --json");
    assert!(output.status.success(), "{}", stderr(&output));
    let told: Value = serde_json::from_str(&stdout(&output)).expect("one object");
    assert_eq!((&told["messages"], &told["batch"]), (&320.into(), &64.into()));
    for name in ["parsed_per_second", "single_per_second", "batch_per_second"] {
        assert!(told[name].as_f64() > Some(0.0), "{told}");
    }
    let people = stdout(&loadgen("verify --messages 64"));
    assert!(people.contains("verified in batches") && people.contains("us each"), "{people}");
}
