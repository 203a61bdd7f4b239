//! The JavaScript implementations: npm `push-mux` and npm `muxrpc`, the latter also encrypted, one Node process at each end.
//!
//! The programs are `tests/peers/bench-server.mjs` and `bench-client.mjs`, their packages what `npm ci` installs there.
//! The server's process becomes Node, so that its samples are Node's; the client starts Node beside itself and sleeps.
//!
//! Two things differ from the other peers, both in JavaScript's favour: the server of a sink counts messages and bytes
//! but does not look at the index of each, and of what comes back the length and the index are looked at alone. A call
//! is `hello` with a name as long as the others' bodies.

mod report;

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;

use self::report::wait;
use super::{Peer, STREAM_WINDOW};
use crate::compare::work::{Shape, Windows, Work};
use crate::measure::{Measured, Meter};
use crate::process::Worker;
use crate::record::latency::Recorder;
use crate::record::noise::Noise;
use crate::record::usage::Usage;
use crate::report::row::Ends;

/// Credit of a stream where the packages of this repository are left alone.
const DEFAULT_CREDIT: u32 = 64 << 10;

/// How long a client may outlive its deadline.
const GRACE: Duration = Duration::from_secs(5);

/// `push-mux` 1.0.7.
pub(super) const PUSH_MUX: Js =
    Js { name: "js-push-mux", package: "push-mux", about: "npm push-mux 1.0.7 on Node, TCP, corked writes" };

/// `muxrpc` 8.
pub(super) const MUXRPC: Js = Js {
    name: "js-muxrpc",
    package: "muxrpc",
    about: "npm muxrpc 8.0.0 on Node, TCP, senders wait for the socket",
};

/// `muxrpc` 8 over `secret-handshake` and `pull-box-stream`.
pub(super) const MUXRPC_SHS: Js = Js {
    name: "js-muxrpc-shs",
    package: "muxrpc-shs",
    about: "npm muxrpc 8.0.0 over multiserver 3.8.2 net~shs on Node, which leaves Nagle's algorithm on, so that what \
            waits for a reply waits 40 ms and more; nothing makes senders wait",
};

/// One of the npm packages.
#[derive(Debug)]
pub(super) struct Js {
    name: &'static str,
    package: &'static str,
    about: &'static str,
}

impl Peer for Js {
    fn name(&self) -> &'static str {
        self.name
    }

    fn settings(&self, windows: Windows) -> String {
        let credit = match windows {
            _ if !self.has_credit() => "no flow control of streams".to_owned(),
            Windows::Default => {
                format!("{} KiB credit a stream, without which the package has none", DEFAULT_CREDIT >> 10)
            }
            Windows::Equal => {
                format!("{} KiB credit a stream, no limit a connection", STREAM_WINDOW >> 10)
            }
        };
        format!("{}, {credit}, calls of hello", self.about)
    }

    fn refuses(&self, _work: &Work) -> Option<String> {
        missing(&folder(), self.package.trim_end_matches("-shs"))
    }

    fn serve(&self, work: &Work) -> anyhow::Result<()> {
        // It prints its port by itself, in a line that reads as `Ready`.
        let error = self.node("bench-server.mjs", work).stdin(Stdio::null()).exec();
        Err(error).context("cannot start node")
    }

    fn drive(&self, work: &Work, server: SocketAddr, meter: &Meter) -> anyhow::Result<Measured> {
        let before = Usage::of(meter.server());
        let mut command = self.node("bench-client.mjs", work);
        command
            .args(["--port", &server.port().to_string()])
            .args(["--patience", &meter.patience().as_secs_f64().to_string()])
            // Only for a client that outlives us: we end it at the deadline, and say more.
            .args(["--timeout", &(meter.deadline() + GRACE).as_millis().to_string()])
            .args(work_options(work));
        let mut client = Worker::start(&mut command)?;
        let (report, client_rss) = wait(&mut client, meter.patience(), meter.deadline())?;
        let after = Usage::of(meter.server());
        Ok(Measured {
            tally: report.tally(work),
            seconds: report.seconds,
            recorder: Recorder::new(),
            latency: report.latency_us,
            credit: None,
            cpu_seconds: Ends { server: after.cpu_seconds - before.cpu_seconds, client: report.cpu_seconds },
            rss_bytes: Ends { server: after.peak_rss_bytes, client: client_rss },
            noise: Noise::default(),
        })
    }
}

impl Js {
    /// Whether its streams have credit.
    fn has_credit(&self) -> bool {
        self.package == "push-mux"
    }

    fn node(&self, program: &str, work: &Work) -> Command {
        let credit = match work.windows {
            Windows::Default => DEFAULT_CREDIT,
            Windows::Equal => STREAM_WINDOW,
        };
        let mut command = Command::new("node");
        command.arg(folder().join(program)).args(["--peer", self.package]);
        if self.has_credit() {
            command.args(["--credit", &credit.to_string()]);
        }
        command
    }
}

/// The work in the client's words.
fn work_options(work: &Work) -> Vec<String> {
    let many = if work.shape == Shape::Async { "--concurrency" } else { "--depth" };
    let options = [
        ("--scenario", work.shape.to_string()),
        ("--streams", work.streams.to_string()),
        (many, work.depth.to_string()),
        ("--size", work.body.to_string()),
        ("--messages", work.messages().to_string()),
    ];
    options.into_iter().flat_map(|(option, value)| [option.to_owned(), value]).collect()
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
    use crate::compare::work::sample;

    #[test]
    fn what_is_missing_is_said() {
        let why = missing(Path::new("/nowhere"), "push-mux").expect("nothing is there");
        assert!(why.contains("Node is not installed") || why.contains("/nowhere holds no"), "{why}");
    }

    #[test]
    fn work_is_put_in_the_words_of_the_program() {
        assert_eq!(
            work_options(&sample(Shape::PingPong)).join(" "),
            "--scenario ping-pong --streams 3 --depth 2 --size 64 --messages 30"
        );
        assert!(work_options(&sample(Shape::Async)).join(" ").contains("--concurrency 2 "));
    }

    #[test]
    fn only_push_mux_is_given_credit_and_both_ends_the_same() {
        let equal = Work { windows: Windows::Equal, ..sample(Shape::Source) };
        let words = |peer: &Js, work: &Work| format!("{:?}", peer.node("bench-server.mjs", work));
        assert!(words(&PUSH_MUX, &equal).ends_with(r#""--credit" "1048576""#));
        assert!(words(&PUSH_MUX, &sample(Shape::Sink)).ends_with(r#""--credit" "65536""#));
        assert!(!words(&MUXRPC, &equal).contains("credit"));
    }
}
