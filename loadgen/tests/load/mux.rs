//! Every scenario of `loadgen mux`.

use crate::{loadgen, object, row, stderr, stdout};

const SCENARIOS: [&str; 4] = ["source", "sink", "duplex", "async"];

#[test]
fn every_kind_of_method_over_every_transport() {
    for scenario in SCENARIOS {
        for transport in ["tcp", "unix"] {
            let row = row(&format!(
                "mux --json --scenario {scenario} --transport {transport} --messages 200 --streams 3 --connections 2"
            ));
            assert_eq!((&row["scenario"], &row["transport"]), (&scenario.into(), &transport.into()));
            assert_eq!((&row["messages"], &row["body_bytes"]), (&1200.into(), &64.into()), "{row}");
            let is_timed = matches!(scenario, "duplex" | "async");
            assert_eq!(row["latency_us"].is_object(), is_timed, "{row}");
        }
    }
}

#[test]
fn every_kind_of_method_with_little_credit_and_bodies_of_many_sizes() {
    for scenario in SCENARIOS {
        for body in [4, 2048, 40_000] {
            let row = row(&format!(
                "mux --json --scenario {scenario} --messages 20 --body {body} --credit 4096 --shards 1"
            ));
            assert_eq!((&row["messages"], &row["body_bytes"]), (&20.into(), &body.into()), "{row}");
        }
    }
}

#[test]
fn more_streams_than_a_server_takes_by_default() {
    for scenario in SCENARIOS {
        let row = row(&format!("mux --json --scenario {scenario} --messages 2 --streams 1500 --credit auto"));
        assert_eq!(row["messages"], 3000, "{row}");
    }
}

#[test]
fn time_ends_a_run_that_has_no_number() {
    for scenario in SCENARIOS {
        let row = row(&format!("mux --json --scenario {scenario} --seconds 0.2 --streams 2"));
        assert!(row["messages"].as_u64() > Some(0) && row["seconds"].as_f64() >= Some(0.2), "{row}");
    }
}

#[test]
fn limits_and_modes_can_be_set() {
    for options in
        ["--receive-max 64MiB", "--credit-mode offer", "--credit-mode respond", "--credit-mode off"]
    {
        let row = row(&format!("mux --json --messages 3000 {options}"));
        assert_eq!(row["messages"], 3000, "{options}");
    }
}

#[test]
fn idle_streams_are_weighed_in_both_processes() {
    let one = object("mux --scenario idle --json --runs 1 --streams 2000");
    let many = object("mux --scenario idle --json --runs 3 --streams 2000 --transport unix");
    for (found, runs) in [(one, 1), (many, 3)] {
        assert_eq!(
            (&found["streams"], &found["runs"], &found["errors"]),
            (&2000.into(), &runs.into(), &0.into())
        );
        for end in ["server", "client"] {
            assert!(found["rss_bytes_per_stream"][end].as_u64().is_some(), "{found}");
        }
    }
}

#[test]
fn neighbours_are_measured_with_and_without_an_unread_stream() {
    let found = object("mux --scenario isolation --json --runs 2 --messages 20000 --streams 4");
    assert_eq!((&found["runs"], &found["streams"], &found["errors"]), (&2.into(), &4.into(), &0.into()));
    for side in ["alone", "beside_unread"] {
        assert!(found[side]["messages_per_second"].as_f64() > Some(0.0), "{found}");
        assert!(found[side]["rss_bytes"]["server"].as_f64() > Some(0.0), "{found}");
    }
    assert!(found["loss"]["median"].is_number(), "{found}");
}

#[test]
fn two_shards_are_compared_with_one() {
    let output = loadgen("mux --scenario shards --runs 2 --messages 50000");
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() < 2) {
        assert_eq!(output.status.code(), Some(2));
        return;
    }
    let text = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(text.contains("one shard") && text.contains("two shards") && text.contains("ratio"), "{text}");
    let found = object("mux --scenario shards --json --runs 1 --messages 20000 --transport unix");
    assert!(found["ratio"]["median"].as_f64() > Some(0.0), "{found}");
    assert_eq!(found["errors"], 0);
}

#[test]
fn people_get_tables() {
    let output = loadgen("mux --scenario async --messages 50");
    let text = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    for part in ["msg/s", "call p50 us", "grants", "cpu s server", "async"] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert!(output.stderr.is_empty(), "no progress bar for a pipe");
}
