//! Options of the modes that load a server of our own.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use push_mux::CreditMode;
use push_mux::mux::Credit;

/// Messages that are made up when neither a file nor a number is given.
const MESSAGES: u64 = 10_000;

/// Options that every mode against a server of our own has.
#[derive(Clone, Debug, Args)]
pub(crate) struct CommonOptions {
    /// Connections at the same time [default: 32 for replicate, 2 for shards, else 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: Option<u32>,

    /// Streams on each connection, or calls in flight on it [default: 10000 for idle, 8 for replicate and
    /// isolation, else 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) streams: Option<u32>,

    /// Shards of the server; 0 means one for each core it may use
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) shards: usize,

    /// How far ahead of reading a stream may run: bytes, with KiB or MiB if you like, or auto
    #[arg(long, value_name = "BYTES|auto", default_value = "auto")]
    pub(crate) credit: Credit,

    /// When credit is negotiated: offer (at once), auto (when the server's manifest lists it), respond, off
    #[arg(long, value_name = "MODE", default_value = "auto")]
    pub(crate) credit_mode: CreditMode,

    /// Received and unread bytes of a connection, at both ends [default: 16MiB, or what the streams need]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) receive_max: Option<u64>,

    /// What connections run over
    #[arg(long, value_enum, default_value_t = Transport::Tcp)]
    pub(crate) transport: Transport,

    /// Congestion control of TCP connections, at both ends [default: the system's]
    #[arg(long, value_name = "NAME")]
    pub(crate) congestion: Option<String>,

    /// One JSON object a row on standard output instead of a table
    #[arg(long)]
    pub(crate) json: bool,

    /// Let the server spoil one message: the run must notice
    #[arg(long, hide = true)]
    pub(crate) fault: bool,
}

/// Where feed messages come from.
#[derive(Clone, Debug, Args)]
pub(crate) struct FeedOptions {
    /// Feed messages to serve: JSON lines of messages, bare or as key, value and timestamp; made up when not given
    #[arg(long, value_name = "FILE")]
    pub(crate) feed: Option<PathBuf>,

    /// How many messages to make up (10000 if not said), or to take from the file (all if not said)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) messages: Option<u64>,

    /// Seed of the messages that are made up
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

impl FeedOptions {
    /// The messages; both ends of a replication have the same.
    pub(crate) fn load(&self) -> anyhow::Result<crate::feed::FeedSet> {
        match &self.feed {
            Some(file) => crate::feed::load(file, self.messages),
            None => Ok(crate::feed::make_up(self.messages.unwrap_or(MESSAGES), self.seed)),
        }
    }
}

/// Options of `loadgen replicate`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReplicateOptions {
    /// What is replicated.
    #[command(flatten)]
    pub(crate) feed: FeedOptions,

    /// What every mode has.
    #[command(flatten)]
    pub(crate) common: CommonOptions,
}

/// Options of `loadgen mux`.
#[derive(Clone, Debug, Args)]
pub(crate) struct MuxOptions {
    /// What carries the load
    #[arg(long, value_enum, default_value_t = MuxScenario::Source)]
    pub(crate) scenario: MuxScenario,

    /// Size of a body in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = clap::value_parser!(u32).range(4..=1_000_000))]
    pub(crate) body: u32,

    /// Messages on each stream, calls of each caller
    #[arg(long, value_name = "N", conflicts_with = "seconds",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) messages: Option<u32>,

    /// How long to keep going when no number of messages is given
    #[arg(long, value_name = "S", default_value_t = 5.0, value_parser = seconds)]
    pub(crate) seconds: f64,

    /// Messages of a duplex stream on their way at the same time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) in_flight: u32,

    /// Runs of idle, isolation and shards, each in processes of its own; medians are printed
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: u32,

    /// One more stream on each connection, which nobody reads
    #[arg(long, hide = true)]
    pub(crate) unread: bool,

    /// Read sources without a session, as cheaply as can be
    #[arg(long, hide = true)]
    pub(crate) light: bool,

    /// What every mode has.
    #[command(flatten)]
    pub(crate) common: CommonOptions,
}

/// What connections run over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// Loopback TCP.
    Tcp,
    /// Box-stream over loopback TCP, as Secure Scuttlebutt peers talk.
    Shs,
    /// The same inside WebSocket messages.
    Ws,
    /// A Unix socket.
    Unix,
}

/// What `loadgen mux` can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MuxScenario {
    /// Server to client, as fast as it goes
    Source,
    /// Client to server, as fast as it goes
    Sink,
    /// Every message there and back
    Duplex,
    /// Calls
    Async,
    /// Memory of streams on which nothing happens
    Idle,
    /// What a stream that nobody reads takes from its neighbours
    Isolation,
    /// What a second shard costs the server for each message
    Shards,
}

/// The word that the command line has for a choice.
pub(crate) fn word(choice: impl ValueEnum) -> String {
    choice.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0.0 && *seconds <= 1e6);
    seconds.ok_or_else(|| "neither a number nor more than 0 nor at most a million".to_owned())
}

/// A number of bytes, written as credit is.
fn bytes(text: &str) -> Result<u64, String> {
    match text.parse::<Credit>()? {
        Credit::Fixed(bytes) => Ok(bytes),
        Credit::Auto => Err("a number of bytes is wanted".to_owned()),
    }
}
