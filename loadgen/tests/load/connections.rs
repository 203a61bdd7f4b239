//! `loadgen idle` and `loadgen storm`, with few connections.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{loadgen, object, stderr, stdout};

/// Unoptimised handshakes are so slow that several crowds at once would run into the server's time limits.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn idle_connections_are_weighed_in_both_processes_over_every_transport() {
    let _turn = alone();
    for transport in ["shs", "tcp", "ws", "unix"] {
        let found = object(&format!("idle --json --connections 50 --transport {transport}"));
        assert_eq!((&found["transport"], &found["connections"]), (&transport.into(), &50.into()), "{found}");
        assert_eq!((&found["errors"], &found["runs"]), (&0.into(), &1.into()), "{found}");
        for end in ["server", "client"] {
            assert!(found["rss_bytes_per_connection"][end].as_u64().is_some(), "{found}");
            let descriptors = found["descriptors_per_connection"][end].as_u64();
            assert!(matches!(descriptors, Some(1..=4)), "{found}");
        }
        assert!(found["connections_per_second"].as_f64() > Some(0.0), "{found}");
    }
}

#[test]
fn fewer_connections_than_wanted_are_said_to_be_fewer() {
    let _turn = alone();
    let program = env!("CARGO_BIN_EXE_loadgen");
    let limited = format!("ulimit -n 256 && exec {program} idle --connections 1000");
    let output = std::process::Command::new("sh").args(["-c", &limited]).output().expect("a shell");
    let text = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(text.contains("of 1000 wanted"), "{text}");
}

#[test]
fn a_storm_beside_silent_connections_is_served_over_every_transport() {
    let _turn = alone();
    for transport in ["shs", "tcp", "ws", "unix"] {
        let found = object(&format!("storm --json --connections 50 --silent 10 --transport {transport}"));
        assert_eq!((&found["connected"], &found["failed"]), (&50.into(), &0.into()), "{found}");
        assert_eq!((&found["silent"], &found["in_flight"]), (&10.into(), &50.into()), "{found}");
        let [p50, max, seconds] =
            [&found["latency_us"]["p50"], &found["latency_us"]["max"], &found["seconds"]]
                .map(|it| it.as_f64());
        assert!(p50 > Some(0.0) && p50 <= max, "{found}");
        // The histogram is exact to a thousandth.
        assert!(max <= seconds.map(|it| it * 1.01e6), "{found}");
        for end in ["server", "client"] {
            assert!(found["cpu_us_per_handshake"][end].as_f64() > Some(0.0), "{found}");
        }
    }
}

#[test]
fn handshakes_are_counted_a_few_at_a_time_and_over_runs() {
    let _turn = alone();
    let found = object("storm --json --connections 50 --concurrency 4");
    assert_eq!((&found["in_flight"], &found["silent"]), (&4.into(), &0.into()), "{found}");
    let found = object("storm --json --connections 20 --sequential --runs 2");
    assert_eq!((&found["in_flight"], &found["runs"]), (&1.into(), &2.into()), "{found}");
    assert_eq!((&found["connected"], &found["errors"]), (&40.into(), &0.into()), "{found}");
    assert!(found["handshakes_per_server_cpu_second"].as_f64() > Some(0.0), "{found}");
}

#[test]
fn people_get_sentences() {
    let _turn = alone();
    let storm = loadgen("storm --connections 50 --silent 10");
    let idle = loadgen("idle --connections 20 --runs 2");
    for (output, parts) in [
        (
            storm,
            ["50 clients over shs", "connected 50, failed 0", "p99", "handshakes per second of server time"],
        ),
        (idle, ["20 idle connections over shs", "2 runs", "connections/s", "resident memory"]),
    ] {
        let text = stdout(&output);
        assert!(output.status.success(), "{}", stderr(&output));
        for part in parts {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
    }
}

#[test]
fn a_client_that_is_not_served_fails_the_run() {
    let _turn = alone();
    let output = loadgen("storm --json --connections 20 --silent 0 --fault");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let found: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("an object all the same");
    assert_eq!((&found["connected"], &found["failed"]), (&19.into(), &1.into()), "{found}");
    assert!(stderr(&output).contains("the reply is another"), "{}", stderr(&output));
    let output = loadgen("idle --connections 20 --fault");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
}
