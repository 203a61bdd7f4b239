//! The same work over different multiplexers, in turns, on the same two cores.
//!
//! A comparison runs every work in rounds; in a round every peer runs once, in an order that [`plan`] changes from
//! round to round. A run is two processes of this program ([`trial`]): a server pinned to one core and a client pinned
//! to another, both single-threaded. What a peer does in them is its implementation of [`peers::Peer`].
//! Before the first round each peer's speed is learned in two short runs that do not count, so that all run about
//! equally long; with a fixed number of messages one such run warms up.
//! Peers that stall, refuse or break are named with the reason and left out of the further rounds.

mod entrant;
pub(crate) mod failure;
pub(crate) mod peers;
pub(crate) mod plan;
pub(crate) mod rally;
pub(crate) mod trial;
pub(crate) mod verify;
pub(crate) mod work;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};

use self::entrant::{Contest, Entrant, Who};
use self::trial::Bench;
use self::work::Shape;
use crate::cli::CompareOptions;
use crate::machine::{self, Machine};
use crate::netns::{self, Place};
use crate::plan::file::File;
use crate::plan::{ClientKind, Grid, Settings, Transport};
use crate::progress::Progress;
use crate::report::markdown;
use crate::report::output::Output;
use crate::report::row::{Ratio, Row};
use crate::report::spread::Spread;
use crate::report::sum_up::{Subject, sum_up};
use crate::report::table;

/// What is compared when nothing is said.
const STANDARD: &str = include_str!("../../scenarios/compare.toml");

/// Runs `loadgen compare`.
pub(crate) fn run(options: &CompareOptions) -> anyhow::Result<ExitCode> {
    let (works, runs, mut names) = works(options)?;
    if options.output.hdr.is_some() || options.output.dump.is_some() {
        bail!("a comparison writes no log and no dump: its peers have no intervals in common");
    }
    for name in &names {
        if !peers::all().iter().any(|peer| peer.name() == name) {
            bail!("there is no peer {name:?}");
        }
    }
    let has_server = works.iter().any(|(_, settings)| settings.server.is_some());
    let place = if options.place.no_namespace || has_server {
        Place::Shared
    } else {
        netns::enter(options.place.congestion())?
    };
    if !options.peer.is_empty() {
        names.clone_from(&options.peer);
    }
    let comparison =
        Comparison { options, runs, who: who(&names), bench: bench(options)?, machine: Machine::here() };
    let mut output = Output::new(&options.output)?;
    comparison.introduce(&works, &place, &output);
    let progress = Progress::new(works.len() as u64 * comparison.who.len() as u64 * (u64::from(runs) + 1));
    let mut rows = Vec::new();
    let mut is_clean = true;
    for (scenario, settings) in &works {
        let (found, is_right) = comparison.work(scenario, settings, &progress, &mut output)?;
        rows.extend(found);
        is_clean &= is_right;
    }
    drop(progress);
    output.finish_silently(&rows)?;
    if let Some(path) = &options.into {
        markdown::replace(path, &rows, &options.base)?;
    }
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Scenario and settings of everything that is to be done.
type Works = Vec<(String, Settings)>;

fn works(options: &CompareOptions) -> anyhow::Result<(Works, u32, Vec<String>)> {
    let file = match options.what.as_deref() {
        None => File::parse(STANDARD)?,
        Some(path) if path.ends_with(".toml") => File::load(path.as_ref())?,
        Some(name) => File { run: vec![crate::plan::file::Entry::of(name)], ..File::default() },
    };
    let mut works = Vec::new();
    for entry in &file.run {
        let grid: Grid = options.grid.clone().over(&entry.grid()?);
        if Shape::of(&entry.scenario).is_none() {
            bail!(
                "{:?} cannot be compared: source, sink, ping-pong and async can, and files that end in .toml",
                entry.scenario
            );
        }
        let defaults = Settings {
            duration: 2.0,
            warmup: 0.0,
            // Every peer brings its own: ours is the framework's.
            client: ClientKind::Framework,
            congestion: options.place.congestion.clone(),
            ..Settings::base()
        };
        let points = grid.points(&defaults).map_err(|why| anyhow::anyhow!("{}: {why}", entry.scenario))?;
        for settings in points {
            if settings.connections > 1 || settings.rate.is_some() || settings.shards > 1 {
                bail!("peers are compared over one connection, at full speed, on one core each");
            }
            let chosen = Settings {
                streams: settings.streams,
                body: settings.body,
                depth: settings.depth,
                messages: settings.messages,
                duration: settings.duration,
                windows: settings.windows,
                server: settings.server.clone(),
                method: settings.method.clone(),
                args: settings.args.clone(),
                network_key: settings.network_key.clone(),
                ..defaults.clone()
            };
            if chosen != settings {
                bail!(
                    "a comparison takes body, streams, depth, messages, duration and windows; the rest is each peer's own"
                );
            }
            works.push((entry.scenario.clone(), settings));
        }
    }
    Ok((works, options.runs.or(file.runs).unwrap_or(5), file.peers))
}

fn who(names: &[String]) -> Vec<Who> {
    let chosen = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    peers::all().iter().copied().filter(|peer| chosen(peer.name())).map(Who::Peer).collect()
}

fn bench(options: &CompareOptions) -> anyhow::Result<Bench> {
    let (first, second) = machine::two_cores()?;
    Ok(Bench {
        server_core: options.server_core.unwrap_or(first),
        client_core: options.client_core.unwrap_or(second),
        patience: Duration::try_from_secs_f64(options.patience).context("--patience is not a time")?,
        deadline: Duration::try_from_secs_f64(options.deadline.unwrap_or(options.patience * 2.0 + 90.0))
            .context("--deadline is not a time")?,
    })
}

struct Comparison<'a> {
    options: &'a CompareOptions,
    runs: u32,
    who: Vec<Who>,
    bench: Bench,
    machine: Machine,
}

impl Comparison<'_> {
    /// Says where the figures come from.
    fn introduce(&self, works: &Works, place: &Place, output: &Output<'_>) {
        let Bench { server_core, client_core, .. } = self.bench;
        let rounds = table::counted(self.runs, "round");
        let mut lines = vec![
            place.describe(),
            format!("server on core {server_core}, client on core {client_core}, {rounds}"),
        ];
        if server_core == client_core {
            lines.push("both processes share one core: ratios hold, rates do not".to_owned());
        }
        let mut windows: Vec<_> = works.iter().map(|(_, settings)| settings.windows).collect();
        windows.dedup();
        for who in &self.who {
            if let Who::Peer(peer) = who {
                lines.extend(
                    windows.iter().map(|windows| format!("{}: {}", peer.name(), peer.settings(*windows))),
                );
            }
        }
        output.introduce(&self.machine, &lines);
    }

    /// Compares one work and prints what came out; whether every message was right.
    fn work(
        &self,
        scenario: &str,
        settings: &Settings,
        progress: &Progress,
        output: &mut Output<'_>,
    ) -> anyhow::Result<(Vec<Row>, bool)> {
        let shape = Shape::of(scenario).context("checked when the works were read")?;
        let contest = Contest { scenario, shape, settings, bench: &self.bench };
        let mut remarks = Vec::new();
        let mut entrants: Vec<Entrant> = Vec::new();
        let mut all = self.who.clone();
        all.extend(settings.server.clone().map(Who::Server));
        for who in all {
            progress.say(&format!("{scenario} {}", who.name()));
            match contest.refusal(&who) {
                Some(why) => {
                    remarks.push(format!("{}: skipped, {why}", who.name()));
                    progress.advance(u64::from(self.runs) + 1);
                }
                None => {
                    entrants.push(contest.warm_up(who));
                    progress.advance(1);
                }
            }
        }
        for round in 0..self.runs as usize {
            for at in plan::order(round, entrants.len()) {
                progress.say(&format!("{scenario} {}", entrants[at].who.name()));
                contest.round(&mut entrants[at]);
                progress.advance(1);
            }
        }
        let base = entrants.iter().find(|entrant| entrant.who.name() == self.options.base);
        if base.is_none() {
            remarks.push(format!("no ratios: {} takes no part", self.options.base));
        }
        let base_failed = base.is_some_and(|base| base.failed.is_some());
        let rows: Vec<Row> = entrants.iter().map(|entrant| self.row(&contest, entrant, base)).collect();
        progress.around(|| self.print(&contest, &rows, &remarks, output))?;
        let is_right = rows.iter().all(|row| row.failed.is_some() || row.errors == 0) && !base_failed;
        Ok((rows, is_right))
    }

    fn row(&self, contest: &Contest<'_>, entrant: &Entrant, base: Option<&Entrant>) -> Row {
        let name = entrant.who.name();
        let transport = if name.ends_with("-shs") { Transport::Shs } else { Transport::Tcp };
        let settings = Settings { server: None, transport, ..contest.settings.clone() };
        let subject =
            Subject { scenario: contest.scenario, peer: &name, settings: &settings, machine: &self.machine };
        let outcomes: Vec<_> = entrant.rounds.iter().flatten().cloned().collect();
        let (mut row, _) = sum_up(subject, &outcomes);
        row.failed.clone_from(&entrant.failed);
        let ratios = base.and_then(|base| Spread::of(entrant.ratios(base)));
        row.ratio = ratios.map(|spread| Ratio { base: self.options.base.clone(), spread });
        row
    }

    fn print(
        &self,
        contest: &Contest<'_>,
        rows: &[Row],
        remarks: &[String],
        output: &mut Output<'_>,
    ) -> anyhow::Result<()> {
        for row in rows {
            let json = serde_json::to_string(row)?;
            if self.options.output.json {
                println!("{json}");
            }
            output.file(row, &json, &[])?;
        }
        if !self.options.output.json {
            println!("\n{}", contest.describe());
            println!("{}", table::compared(rows, &self.options.base));
        }
        remarks.iter().for_each(|remark| output.remark(remark));
        Ok(())
    }
}
