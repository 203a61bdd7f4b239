//! Options of the comparison and of the two sides of its runs.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{OutputOptions, PlaceOptions};
use crate::compare::peers;
use crate::compare::work::Work;
use crate::plan::Grid;

/// Options of `loadgen compare`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CompareOptions {
    /// source, sink, ping-pong or async, or a file of them that ends in .toml; the standard ones when not given
    #[arg(value_name = "SCENARIO|FILE.toml")]
    pub(crate) what: Option<String>,

    /// Who takes part, may be given several times or with commas; all when not given
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = peer_names())]
    pub(crate) peer: Vec<String>,

    /// The peer that the others' ratios refer to
    #[arg(long, value_name = "NAME", default_value = "push-mux")]
    pub(crate) base: String,

    /// Rounds in which every peer runs once [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: Option<u32>,

    /// What is done. The number of messages follows from each peer's speed and --duration, or is the same for all
    #[command(flatten)]
    pub(crate) grid: Grid,

    /// Seconds without a message after which a run counts as stalled
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    pub(crate) patience: f64,

    /// Seconds after which a run is given up [default: twice the patience and 90]
    #[arg(long, value_name = "S")]
    pub(crate) deadline: Option<f64>,

    /// Core for the servers, instead of the first one allowed
    #[arg(long, value_name = "CORE")]
    pub(crate) server_core: Option<usize>,

    /// Core for the clients, instead of the next physical one
    #[arg(long, value_name = "CORE")]
    pub(crate) client_core: Option<usize>,

    /// Write the ratios into a Markdown file, between the lines `<!-- figures: begin -->` and `<!-- figures: end -->`
    #[arg(long, value_name = "FILE.md")]
    pub(crate) into: Option<PathBuf>,

    /// Where.
    #[command(flatten)]
    pub(crate) place: PlaceOptions,

    /// Where results go.
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// The two sides of a run.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum PeerSide {
    /// Serve one connection and print the port
    Serve(PeerOptions),
    /// Dial, measure and print an outcome
    Drive {
        /// What both sides have.
        #[command(flatten)]
        peer: PeerOptions,
        /// Port of the server on loopback.
        #[arg(long)]
        port: u16,
        /// Its process.
        #[arg(long)]
        server_process: u32,
        /// Seconds without a message that mean a stall.
        #[arg(long)]
        patience: f64,
        /// Seconds that the run may take.
        #[arg(long)]
        deadline: f64,
    },
}

/// What both sides of a run are told.
#[derive(Clone, Debug, Args)]
pub(crate) struct PeerOptions {
    /// Which peer.
    #[arg(long, value_parser = peer_names())]
    pub(crate) peer: String,
    /// Which work, as JSON.
    #[arg(long, value_parser = work)]
    pub(crate) work: Work,
    /// The core to stay on.
    #[arg(long)]
    pub(crate) core: Option<usize>,
}

fn peer_names() -> clap::builder::PossibleValuesParser {
    peers::all().iter().map(|peer| peer.name()).collect::<Vec<_>>().into()
}

fn work(text: &str) -> Result<Work, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}
