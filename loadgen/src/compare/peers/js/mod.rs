//! The JavaScript implementations: npm `push-mux` for streams, npm `muxrpc` for calls, one Node process at each end.
//!
//! The programs are `tests/peers/bench-server.mjs` and `bench-client.mjs`, their packages what `npm ci` installs there.
//! The server's process becomes Node, so that its samples are Node's; the client starts Node beside itself and sleeps.
//!
//! Two things differ from the other peers, both in JavaScript's favour: the client counts messages and bytes but does
//! not look at the index of each, and a call is `hello` with a short name instead of 64 bytes. It reports no latencies.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Deserialize;

use super::Peer;
use crate::compare::work::{Shape, Windows, Work};
use crate::measure::{Measured, Meter, Tally};
use crate::process::{Silence, Worker};
use crate::row::Ends;
use crate::usage::Usage;

/// How often the client's memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// `push-mux` 1.0.7.
pub(super) const PUSH_MUX: Js = Js {
    name: "js-push-mux",
    package: "push-mux",
    settings: "npm push-mux 1.0.7 on Node, 64 KiB credit, corked writes, calls of hello",
};

/// `muxrpc` 8.
pub(super) const MUXRPC: Js = Js {
    name: "js-muxrpc",
    package: "muxrpc",
    settings: "npm muxrpc 8.0.0 on Node, no flow control, calls of hello",
};

/// `muxrpc` 8 over `secret-handshake` and `pull-box-stream`.
pub(super) const MUXRPC_SHS: Js = Js {
    name: "js-muxrpc-shs",
    package: "muxrpc-shs",
    settings: "npm muxrpc 8.0.0 over multiserver 3.8.2 net~shs on Node, no flow control, calls of hello",
};

/// One of the npm packages.
#[derive(Debug)]
pub(super) struct Js {
    name: &'static str,
    package: &'static str,
    settings: &'static str,
}

/// The line that a client ends with.
#[derive(Debug, Deserialize)]
struct Report {
    messages: u64,
    seconds: f64,
    bytes: u64,
    cpu_seconds: f64,
}

impl Peer for Js {
    fn name(&self) -> &'static str {
        self.name
    }

    fn settings(&self, _windows: Windows) -> String {
        self.settings.to_owned()
    }

    fn refuses(&self, work: &Work) -> Option<String> {
        if matches!(work.shape, Shape::Sink | Shape::PingPong) {
            return Some("it takes part in sources and calls only".to_owned());
        }
        if work.shape == Shape::Source && self.package == "muxrpc" {
            return Some("it takes part in calls only".to_owned());
        }
        missing(&folder(), self.package.trim_end_matches("-shs"))
    }

    fn serve(&self, _work: &Work) -> anyhow::Result<()> {
        // It prints its port by itself, in a line that reads as `Ready`.
        let error = self.node("bench-server.mjs").stdin(Stdio::null()).exec();
        Err(error).context("cannot start node")
    }

    fn drive(&self, work: &Work, server: SocketAddr, meter: &Meter) -> anyhow::Result<Measured> {
        let before = Usage::of(meter.server());
        let mut command = self.node("bench-client.mjs");
        command.arg("--port").arg(server.port().to_string()).args(work_options(work));
        let mut client = Worker::start(&mut command)?;
        let (report, client_rss) = wait(&mut client, meter.deadline())?;
        let after = Usage::of(meter.server());
        Ok(Measured {
            tally: report.tally(work),
            seconds: report.seconds,
            latency: None,
            credit: None,
            cpu_seconds: Ends { server: after.cpu_seconds - before.cpu_seconds, client: report.cpu_seconds },
            rss_bytes: Ends { server: after.peak_rss_bytes, client: client_rss },
        })
    }
}

impl Js {
    fn node(&self, program: &str) -> Command {
        let mut command = Command::new("node");
        command.arg(folder().join(program)).args(["--peer", self.package]);
        command
    }
}

impl Report {
    /// Messages that are missing, or that have other sizes than were asked for, are errors.
    fn tally(&self, work: &Work) -> Tally {
        let missing = work.messages().abs_diff(self.messages);
        let sizes_are_known = work.shape == Shape::Source;
        let odd = sizes_are_known && self.bytes != self.messages * work.body as u64;
        Tally { messages: self.messages, bytes: self.bytes, errors: missing + u64::from(odd) }
    }
}

/// The work in the client's words.
fn work_options(work: &Work) -> Vec<String> {
    let options = [
        ("--scenario", work.shape.to_string()),
        ("--streams", work.streams.to_string()),
        ("--concurrency", work.depth.to_string()),
        ("--size", work.body.to_string()),
        ("--messages", work.messages().to_string()),
    ];
    options.into_iter().flat_map(|(option, value)| [option.to_owned(), value]).collect()
}

/// Waits for the report, watching the memory of the process.
fn wait(client: &mut Worker, patience: Duration) -> anyhow::Result<(Report, u64)> {
    let began = Instant::now();
    let mut rss = 0;
    while began.elapsed() < patience {
        match client.line(LOOK_EVERY) {
            Ok(line) => match serde_json::from_str(&line) {
                Ok(report) => return Ok((report, rss.max(Usage::of(client.id()).peak_rss_bytes))),
                Err(_) => continue,
            },
            Err(Silence::TimedOut) => rss = rss.max(Usage::of(client.id()).peak_rss_bytes),
            Err(Silence::Ended) => bail!("node ended without a result: {}", client.end()),
        }
    }
    bail!("stalled: not done after {} s", patience.as_secs_f64())
}

/// The programs' folder: below the current folder, else where this program was built.
fn folder() -> PathBuf {
    let here = Path::new("tests/peers");
    if here.is_dir() {
        return here.to_owned();
    }
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers")
}

/// What must be installed first.
fn missing(folder: &Path, package: &str) -> Option<String> {
    let version = Command::new("node").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !version.is_ok_and(|status| status.success()) {
        return Some("Node is not installed".to_owned());
    }
    if !folder.join("bench-client.mjs").is_file() {
        return Some(format!("{} holds no bench-client.mjs", folder.display()));
    }
    if !folder.join("node_modules").join(package).is_dir() {
        return Some(format!("its package is not installed: run npm ci in {}", folder.display()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn the_last_line_is_the_report_and_others_are_passed_over() {
        let script = r#"echo hello; echo '{"event":"x"}';
            echo '{"peer":"push-mux","scenario":"s","messages":5,"seconds":2.0,"bytes":9,"cpu_seconds":1.5}'"#;
        let mut client = Worker::start(Command::new("sh").args(["-c", script])).expect("a shell");
        let (report, _) = wait(&mut client, LONG).expect("a report");
        assert_eq!((report.messages, report.bytes, report.seconds, report.cpu_seconds), (5, 9, 2.0, 1.5));
    }

    #[test]
    fn a_client_that_fails_is_quoted_and_one_that_hangs_is_named() {
        let mut failing =
            Worker::start(Command::new("sh").args(["-c", "echo no such flag >&2"])).expect("a shell");
        assert!(wait(&mut failing, LONG).expect_err("no report").to_string().contains("no such flag"));
        let mut hanging = Worker::start(Command::new("sh").args(["-c", "exec sleep 100"])).expect("a shell");
        let error = wait(&mut hanging, Duration::from_millis(50)).expect_err("no report");
        assert!(error.to_string().starts_with("stalled"), "{error}");
    }

    #[test]
    fn missing_messages_and_odd_sizes_are_errors() {
        let errors = |scenario, messages, bytes| {
            let work = crate::scenario::find(scenario).expect("listed").work(10);
            Report { messages, bytes, seconds: 1.0, cpu_seconds: 1.0 }.tally(&work).errors
        };
        assert_eq!(errors("source-64", 10, 640), 0);
        assert_eq!(errors("source-64", 10, 639), 1);
        assert_eq!(errors("source-64", 8, 512), 2);
        assert_eq!(errors("async-64", 10, 120), 0);
    }

    #[test]
    fn what_is_missing_is_said() {
        let why = missing(Path::new("/nowhere"), "push-mux").expect("nothing is there");
        assert!(why.contains("Node is not installed") || why.contains("/nowhere holds no"), "{why}");
    }
}
