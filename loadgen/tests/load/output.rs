//! Files of results: rows, logs, dumps, pages; and what they say about one another.

use std::process::Command;

use crate::{File, loadgen, row, stderr, stdout};

/// The value below which a part of sorted numbers lies, by its definition.
fn exact(sorted: &[u64], part: f64) -> f64 {
    let at = (part * sorted.len() as f64).ceil().max(1.0) as usize - 1;
    sorted[at.min(sorted.len() - 1)] as f64
}

#[test]
fn percentiles_agree_with_every_time_that_was_recorded() {
    let dump = File::new("dump", "");
    let line = format!("run async --json --messages 20000 --depth 8 --dump {}", dump.path().display());
    let row = row(&line);
    let mut times: Vec<u64> = dump.text().lines().map(|line| line.parse().expect("nanoseconds")).collect();
    assert_eq!(times.len(), 20_000);
    times.sort_unstable();
    for (name, part) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)] {
        let told = row["latency_us"][name].as_f64().expect("a number") * 1e3;
        let wanted = exact(&times, part);
        assert!((told - wanted).abs() <= wanted * 0.01, "{name}: {told} ns told, {wanted} ns counted");
    }
}

/// A program of another project that reads logs; `None` where it is not installed.
fn reference_reader() -> Option<Command> {
    let mut command = Command::new("python3");
    let is_there =
        command.args(["-c", "import hdrh.log"]).output().is_ok_and(|output| output.status.success());
    assert!(
        is_there || std::env::var_os("PUSH_MUX_REQUIRE_HDR").is_none(),
        "PUSH_MUX_REQUIRE_HDR is set, and python3 has no hdrhistogram"
    );
    is_there.then(|| Command::new("python3"))
}

#[test]
fn the_reference_reader_finds_in_a_log_what_the_row_says() {
    let Some(mut reader) = reference_reader() else {
        eprintln!("skipped: python3 has no hdrhistogram");
        return;
    };
    let log = File::new("hlog", "");
    let line = format!("run async --json --messages 20000 --depth 8 --hdr {}", log.path().display());
    let row = row(&line);
    let program = "
import sys, json
from hdrh.log import HistogramLogReader
from hdrh.histogram import HdrHistogram
whole = HdrHistogram(1, 600_000_000_000, 3)
reader = HistogramLogReader(sys.argv[1], HdrHistogram(1, 600_000_000_000, 3))
intervals = 0
while True:
    interval = reader.get_next_interval_histogram()
    if interval is None:
        break
    whole.add(interval)
    intervals += 1
parts = (49.9, 50.1, 98.9, 99.1, 100, 100)
print(json.dumps([intervals, whole.get_total_count()] + [whole.get_value_at_percentile(p) for p in parts]))
";
    let output = reader.args(["-c", program]).arg(log.path()).output().expect("python3");
    assert!(output.status.success(), "{}", stderr(&output));
    let read: Vec<f64> = serde_json::from_str(&stdout(&output)).expect("numbers");
    assert!(read[0] >= 1.0, "intervals: {read:?}");
    assert_eq!(Some(read[1] as u64), row["messages"].as_u64());
    // The two round a rank that falls between two messages to either side.
    for (at, name) in [(2, "p50"), (4, "p99"), (6, "max")] {
        let told = row["latency_us"][name].as_f64().expect("a number") * 1e3;
        let (least, most) = (read[at] * 0.99, read[at + 1] * 1.01);
        assert!((least..=most).contains(&told), "{name}: {told} told, {least} to {most} read");
    }
}

#[test]
fn saved_rows_are_those_that_were_printed_and_can_be_compared() {
    let (old, new) = (File::new("old", ""), File::new("new", ""));
    for file in [&old, &new] {
        let path = file.path().display();
        let output =
            loadgen(&format!("run source --json --messages 2000 --streams 1,2 --runs 4 --save {path}"));
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(file.text(), stdout(&output));
    }
    let output = loadgen(&format!("diff {} {}", old.path().display(), new.path().display()));
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("verdict") && text.lines().count() >= 3, "{text}");
    // Twice as fast throughout is no noise.
    let mut rows: Vec<serde_json::Value> =
        old.text().lines().map(|line| serde_json::from_str(line).expect("a row")).collect();
    for run in rows.iter_mut().flat_map(|row| row["runs"].as_array_mut().expect("a list")) {
        run["messages_per_second"] = (run["messages_per_second"].as_f64().expect("a number") * 1000.0).into();
    }
    let text: Vec<String> = rows.iter().map(ToString::to_string).collect();
    let fast = File::new("fast", &text.join("\n"));
    let output = loadgen(&format!("diff --strict {} {}", old.path().display(), fast.path().display()));
    assert!(output.status.success() && stdout(&output).contains("FASTER"), "{}", stdout(&output));
    let output = loadgen(&format!("diff --strict {} {}", fast.path().display(), old.path().display()));
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("SLOWER"), "{}", stdout(&output));
    for (one, other) in [("/nowhere/at-all", old.path()), ("Cargo.toml", old.path())] {
        let output = loadgen(&format!("diff {one} {}", other.display()));
        assert_eq!(output.status.code(), Some(2), "{one}");
    }
}

#[test]
fn a_page_has_every_row_and_asks_nobody() {
    let page = File::new("page.html", "");
    let path = page.path().display();
    let output = loadgen(&format!("run async --duration 0.5 --depth 1,4 --report {path}"));
    assert!(output.status.success(), "{}", stderr(&output));
    let text = page.text();
    assert!(text.contains("<svg") && text.contains("async"), "{text:.300}");
    assert!(!text.contains("http://") && !text.contains("https://"), "it asks for something");
}
