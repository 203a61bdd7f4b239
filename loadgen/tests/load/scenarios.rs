//! Every scenario, briefly.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{loadgen, row, rows, stderr, stdout};

const NAMES: [&str; 16] = [
    "source",
    "sink",
    "ping-pong",
    "async",
    "isolation",
    "interactive",
    "delay",
    "idle-streams",
    "idle-connections",
    "churn",
    "reconnect",
    "flood",
    "replicate",
    "followers",
    "storm",
    "soak",
];

/// Unoptimised handshakes are so slow that several crowds at once would run into the server's time limits.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn the_list_explains_every_scenario_in_two_lines() {
    let text = stdout(&loadgen("list"));
    assert_eq!(text.lines().count(), 2 * NAMES.len(), "{text}");
    for name in NAMES {
        assert!(text.lines().any(|line| line.starts_with(&format!("{name} "))), "{name} is not in:\n{text}");
    }
}

#[test]
fn one_way_and_both_ways_by_either_client_over_every_transport() {
    for scenario in ["source", "sink", "ping-pong", "async"] {
        for (client, transport) in [
            ("light", "tcp"),
            ("light", "shs"),
            ("light", "unix"),
            ("framework", "tcp"),
            ("framework", "shs"),
            ("framework", "ws"),
            ("framework", "unix"),
        ] {
            let line = format!(
                "run {scenario} --json --client {client} --transport {transport} --messages 200 --streams 3 \
                 --depth 2 --connections 2"
            );
            let row = row(&line);
            let streams = if scenario == "async" && client == "light" { 1 } else { 3 };
            let streams = if scenario == "async" { 1 } else { streams };
            assert_eq!(row["messages"], 2 * 200 * streams, "{line}: {row}");
            assert_eq!(row["settings"]["transport"], transport);
            let is_timed = matches!(scenario, "ping-pong" | "async");
            assert_eq!(row["latency_us"].is_object(), is_timed, "{line}: {row}");
            assert!(row["rss_bytes"]["server"].as_u64() > Some(100_000), "{row}");
        }
    }
}

#[test]
fn little_credit_and_bodies_of_many_sizes() {
    for scenario in ["source", "sink", "ping-pong", "async"] {
        let line =
            format!("run {scenario} --json --messages 20 --body 4,2048,40000 --credit 4096,64KiB,auto");
        let rows = rows(&line);
        assert_eq!(rows.len(), 9, "every combination is a row");
        assert!(rows.iter().all(|row| row["messages"] == 20), "{line}");
        let seen: Vec<_> = rows.iter().map(|row| row["settings"]["credit"].as_str().unwrap_or("")).collect();
        assert_eq!(seen[..3], ["4096", "65536", "auto"]);
    }
}

#[test]
fn more_streams_than_a_server_takes_by_default() {
    for scenario in ["source", "sink", "ping-pong"] {
        let row = row(&format!("run {scenario} --json --messages 2 --streams 1500"));
        assert_eq!(row["messages"], 3000, "{row}");
    }
}

#[test]
fn time_ends_a_run_and_the_warm_up_does_not_count() {
    for (scenario, client) in
        [("source", "light"), ("sink", "light"), ("async", "light"), ("source", "framework")]
    {
        let line = format!("run {scenario} --json --client {client} --duration 0.4 --warmup 0.2 --streams 2");
        let row = row(&line);
        let seconds = row["runs"][0]["seconds"].as_f64().expect("a number");
        // Until messages that came late are in; a busy machine is late, and never early.
        assert!((0.39..5.0).contains(&seconds) && row["messages"].as_u64() > Some(0), "{line}: {row}");
        assert!(row["timeline"].as_array().is_some_and(|moments| !moments.is_empty()), "{line}: {row}");
    }
}

#[test]
fn a_schedule_is_kept_and_times_are_from_when_messages_were_due() {
    for scenario in ["sink", "ping-pong", "async", "churn"] {
        for arrivals in ["even", "poisson"] {
            let line = format!(
                "run {scenario} --json --rate 500 --duration 1 --depth 64 --arrivals {arrivals} --seed 3"
            );
            let row = row(&line);
            let messages = row["messages"].as_u64().expect("a number");
            assert!((400..=600).contains(&messages), "{line}: {messages}");
            assert!(row["service_us"].is_object(), "{line}: {row}");
            let (due, started) = (&row["latency_us"]["max"], &row["service_us"]["max"]);
            assert!(due.as_f64() >= started.as_f64(), "{line}: {row}");
        }
    }
}

#[test]
fn a_start_that_waits_for_credit_is_late_and_not_lost() {
    for scenario in ["sink", "ping-pong"] {
        let line = format!(
            "run {scenario} --json --rate 1000 --credit 4KiB --body 1000 --depth 16 --delay-ms 20 --warmup 0 --duration 1"
        );
        let row = row(&line);
        let (done, left) = (&row["messages"], &row["figures"]["unfinished_messages"]["median"]);
        let due = done.as_u64().zip(left.as_f64()).map(|(done, left)| done as f64 + left);
        // A thousand and the one at the very end; nothing is in two places, little between two.
        assert!(due.is_some_and(|due| (990.0..=1010.0).contains(&due)), "{line}: {row}");
        assert!(row["credit"]["stalls"].as_u64() > Some(0), "{line}: {row}");
    }
}

#[test]
fn a_sealed_line_goes_on_without_grants_to_wake_it() {
    for options in ["--credit-mode off --body 4KiB", "--credit 8MiB --body 64"] {
        let row = row(&format!("run sink --json --transport shs --duration 1 {options}"));
        assert!(row["messages"].as_u64() > Some(1000), "{options}: {row}");
    }
}

#[test]
fn limits_and_modes_can_be_set() {
    for options in [
        "--receive-max 64MiB",
        "--credit-mode offer",
        "--credit-mode respond",
        "--credit-mode off",
        "--shards 1",
    ] {
        for client in ["light", "framework"] {
            let row = row(&format!("run source --json --messages 3000 --client {client} {options}"));
            assert_eq!(row["messages"], 3000, "{options}");
        }
    }
}

#[test]
fn neighbours_of_a_stalled_stream_are_told_apart_from_those_without() {
    let row = row("run isolation --json --duration 1 --streams 4");
    for figure in ["alone_messages_per_second", "beside_messages_per_second", "loss"] {
        assert!(row["figures"][figure]["median"].is_number(), "{row}");
    }
}

#[test]
fn small_messages_are_timed_alone_and_beside_large_ones_and_floods() {
    let row_of = |line: &str| {
        let row = row(line);
        for figure in ["alone_p50_us", "alone_p99_us", "beside_p50_us", "beside_p99_us"] {
            assert!(row["figures"][figure]["median"].as_f64() > Some(0.0), "{line}: {row}");
        }
        row
    };
    row_of("run interactive --json --duration 1 --rate 200");
    for attack in ["opens", "requests", "grants", "tiny", "ends"] {
        let row = row_of(&format!("run flood --json --duration 0.8 --rate 200 --attack {attack}"));
        assert!(row["figures"]["attack_megabytes"]["median"].as_f64() > Some(0.0), "{row}");
    }
}

#[test]
fn a_long_line_is_slow_and_says_how_it_was_made() {
    let row = row("run delay --json --duration 1 --delay-ms 20 --megabits 100");
    assert!(row["remarks"][0].as_str().is_some_and(|text| text.contains("20 ms there and back")), "{row}");
    assert!(row["figures"]["steady_megabits"]["median"].as_f64() > Some(0.0), "{row}");
    let line = "run ping-pong --json --duration 0.5 --delay-ms 20";
    let p50 = crate::row(line)["latency_us"]["p50"].as_f64().expect("timed");
    assert!(p50 >= 20_000.0, "{p50}");
}

#[test]
fn what_comes_and_goes_is_counted() {
    let _turn = alone();
    let churn = row("run churn --json --messages 500");
    assert_eq!(churn["messages"], 500, "{churn}");
    for transport in ["tcp", "shs", "unix"] {
        let row = row(&format!("run reconnect --json --duration 0.5 --depth 2 --transport {transport}"));
        assert!(row["messages"].as_u64() > Some(0) && row["latency_us"].is_object(), "{row}");
    }
}

#[test]
fn idle_streams_and_connections_are_weighed_in_both_processes() {
    let _turn = alone();
    let row = row("run idle-streams --json --runs 2 --streams 2000");
    for end in ["server", "client"] {
        let bytes = row["figures"][format!("{end}_bytes_per_stream")]["median"].as_f64();
        assert!(bytes.is_some(), "{row}");
    }
    for transport in ["shs", "tcp", "ws", "unix"] {
        let row =
            crate::row(&format!("run idle-connections --json --connections 50 --transport {transport}"));
        for end in ["server", "client"] {
            assert!(row["figures"][format!("{end}_bytes_per_connection")]["median"].is_number(), "{row}");
            let descriptors = row["figures"][format!("{end}_descriptors_per_connection")]["median"].as_f64();
            assert!(descriptors.is_some_and(|each| (1.0..=4.0).contains(&each)), "{row}");
        }
    }
}

#[test]
fn a_storm_beside_silent_connections_is_served() {
    let _turn = alone();
    for transport in ["shs", "tcp", "unix"] {
        let row = row(&format!("run storm --json --connections 50 --silent 10 --transport {transport}"));
        assert_eq!(row["messages"], 50, "{row}");
        let (max, last) = (&row["latency_us"]["max"], &row["figures"]["last_served_seconds"]["median"]);
        // The histogram is exact to a thousandth.
        assert!(max.as_f64() <= last.as_f64().map(|seconds| seconds * 1.01e6), "{row}");
    }
    let row = row("run storm --json --connections 40 --silent 0 --depth 4 --runs 2");
    assert_eq!(row["messages"], 80, "{row}");
}

#[test]
fn everything_at_once_goes_on() {
    let row = row("run soak --json --duration 1 --warmup 0.2");
    assert!(row["figures"]["server_growth_bytes_per_minute"]["median"].is_number(), "{row}");
}

#[test]
fn people_get_tables_and_no_bar_for_a_pipe() {
    let output = loadgen("run async --messages 50 --depth 1,2");
    let text = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    for part in ["msg/s", "call us", "p99.9", "us/msg server", "busy server", "grants", "async: 1 connection"]
    {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert!(output.stderr.is_empty(), "{}", stderr(&output));
}
