use super::*;
use crate::{
    PublicKey,
    ssb::metrics::{BlobFigures, MessageFigures, StoreFigures},
};
use std::{collections::BTreeSet, time::Duration};

fn full() -> Snapshot {
    let mut hello = MethodFigures::new(Kind::Async);
    (hello.begun, hello.answered, hello.failed, hello.sent_bytes) = (7, 3, 2, 99);
    hello.latency.record(Duration::from_micros(200));
    hello.latency.record(Duration::from_secs(60));
    let mut snapshot = Snapshot {
        calls_refused: 4,
        shards: vec![ShardFigures {
            index: 1,
            count: 2,
            connections: 5,
            received_bytes: 6,
            feeds: 8,
            busy: Duration::from_millis(1500),
            age: Duration::from_millis(250),
        }],
        messages: MessageFigures {
            verified: 11,
            stored: 12,
            sent: 13,
            duplicates: 14,
            ..MessageFigures::default()
        },
        store: Some(StoreFigures { bytes: 21, messages: 22, feeds: 23, free_bytes: 24, is_full: true }),
        blobs: Some(BlobFigures { count: 31, bytes: 32, wanted: 33 }),
        ..Snapshot::default()
    };
    snapshot.methods.insert("hello".to_owned(), hello);
    snapshot.methods.insert("evil\"\\\nname".to_owned(), MethodFigures::new(Kind::Source));
    snapshot.limits.insert("handshakes_full", 41);
    snapshot.messages.refused.insert("signature", 42);
    snapshot.sessions.stalls = 43;
    snapshot.sessions.data_bytes_out = 44;
    snapshot.add_lag(vec![(PublicKey([1; 32]), 45)]);
    snapshot
}

/// A line's series and value.
fn samples(page: &str) -> Vec<(&str, &str)> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').expect("a sample has a value")).collect()
}

#[test]
fn every_figure_stands_on_the_page() {
    let page = render(&[full()]);
    let key = PublicKey([1; 32]);
    for line in [
        r#"push_mux_calls_total{method="hello",kind="async",outcome="answered"} 3"#.to_owned(),
        r#"push_mux_calls_total{method="hello",kind="async",outcome="failed"} 2"#.to_owned(),
        r#"push_mux_calls_total{method="hello",kind="async",outcome="dropped"} 0"#.to_owned(),
        r#"push_mux_calls_open{method="hello",kind="async"} 2"#.to_owned(),
        r#"push_mux_call_bytes_total{method="hello",kind="async",direction="sent"} 99"#.to_owned(),
        "push_mux_calls_refused_total 4".to_owned(),
        r#"push_mux_call_seconds_bucket{le="0.0001",method="hello"} 0"#.to_owned(),
        r#"push_mux_call_seconds_bucket{le="0.00025",method="hello"} 1"#.to_owned(),
        r#"push_mux_call_seconds_bucket{le="10.0",method="hello"} 1"#.to_owned(),
        r#"push_mux_call_seconds_bucket{le="+Inf",method="hello"} 2"#.to_owned(),
        r#"push_mux_call_seconds_count{method="hello"} 2"#.to_owned(),
        r#"push_mux_call_seconds_sum{method="hello"} 60.0002"#.to_owned(),
        r#"push_mux_session_bytes_total{direction="sent"} 44"#.to_owned(),
        "push_mux_stalls_total 43".to_owned(),
        r#"push_mux_session_events_total{event="glitch"} 0"#.to_owned(),
        r#"push_mux_connections_refused_total{reason="handshakes_full"} 41"#.to_owned(),
        r#"push_mux_messages_total{result="duplicate"} 14"#.to_owned(),
        r#"push_mux_messages_refused_total{reason="signature"} 42"#.to_owned(),
        format!("push_mux_peer_lag_messages{{peer=\"{key}\"}} 45"),
        r#"push_mux_peer_lag_messages{peer="others"} 0"#.to_owned(),
        r#"push_mux_shard_connections{shard="1"} 5"#.to_owned(),
        r#"push_mux_shard_feeds{shard="1"} 8"#.to_owned(),
        r#"push_mux_shard_busy_seconds_total{shard="1"} 1.5"#.to_owned(),
        r#"push_mux_shard_age_seconds{shard="1"} 0.25"#.to_owned(),
        "push_mux_store_bytes 21".to_owned(),
        "push_mux_store_full 1".to_owned(),
        "push_mux_store_free_bytes 24".to_owned(),
        "push_mux_blobs_bytes 32".to_owned(),
    ] {
        assert!(page.lines().any(|own| own == line), "{line} is not in\n{page}");
    }
}

#[test]
fn labels_cannot_break_out_of_their_line() {
    let page = render(&[full()]);
    assert!(page.contains(r#"method="evil\"\\\nname""#), "{page}");
    assert!(samples(&page).iter().all(|(series, value)| value.parse::<f64>().is_ok() && !series.is_empty()));
}

#[test]
fn the_page_has_the_form_that_scrapers_insist_on() {
    let page = render(&[full(), Snapshot::default()]);
    assert!(page.ends_with("# EOF\n"), "a page that was cut off is told by that");
    let series: Vec<_> = samples(&page).into_iter().map(|(series, _)| series).collect();
    assert_eq!(series.iter().collect::<BTreeSet<_>>().len(), series.len(), "no series stands there twice");
    let mut family = String::new();
    let mut known = BTreeSet::new();
    for line in page.lines().filter(|line| *line != "# EOF") {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split(' ').next().expect("a name").to_owned();
            assert!(known.insert(family.clone()), "{family} stands there twice");
        } else {
            let name = line.strip_prefix("# TYPE ").unwrap_or(line);
            assert!(name.starts_with(&family), "{line} stands under {family}");
        }
    }
    assert!(known.len() > 20, "{known:?}");
}

#[test]
fn what_no_shard_knows_is_left_out() {
    let page = render(&[]);
    assert!(!page.contains("store_bytes") && page.contains("push_mux_stalls_total 0\n"), "{page}");
}

#[test]
fn the_docs_name_every_family_and_no_other() {
    let docs = include_str!("../../../../docs/OPERATIONS.md");
    let page = render(&[full()]);
    let mut known = BTreeSet::new();
    for line in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').expect("a name and a type");
        let suffix = if kind == "counter" { "_total" } else { "" };
        let name = format!("{name}{suffix}");
        assert!(docs.contains(&format!("`{name}`")), "docs/OPERATIONS.md does not name {name}");
        known.insert(name);
    }
    let words = docs.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    for word in words.filter(|word| word.starts_with("push_mux_")) {
        assert!(known.contains(word), "docs/OPERATIONS.md names {word}, which is on no page");
    }
}
