//! What can be asked for on the command line.

mod compare;
mod connections;
mod load;
mod server;

use clap::{Parser, Subcommand};

pub(crate) use self::compare::{CompareOptions, PeerOptions, PeerSide};
pub(crate) use self::connections::{IdleOptions, StormOptions};
pub(crate) use self::load::{
    CommonOptions, FeedOptions, MuxOptions, MuxScenario, ReplicateOptions, Transport, word,
};
pub(crate) use self::server::ServerOptions;

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
    /// Hold many connections to a server of our own on which nothing happens, and weigh them
    Idle(IdleOptions),
    /// Let many clients dial a server of our own at once, beside connections that say nothing
    Storm(StormOptions),
    /// Run the same work over several multiplexers, in turns
    Compare(CompareOptions),
    /// The server of `replicate`, `mux`, `idle` and `storm`
    #[command(hide = true)]
    Server(ServerOptions),
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use push_mux::CreditMode;
    use push_mux::mux::Credit;

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Cli::try_parse_from(line.split_whitespace()).map(|cli| cli.command)
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn unknown_names_are_refused_with_the_known_ones() {
        let error = parse("loadgen compare --peer carrier-pigeon").expect_err("no such peer");
        assert!(error.to_string().contains("tcp-coalesced"), "{error}");
    }

    #[test]
    fn replicate_takes_all_it_should() {
        let line = "loadgen replicate --feed f --connections 4 --streams 2 --shards 2 --credit 1MiB \
                    --credit-mode offer --json --transport unix --messages 9 --receive-max 32MiB";
        let Ok(Command::Replicate(options)) = parse(line) else { panic!("another command") };
        let common = options.common;
        assert_eq!((options.feed.messages, common.credit), (Some(9), Credit::Fixed(1 << 20)));
        assert_eq!((common.credit_mode, common.transport), (CreditMode::Offer, Transport::Unix));
        assert_eq!((common.connections, common.receive_max), (Some(4), Some(32 << 20)));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "mux --body 3",
            "mux --body 2000000",
            "mux --scenario nothing",
            "mux --seconds 0",
            "mux --seconds nan",
            "mux --seconds 1 --messages 2",
            "mux --credit 1GB",
            "mux --receive-max auto",
            "mux --connections 0",
            "mux --runs 0",
            "replicate --messages 0",
            "replicate --credit-mode always",
        ] {
            assert!(parse(&format!("loadgen {line}")).is_err(), "{line}");
        }
    }
}
