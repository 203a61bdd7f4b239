//! `loadgen run`: scenarios against a server of ours, or one that is running already; every combination of settings a row.

mod trial;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};

pub(crate) use self::trial::{Job, drive};
use crate::cli::RunOptions;
use crate::machine::Machine;
use crate::netns::{self, Place};
use crate::plan::file::File;
use crate::plan::{ClientKind, Grid, Settings};
use crate::progress::Progress;
use crate::record::callgrind;
use crate::record::outcome::Outcome;
use crate::report::output::Output;
use crate::report::sum_up::{Subject, sum_up};
use crate::scenario::{self, Scenario};

/// What percentiles are of where feeds are replicated through a pub.
const PUBLISHED: &str = "publish to arrival";

/// One row to be: a scenario with settings.
pub(crate) struct Point {
    /// What is run.
    pub(crate) scenario: &'static dyn Scenario,
    /// How.
    pub(crate) settings: Settings,
}

/// Runs whatever the command line asks for.
pub(crate) fn run(options: &RunOptions) -> anyhow::Result<ExitCode> {
    let (points, runs) = points(options)?;
    anyhow::ensure!(
        !options.instructions || callgrind::is_there(),
        "--instructions needs valgrind, which is not installed"
    );
    let is_foreign = points.iter().any(|point| point.settings.server.is_some());
    // A server that runs already is in the machine's own network.
    let place = if options.place.no_namespace || is_foreign {
        Place::Shared
    } else {
        netns::enter(options.place.congestion())?
    };
    let machine = Machine::here();
    let mut output = Output::new(&options.output)?;
    let mut rows = Vec::new();
    let progress = Progress::new(points.len() as u64 * u64::from(runs));
    let mut is_clean = true;
    for point in &points {
        let outcomes = match repeat(point, runs, options, &progress) {
            Ok(outcomes) => outcomes,
            // What was measured until then is not thrown away.
            Err(error) if !rows.is_empty() => {
                vec![Outcome { errors: 1, ..Outcome::failure(format!("{error:#}")) }]
            }
            Err(error) => return Err(error),
        };
        let peer = point.settings.server.as_deref().unwrap_or("push-mux");
        let subject =
            Subject { scenario: point.scenario.name(), peer, settings: &point.settings, machine: &machine };
        let (mut row, intervals) = sum_up(subject, &outcomes);
        if options.instructions {
            progress.say(&format!("{}: counting instructions", point.scenario.name()));
            row.server_instructions_per_message = instructions(point, options)?;
        }
        is_clean &= row.errors == 0;
        if rows.is_empty() {
            // Not before something ran: what cannot be run is refused in one sentence.
            progress.around(|| output.introduce(&machine, &[place.describe()]));
        }
        let timed = if point.settings.protocol.is_some() { PUBLISHED } else { point.scenario.timed() };
        progress.around(|| output.row(&row, timed, &intervals))?;
        rows.push(row);
    }
    drop(progress);
    output.finish(&rows)?;
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn repeat(
    point: &Point,
    runs: u32,
    options: &RunOptions,
    progress: &Progress,
) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for at in 0..runs {
        let job = Job {
            scenario: point.scenario.name().to_owned(),
            settings: point.settings.clone(),
            patience: options.patience,
            dump: options.output.dump.clone().filter(|_| at == 0),
            count: None,
        };
        let name = point.scenario.name();
        let outcome = trial::run(&job, options.deadline, |done| {
            progress.say(&format!("{name}: run {} of {runs}, {done}", at + 1));
        })?;
        progress.advance(1);
        // A server that does not answer will not answer the next time either.
        let is_lost = outcome.failed.is_some() && outcome.messages == 0;
        outcomes.push(outcome);
        if is_lost {
            break;
        }
    }
    Ok(outcomes)
}

/// The server's instructions for a message: what a run of three times as many takes more, over the messages that it has
/// more. Nothing where the number of messages cannot be chosen.
fn instructions(point: &Point, options: &RunOptions) -> anyhow::Result<Option<f64>> {
    if !point.scenario.abilities().messages || point.settings.server.is_some() {
        return Ok(None);
    }
    let mut counted = Vec::new();
    for times in [1, 3] {
        let file = std::env::temp_dir().join(format!("loadgen-{}-{times}.callgrind", std::process::id()));
        let each = (callgrind::MESSAGES / u64::from(point.settings.streams)).max(1) * times;
        let settings = Settings { messages: Some(each), rate: None, ..point.settings.clone() };
        let job = Job {
            scenario: point.scenario.name().to_owned(),
            settings,
            patience: options.patience.max(60.0),
            dump: None,
            count: Some(file.clone()),
        };
        let outcome = trial::run(&job, options.deadline, |_| {})?;
        let count = callgrind::count(&file);
        // Left behind it would only be litter.
        let _best_effort = std::fs::remove_file(&file);
        anyhow::ensure!(
            outcome.failed.is_none(),
            "the run that counts instructions {}",
            outcome.failed.unwrap_or_default()
        );
        counted.push((count? as f64, outcome.messages as f64));
    }
    let [few, many] = [counted[0], counted[1]];
    Ok(Some((many.0 - few.0) / (many.1 - few.1)))
}

/// Everything that is to be run, with what cannot be run refused before any load.
fn points(options: &RunOptions) -> anyhow::Result<(Vec<Point>, u32)> {
    let path = Path::new(&options.what);
    let is_file = path.extension().is_some_and(|end| end == "toml");
    let (entries, runs) = if is_file {
        let file = File::load(path)?;
        let entries = file.run.iter().map(|entry| Ok((entry.scenario.clone(), entry.grid()?)));
        (entries.collect::<anyhow::Result<Vec<_>>>()?, file.runs)
    } else {
        (vec![(options.what.clone(), Grid::default())], None)
    };
    let mut points = Vec::new();
    for (name, grid) in entries {
        points.extend(points_of(&name, options.grid.clone().over(&grid), options)?);
    }
    Ok((points, options.runs.or(runs).unwrap_or(1)))
}

fn points_of(name: &str, grid: Grid, options: &RunOptions) -> anyhow::Result<Vec<Point>> {
    let Some(scenario) = scenario::find(name) else {
        let known: Vec<_> = scenario::all().iter().map(|scenario| scenario.name()).collect();
        bail!("there is no scenario {name:?}; there are {}, and files that end in .toml", known.join(", "))
    };
    let mut defaults = scenario.defaults();
    defaults.congestion.clone_from(&options.place.congestion);
    let mut settings = grid.points(&defaults).map_err(|why| anyhow::anyhow!("{name}: {why}"))?;
    settings.iter_mut().for_each(|settings| scenario.settle(settings));
    let dumps = options.output.dump.is_some();
    anyhow::ensure!(
        !dumps || settings.len() == 1,
        "--dump is of one combination, and there are {}",
        settings.len()
    );
    for settings in &settings {
        anyhow::ensure!(!dumps || settings.client == ClientKind::Light, "--dump goes with the light client");
        if let Some(why) = scenario::refusal(scenario, settings) {
            bail!("{why}");
        }
        if let Some(server) = &settings.server {
            server.parse::<push_mux::Address>().with_context(|| format!("{server:?} is no address"))?;
        }
    }
    Ok(settings.into_iter().map(|settings| Point { scenario, settings }).collect())
}

/// `loadgen list`.
pub(crate) fn list() {
    for scenario in scenario::all() {
        let [what, why] = scenario.about();
        println!("{:17} {:4} {what}\n{:22} {why}", scenario.name(), scenario.workload(), "");
    }
}

/// One run of a job, for comparisons.
///
/// # Errors
/// Why it could not begin.
pub(crate) fn once(job: &Job) -> anyhow::Result<Outcome> {
    trial::run(job, None, |_| {})
}
