//! Options of the hidden server process.

use clap::Args;
use push_mux::mux::Credit;
use push_mux::{Address, CreditMode};

use super::FeedOptions;

/// What the server of the modes with one of our own is told by the process that starts it.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerOptions {
    /// Where to listen.
    #[arg(long)]
    pub(crate) address: Address,
    /// The cores it may use; all if not said.
    #[arg(long, value_delimiter = ',')]
    pub(crate) cores: Vec<usize>,
    /// Shards; 0 is one for each core.
    #[arg(long, default_value_t = 0)]
    pub(crate) shards: usize,
    /// Connections of a shard.
    #[arg(long)]
    pub(crate) connections_max: usize,
    /// Streams of a connection, and calls in flight on it.
    #[arg(long)]
    pub(crate) streams_max: usize,
    /// Received and unread bytes of a connection.
    #[arg(long)]
    pub(crate) receive_max: u64,
    /// The same of a shard.
    #[arg(long)]
    pub(crate) receive_shard_max: u64,
    /// Window of a stream.
    #[arg(long)]
    pub(crate) credit: Credit,
    /// When credit is negotiated.
    #[arg(long)]
    pub(crate) credit_mode: CreditMode,
    /// Congestion control.
    #[arg(long)]
    pub(crate) congestion: Option<String>,
    /// Serve feeds too.
    #[arg(long)]
    pub(crate) feeds: bool,
    /// Which.
    #[command(flatten)]
    pub(crate) feed: FeedOptions,
    /// Spoil one message.
    #[arg(long)]
    pub(crate) fault: bool,
}

impl ServerOptions {
    /// The command line that these options are read from.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut line = vec!["server".to_owned()];
        let mut option = |name: &str, value: String| line.extend([format!("--{name}"), value]);
        option("address", self.address.to_string());
        option("shards", self.shards.to_string());
        option("connections-max", self.connections_max.to_string());
        option("streams-max", self.streams_max.to_string());
        option("receive-max", self.receive_max.to_string());
        option("receive-shard-max", self.receive_shard_max.to_string());
        option("credit", self.credit.to_string());
        option("credit-mode", self.credit_mode.to_string());
        option("seed", self.feed.seed.to_string());
        if !self.cores.is_empty() {
            option("cores", self.cores.iter().map(usize::to_string).collect::<Vec<_>>().join(","));
        }
        if let Some(name) = &self.congestion {
            option("congestion", name.clone());
        }
        if let Some(messages) = self.feed.messages {
            option("messages", messages.to_string());
        }
        if let Some(file) = &self.feed.feed {
            option("feed", file.display().to_string());
        }
        line.extend(self.feeds.then(|| "--feeds".to_owned()));
        line.extend(self.fault.then(|| "--fault".to_owned()));
        line
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn options_survive_the_command_line() {
        let options = ServerOptions {
            address: "unix:/tmp/a b".parse().expect("an address"),
            cores: vec![0, 3],
            shards: 2,
            connections_max: 8,
            streams_max: 9,
            receive_max: 10,
            receive_shard_max: 11,
            credit: Credit::Fixed(12),
            credit_mode: CreditMode::Offer,
            congestion: Some("reno".to_owned()),
            feeds: true,
            feed: FeedOptions { feed: Some("x y".into()), messages: Some(13), seed: 14 },
            fault: true,
        };
        let line = std::iter::once("loadgen".to_owned()).chain(options.arguments());
        let Command::Server(read) = Cli::try_parse_from(line).expect("valid").command else {
            panic!("another command")
        };
        assert_eq!(format!("{read:?}"), format!("{options:?}"));
    }
}
