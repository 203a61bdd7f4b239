//! One run of one peer: a server process, a client process, a deadline for both.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::work::Work;
use crate::process::{Silence, Worker};
use crate::record::outcome::Outcome;

/// How long a server may take to listen.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// The line a server prints once it listens; it may say more than this.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// The port, on loopback.
    pub(crate) port: u16,
}

impl Ready {
    /// Tells the process that reads this one's standard output.
    pub(crate) fn announce(port: u16) {
        println!("{}", serde_json::to_string(&Self { port }).expect("a number is JSON"));
    }
}

/// Where the two processes run, and how patient we are with them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bench {
    /// Core of the server.
    pub(crate) server_core: usize,
    /// Core of the client.
    pub(crate) client_core: usize,
    /// How long no message may come before the run is called stalled.
    pub(crate) patience: Duration,
    /// How long a run may take altogether.
    pub(crate) deadline: Duration,
}

/// Runs it; an outcome, or why there is none. No process is left when it returns.
pub(crate) fn run(peer: &str, work: &Work, bench: &Bench) -> Result<Outcome, Failure> {
    let mut server = start("serve", peer, work, bench.server_core, &[])?;
    let ready = match server.line(READY_WITHIN) {
        Ok(line) => serde_json::from_str::<Ready>(&line)
            .map_err(|_| Failure::broken(format!("the server said {line:?} instead of its port")))?,
        Err(silence) => return Err(ended("the server", silence, READY_WITHIN, &mut server)),
    };
    let more = [
        ("--port", ready.port.to_string()),
        ("--server-process", server.id().to_string()),
        ("--patience", bench.patience.as_secs_f64().to_string()),
        ("--deadline", bench.deadline.as_secs_f64().to_string()),
    ];
    let mut client = start("drive", peer, work, bench.client_core, &more)?;
    // The client gives up by itself and says more; this is for one that cannot.
    match client.line(bench.deadline + READY_WITHIN) {
        Ok(line) => read(&line),
        Err(silence) => {
            let failure = ended("the client", silence, bench.deadline, &mut client);
            let servers_words = server.end();
            if servers_words.is_empty() {
                return Err(failure);
            }
            Err(Failure::broken(format!("{failure}; the server: {servers_words}")))
        }
    }
}

fn start(
    side: &str,
    peer: &str,
    work: &Work,
    core: usize,
    more: &[(&str, String)],
) -> Result<Worker, Failure> {
    let mut arguments = vec!["peer".to_owned(), side.to_owned()];
    let options = [
        ("--peer", peer.to_owned()),
        ("--work", serde_json::to_string(work).map_err(Failure::broken)?),
        ("--core", core.to_string()),
    ];
    for (option, value) in options.iter().chain(more) {
        arguments.extend([(*option).to_owned(), value.clone()]);
    }
    Worker::again(&arguments).map_err(Failure::broken)
}

fn read(line: &str) -> Result<Outcome, Failure> {
    serde_json::from_str(line)
        .map_err(|_| Failure::broken(format!("the client said {line:?} instead of an outcome")))
}

fn ended(who: &str, silence: Silence, patience: Duration, worker: &mut Worker) -> Failure {
    let words = worker.end();
    let separator = if words.is_empty() { "" } else { ": " };
    Failure::broken(match silence {
        Silence::TimedOut => {
            format!("{who} was not done after {} s{separator}{words}", patience.as_secs_f64())
        }
        Silence::Ended => format!("{who} ended without a word of success{separator}{words}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_answers_with_an_outcome() {
        let outcome = read(r#"{"messages":3,"seconds":2.0}"#).expect("an outcome");
        assert_eq!((outcome.messages, outcome.failed), (3, None));
        assert!(read("Segmentation fault").expect_err("neither").failed.contains("Segmentation"));
    }
}
