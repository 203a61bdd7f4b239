//! Options of the comparison and of the two sides of its runs.

use clap::{Args, Subcommand};

use crate::compare::peers;
use crate::compare::work::Work;
use crate::scenario::SCENARIOS;

/// Options of `loadgen compare`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CompareOptions {
    /// Work to do, may be given several times; all when not given
    #[arg(long, value_name = "NAME", value_parser = scenario_names())]
    pub(crate) scenario: Vec<String>,

    /// Who does it, may be given several times; all when not given
    #[arg(long, value_name = "NAME", value_parser = peer_names())]
    pub(crate) peer: Vec<String>,

    /// Rounds in which every peer runs once
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = at_least_one)]
    pub(crate) runs: usize,

    /// How long a run takes, about; the number of messages follows from each peer's speed
    #[arg(long, value_name = "S", default_value_t = 2.0, conflicts_with = "messages")]
    pub(crate) seconds: f64,

    /// Messages in a run, the same for every peer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) messages: Option<u64>,

    /// The peer that the others' ratios refer to
    #[arg(long, value_name = "NAME", default_value = "push-mux")]
    pub(crate) base: String,

    /// Seconds without a message after which a run counts as stalled
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    pub(crate) patience: f64,

    /// Congestion control inside the network namespace
    #[arg(long, value_name = "NAME", default_value = "reno")]
    pub(crate) congestion: String,

    /// Stay in the machine's network namespace and its congestion control
    #[arg(long)]
    pub(crate) no_namespace: bool,

    /// Core for the servers, instead of the first one allowed
    #[arg(long, value_name = "CORE")]
    pub(crate) server_core: Option<usize>,

    /// Core for the clients, instead of the next physical one
    #[arg(long, value_name = "CORE")]
    pub(crate) client_core: Option<usize>,

    /// One JSON object a peer and scenario on standard output instead of tables
    #[arg(long)]
    pub(crate) json: bool,
}

/// The two sides of a run.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum PeerSide {
    /// Serve one connection and print the port
    Serve(PeerOptions),
    /// Dial, measure and print a row
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
    #[arg(long, value_name = "JSON", value_parser = work)]
    pub(crate) work: Work,
    /// The core to stay on.
    #[arg(long)]
    pub(crate) core: Option<usize>,
}

fn work(json: &str) -> Result<Work, serde_json::Error> {
    serde_json::from_str(json)
}

fn scenario_names() -> clap::builder::PossibleValuesParser {
    SCENARIOS.iter().map(|scenario| scenario.name).collect::<Vec<_>>().into()
}

fn peer_names() -> clap::builder::PossibleValuesParser {
    peers::all().iter().map(|peer| peer.name()).collect::<Vec<_>>().into()
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&number| number > 0).ok_or_else(|| "at least 1".to_owned())
}
