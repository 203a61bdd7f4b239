//! Options of runs.

use clap::Args;

use super::OutputOptions;
use crate::plan::{Grid, positive};

/// Seconds that no message may come for.
const PATIENCE: f64 = 10.0;

/// Options of `loadgen run`.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunOptions {
    /// Name of a scenario (see `loadgen list`), or a file of them that ends in .toml
    #[arg(value_name = "SCENARIO|FILE.toml")]
    pub(crate) what: String,

    /// What each run is.
    #[command(flatten)]
    pub(crate) grid: Grid,

    /// Runs of each combination, in processes of their own; medians and spreads are printed [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: Option<u32>,

    /// Seconds after which a run is given up [default: what it measures and 120, or 720 where messages are numbered]
    #[arg(long, value_name = "S", value_parser = positive)]
    pub(crate) deadline: Option<f64>,

    /// Seconds without a message after which a run counts as stalled
    #[arg(long, value_name = "S", default_value_t = PATIENCE, value_parser = positive)]
    pub(crate) patience: f64,

    /// Count the server's machine instructions for each message in two more runs (needs valgrind)
    #[arg(long)]
    pub(crate) instructions: bool,

    /// Where.
    #[command(flatten)]
    pub(crate) place: PlaceOptions,

    /// Where results go.
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// Options of `loadgen replicate`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReplicateOptions {
    /// What each run is.
    #[command(flatten)]
    pub(crate) grid: Grid,

    /// Runs of each combination, in processes of their own; medians and spreads are printed [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: Option<u32>,

    /// Where.
    #[command(flatten)]
    pub(crate) place: PlaceOptions,

    /// Where results go.
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

impl From<ReplicateOptions> for RunOptions {
    fn from(options: ReplicateOptions) -> Self {
        let ReplicateOptions { grid, runs, place, output } = options;
        Self {
            what: "replicate".to_owned(),
            grid,
            runs,
            deadline: None,
            patience: PATIENCE,
            instructions: false,
            place,
            output,
        }
    }
}

/// Where runs take place.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PlaceOptions {
    /// Congestion control of all connections [default: reno inside the namespace, the system's outside]
    #[arg(long, value_name = "NAME")]
    pub(crate) congestion: Option<String>,

    /// Stay in the machine's network namespace and its congestion control
    #[arg(long)]
    pub(crate) no_namespace: bool,
}

impl PlaceOptions {
    /// What a namespace of our own is set to: one that does not pace loopback.
    pub(crate) fn congestion(&self) -> &str {
        self.congestion.as_deref().unwrap_or("reno")
    }
}
