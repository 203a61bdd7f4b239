//! One run: a process of its own that is the client and starts the server, and a deadline for both.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::framework::Lost;
use crate::plan::Settings;
use crate::process::{self, Silence, Worker};
use crate::record::outcome::Outcome;
use crate::scenario::{self, Stage};

/// How long a run may take beyond what it measures: starting, connecting, draining, and the patience with a server that says
/// nothing.
const SLACK: Duration = Duration::from_secs(120);

/// How long a run without a duration may take.
const UNTIMED_MAX: Duration = Duration::from_secs(600);

/// How often somebody who watches is told.
const TICK: Duration = Duration::from_millis(200);

/// What the process of a run is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// Name of the scenario.
    pub(crate) scenario: String,
    /// How it is run.
    pub(crate) settings: Settings,
    /// Seconds that no message may come for.
    pub(crate) patience: f64,
    /// Where every recorded time is written.
    pub(crate) dump: Option<PathBuf>,
    /// Where the server's instructions are counted.
    pub(crate) count: Option<PathBuf>,
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Measured(Box<Outcome>),
    /// It could not even begin.
    Cannot(String),
}

impl Job {
    fn deadline(&self) -> Duration {
        let Settings { duration, warmup, messages, .. } = self.settings;
        let timed = Duration::from_secs_f64(duration + warmup);
        SLACK + if messages.is_some() { UNTIMED_MAX.max(timed) } else { timed }
    }
}

/// Runs it and waits, telling `tick` how it goes.
///
/// # Errors
/// Why the run could not begin. A run that broke off, or was not done in time, is an outcome.
pub(crate) fn run(job: &Job, deadline: Option<f64>, tick: impl Fn(&str)) -> anyhow::Result<Outcome> {
    let deadline = deadline.map_or_else(|| job.deadline(), Duration::from_secs_f64);
    let mut worker = Worker::again(&["drive".to_owned(), serde_json::to_string(job)?])?;
    let began = Instant::now();
    loop {
        match worker.line(TICK) {
            Ok(line) => {
                let answer =
                    serde_json::from_str(&line).with_context(|| format!("a run said {line:.200}"))?;
                return match answer {
                    Answer::Measured(outcome) => Ok(*outcome),
                    Answer::Cannot(why) => bail!("{why}"),
                };
            }
            Err(Silence::Ended) => {
                return Ok(Outcome {
                    errors: 1,
                    ..Outcome::failure(format!("the client ended: {}", worker.end()))
                });
            }
            Err(Silence::TimedOut) => {}
        }
        tick(&format!("{:.0} s", began.elapsed().as_secs_f64()));
        if began.elapsed() >= deadline {
            let words = worker.end();
            let why = format!("not done after {} s {words}", deadline.as_secs_f64());
            return Ok(Outcome { errors: 1, ..Outcome::failure(why.trim_end()) });
        }
    }
}

/// The process of a run.
pub(crate) fn drive(text: &str) -> anyhow::Result<ExitCode> {
    process::die_with_parent();
    let job: Job = serde_json::from_str(text)?;
    let scenario = scenario::find(&job.scenario).context("no such scenario")?;
    let patience = Duration::from_secs_f64(job.patience);
    let answer =
        match scenario.drive(&Stage { settings: job.settings, patience, dump: job.dump, count: job.count }) {
            Ok(mut outcome) => {
                let is_silent = outcome.messages == 0 && outcome.seconds > 0.0 && outcome.failed.is_none();
                outcome.wrong(u64::from(is_silent), || "no message came".to_owned());
                Answer::Measured(Box::new(outcome))
            }
            Err(error) if error.is::<Lost>() => {
                Answer::Measured(Box::new(Outcome { errors: 1, ..Outcome::failure(format!("{error:#}")) }))
            }
            Err(error) => Answer::Cannot(format!("{error:#}")),
        };
    println!("{}", serde_json::to_string(&answer)?);
    // Threads that hang on a server that does are not waited for.
    std::process::exit(0)
}
