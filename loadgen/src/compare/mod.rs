//! The same work over different multiplexers, in turns, on the same two cores.
//!
//! A comparison runs every scenario in rounds; in a round every peer runs once, in an order that [`plan`] changes from
//! round to round. A run is two processes of this program ([`trial`]): a server pinned to one core and a client pinned
//! to another, both single-threaded. What a peer does in them is its implementation of [`peers::Peer`].
//! Before the first round each peer's speed is learned in two short runs that do not count, so that all run about
//! equally long; with a fixed number of messages one such run warms up.
//! Peers that stall, refuse or break are named with the reason and left out of the scenario's further rounds.

pub(crate) mod failure;
pub(crate) mod peers;
pub(crate) mod plan;
pub(crate) mod rally;
pub(crate) mod summary;
pub(crate) mod trial;
pub(crate) mod verify;
pub(crate) mod work;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;

use self::peers::Peer;
use self::summary::Summary;
use self::trial::Bench;
use self::work::Windows;
use crate::cli::CompareOptions;
use crate::machine::{self, Machine};
use crate::netns::{self, Place};
use crate::progress::Progress;
use crate::row::Row;
use crate::scenario::{SCENARIOS, Scenario};
use crate::table;

/// Runs `loadgen compare`.
pub(crate) fn run(options: &CompareOptions) -> anyhow::Result<ExitCode> {
    let place = if options.no_namespace { Place::Shared } else { netns::enter(&options.congestion)? };
    let comparison = Comparison::new(options)?;
    comparison.introduce(&place);
    let mut clean = true;
    let progress = Progress::new(comparison.steps());
    for scenario in &comparison.scenarios {
        clean &= comparison.scenario(scenario, &progress);
    }
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Comparison<'a> {
    options: &'a CompareOptions,
    scenarios: Vec<&'static Scenario>,
    peers: Vec<&'static dyn Peer>,
    bench: Bench,
}

/// A peer that takes part in a scenario, and what it has achieved so far.
struct Entrant {
    peer: &'static dyn Peer,
    messages: u64,
    rounds: Vec<Option<Row>>,
    failed: Option<String>,
}

impl<'a> Comparison<'a> {
    fn new(options: &'a CompareOptions) -> anyhow::Result<Self> {
        let scenarios =
            SCENARIOS.iter().filter(|scenario| chosen(&options.scenario, scenario.name)).collect();
        let peers = peers::all().iter().copied().filter(|peer| chosen(&options.peer, peer.name())).collect();
        let (first, second) = machine::two_cores()?;
        let bench = Bench {
            server_core: options.server_core.unwrap_or(first),
            client_core: options.client_core.unwrap_or(second),
            patience: Duration::try_from_secs_f64(options.patience).context("--patience is not a time")?,
            deadline: Duration::try_from_secs_f64(options.patience * 2.0 + options.seconds * 10.0 + 60.0)
                .context("--seconds is not a time")?,
        };
        Ok(Self { options, scenarios, peers, bench })
    }

    /// Says where the figures come from: above the tables, or beside the objects.
    fn introduce(&self, place: &Place) {
        let Bench { server_core, client_core, .. } = self.bench;
        let mut lines = vec![
            format!("{}, {}", Machine::here(), place.describe()),
            format!(
                "server on core {server_core}, client on core {client_core}, {} rounds",
                self.options.runs
            ),
        ];
        if server_core == client_core {
            lines.push("both processes share one core: ratios hold, rates do not".to_owned());
        }
        lines.extend(
            self.peers.iter().map(|peer| format!("{}: {}", peer.name(), peer.settings(Windows::Default))),
        );
        for line in lines {
            if self.options.json { eprintln!("{line}") } else { println!("{line}") }
        }
    }

    fn steps(&self) -> u64 {
        (self.scenarios.len() * self.peers.len() * (self.options.runs + 1)) as u64
    }

    /// Runs one scenario and prints what came out; whether every message was right.
    fn scenario(&self, scenario: &'static Scenario, progress: &Progress) -> bool {
        let mut entrants = Vec::new();
        let mut remarks = Vec::new();
        for &peer in &self.peers {
            match peer.refuses(&scenario.work(self.options.messages.unwrap_or(1))) {
                Some(why) => {
                    remarks.push(format!("{}: skipped, {why}", peer.name()));
                    progress.advance(self.options.runs as u64 + 1);
                }
                None => entrants.push(self.warm_up(peer, scenario, progress)),
            }
        }
        for round in 0..self.options.runs {
            for at in plan::order(round, entrants.len()) {
                self.round(&mut entrants[at], scenario, progress);
            }
        }
        let base = entrants.iter().find(|entrant| entrant.peer.name() == self.options.base);
        if base.is_none() {
            remarks.push(format!("no ratios: {} takes no part", self.options.base));
        }
        let base = base.map_or(&[][..], |entrant| &entrant.rounds);
        let summaries: Vec<Summary> =
            entrants.iter().filter_map(|entrant| Summary::of(&entrant.rounds, base)).collect();
        let failures =
            entrants.iter().filter_map(|entrant| entrant.failed.as_ref().map(|why| (entrant.peer, why)));
        remarks.extend(failures.map(|(peer, why)| format!("{}: {why}", peer.name())));
        progress.around(|| self.print(scenario, &summaries, &remarks));
        summaries.iter().all(|summary| summary.row.errors == 0)
            && entrants
                .iter()
                .all(|entrant| entrant.failed.is_none() || entrant.peer.name() != self.options.base)
    }

    /// Learns how many messages the peer moves in the time of a run.
    fn warm_up(&self, peer: &'static dyn Peer, scenario: &'static Scenario, progress: &Progress) -> Entrant {
        let mut entrant =
            Entrant { peer, messages: plan::first_try(scenario), rounds: Vec::new(), failed: None };
        let mut seconds = vec![self.options.seconds / 4.0, self.options.seconds];
        if let Some(messages) = self.options.messages {
            entrant.messages = messages;
            seconds = vec![0.0];
        }
        for seconds in seconds {
            match self.try_once(&entrant, scenario, progress) {
                Ok(row) if self.options.messages.is_none() => {
                    entrant.messages = plan::messages_for(seconds, row.messages_per_second);
                }
                Ok(_warmed_up) => {}
                Err(why) => {
                    entrant.failed = Some(format!("{why}, while warming up"));
                    break;
                }
            }
        }
        progress.advance(1);
        entrant
    }

    fn round(&self, entrant: &mut Entrant, scenario: &'static Scenario, progress: &Progress) {
        let mut row = None;
        if entrant.failed.is_none() {
            match self.try_once(entrant, scenario, progress) {
                Ok(done) => row = Some(done),
                Err(why) => entrant.failed = Some(format!("{why}, in round {}", entrant.rounds.len() + 1)),
            }
        }
        entrant.rounds.push(row);
        progress.advance(1);
    }

    fn try_once(
        &self,
        entrant: &Entrant,
        scenario: &'static Scenario,
        progress: &Progress,
    ) -> Result<Row, String> {
        let name = entrant.peer.name();
        progress.say(&format!("{} {name}", scenario.name));
        let work = scenario.work(entrant.messages);
        let row = trial::run(name, &work, &self.bench).map_err(|failure| failure.failed)?;
        Ok(Row { scenario: scenario.name.to_owned(), ..row })
    }

    fn print(&self, scenario: &Scenario, summaries: &[Summary], remarks: &[String]) {
        if self.options.json {
            for summary in summaries {
                println!("{}", serde_json::to_string(summary).expect("a summary is plain data"));
            }
            for remark in remarks {
                eprintln!("{}: {remark}", scenario.name);
            }
            return;
        }
        println!("\n{}: {}", scenario.name, scenario.about);
        if !summaries.is_empty() {
            println!("{}", table::compared(summaries, &self.options.base));
        }
        for remark in remarks {
            println!("{remark}");
        }
    }
}

/// Nothing named means all.
fn chosen(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|wanted| wanted == name)
}
