//! What can be asked for on the command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::compare::peers;
use crate::scenario::SCENARIOS;

/// Load generator for push-mux: replication, streams and calls, and the same work over other multiplexers.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The modes, each with its own options.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Replicate feeds from a server of our own to many clients and check every byte
    Replicate(ReplicateOptions),
    /// Load a server of our own with streams or calls
    Mux(MuxOptions),
    /// Run the same work over several multiplexers, in turns
    Compare(CompareOptions),
    /// One side of one run of a comparison
    #[command(hide = true)]
    Peer {
        /// Which side.
        #[command(subcommand)]
        side: PeerSide,
    },
    /// Try to set up the network namespace that this process was started in
    #[command(hide = true)]
    Namespace {
        /// Congestion control to make the default.
        #[arg(long)]
        congestion: String,
    },
}

/// Options that every mode against a server of our own has.
#[derive(Clone, Debug, Args)]
pub(crate) struct CommonOptions {
    /// Connections at the same time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,

    /// Streams on each connection, or calls in flight on it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) streams: u32,

    /// Shards of the server; 0 means one for each core it may use
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) shards: usize,

    /// Receive window of a stream: bytes, with KiB or MiB if you like, or auto
    #[arg(long, value_name = "BYTES|auto", default_value = "auto")]
    pub(crate) credit: Window,

    /// When credit is negotiated
    #[arg(long, value_name = "MODE", value_enum, default_value_t = CreditMode::Auto)]
    pub(crate) credit_mode: CreditMode,

    /// What connections run over
    #[arg(long, value_enum, default_value_t = Transport::Tcp)]
    pub(crate) transport: Transport,

    /// One JSON object a row on standard output instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `loadgen replicate`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReplicateOptions {
    /// Feed messages to serve: JSON lines of messages, bare or as key, value and timestamp; made up when not given
    #[arg(long, value_name = "FILE")]
    pub(crate) feed: Option<PathBuf>,

    /// How many messages to make up, or to take from the file
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) messages: Option<u64>,

    /// Seed of the messages that are made up
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// What every mode has.
    #[command(flatten)]
    pub(crate) common: CommonOptions,
}

/// Options of `loadgen mux`.
#[derive(Clone, Debug, Args)]
pub(crate) struct MuxOptions {
    /// Which kind of method carries the load
    #[arg(long, value_enum, default_value_t = Method::Source)]
    pub(crate) scenario: Method,

    /// Size of a body in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = clap::value_parser!(u32).range(4..))]
    pub(crate) body: u32,

    /// Messages on each stream
    #[arg(long, value_name = "N", conflicts_with = "seconds", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) messages: Option<u64>,

    /// How long to keep going when no number of messages is given
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    pub(crate) seconds: f64,

    /// What every mode has.
    #[command(flatten)]
    pub(crate) common: CommonOptions,
}

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
    /// Which work.
    #[arg(long, value_parser = scenario_names())]
    pub(crate) scenario: String,
    /// How much of it.
    #[arg(long)]
    pub(crate) messages: u64,
    /// The core to stay on.
    #[arg(long)]
    pub(crate) core: Option<usize>,
}

/// A receive window: a size of its own, or one that adapts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// Grows and shrinks with the path.
    Auto,
    /// So many bytes.
    Bytes(u64),
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let unit = match unit {
            "" | "B" => 1,
            "k" | "K" | "KiB" => 1 << 10,
            "M" | "MiB" => 1 << 20,
            _ => return Err(format!("{unit:?} is no unit: use KiB, MiB or none")),
        };
        let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        bytes
            .filter(|&bytes| bytes > 0)
            .map(Self::Bytes)
            .ok_or_else(|| "neither auto nor a number of bytes".to_owned())
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Bytes(bytes) => write!(f, "{bytes}"),
        }
    }
}

/// Who begins to speak of credit on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CreditMode {
    /// We do, at once.
    Offer,
    /// The other side.
    Respond,
    /// We do, once the other side's manifest lists it.
    Auto,
    /// Nobody.
    Off,
}

/// What a connection runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// Loopback TCP.
    Tcp,
    /// A Unix socket.
    Unix,
}

/// The four kinds of method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Method {
    /// Server to client.
    Source,
    /// Client to server.
    Sink,
    /// Both ways at once.
    Duplex,
    /// Calls.
    Async,
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn windows_are_sizes_or_auto() {
        assert_eq!("auto".parse(), Ok(Window::Auto));
        assert_eq!("65536".parse(), Ok(Window::Bytes(65536)));
        assert_eq!("64KiB".parse(), Ok(Window::Bytes(65536)));
        assert_eq!("1MiB".parse(), Ok(Window::Bytes(1 << 20)));
        for bad in ["", "0", "KiB", "1GB", "-1", "99999999999999999999", "1 MiB"] {
            assert!(bad.parse::<Window>().is_err(), "{bad}");
        }
    }

    #[test]
    fn unknown_names_are_refused_with_the_known_ones() {
        let error = Cli::try_parse_from(["loadgen", "compare", "--peer", "carrier-pigeon"])
            .expect_err("no such peer");
        assert!(error.to_string().contains("tcp-coalesced"), "{error}");
    }

    #[test]
    fn replicate_takes_all_it_should() {
        let line = "loadgen replicate --feed f --connections 4 --streams 2 --shards 2 --credit 1MiB \
                    --credit-mode offer --json --transport unix --messages 9";
        let Command::Replicate(options) =
            Cli::try_parse_from(line.split_whitespace()).expect("valid").command
        else {
            panic!("another command")
        };
        assert_eq!((options.messages, options.common.credit), (Some(9), Window::Bytes(1 << 20)));
        assert_eq!(
            (options.common.credit_mode, options.common.transport),
            (CreditMode::Offer, Transport::Unix)
        );
    }
}
