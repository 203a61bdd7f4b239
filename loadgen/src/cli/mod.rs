//! What can be asked for on the command line.

mod compare;
mod output;
mod run;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use self::compare::{CompareOptions, PeerOptions, PeerSide};
pub(crate) use self::output::OutputOptions;
pub(crate) use self::run::{PlaceOptions, ReplicateOptions, RunOptions};

/// Load generator for push-mux: flow control, replication and calls under load, and the same work over other multiplexers.
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
    /// Explain every scenario in two lines
    List,
    /// Run a scenario, or a file of them, against a server of ours or one that is running already
    Run(Box<RunOptions>),
    /// Replicate feeds to many clients and check every byte, with --protocol through a pub: the same as `run replicate`
    Replicate(Box<ReplicateOptions>),
    /// Run the same work over several multiplexers, in turns
    Compare(Box<CompareOptions>),
    /// Verify signed messages on one core, with nothing else to do
    Verify(VerifyOptions),
    /// Tell noise from change between two files that --save has written
    Diff(DiffOptions),
    /// The server that scenarios load
    #[command(hide = true)]
    Serve {
        /// What it is told.
        options: String,
    },
    /// The client of one run
    #[command(hide = true)]
    Drive {
        /// What it is told.
        job: String,
    },
    /// A line that delays what it carries
    #[command(hide = true)]
    Relay {
        /// What it is told.
        options: String,
    },
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

/// Options of `loadgen verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyOptions {
    /// Messages to verify, of 64 feeds in turns
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) messages: u32,

    /// Messages verified together
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) batch: u32,

    /// Seed of the messages
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// One JSON object on standard output instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `loadgen diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffOptions {
    /// Results of before
    pub(crate) old: PathBuf,

    /// Results of now
    pub(crate) new: PathBuf,

    /// Change of the median below which nothing is said, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0)]
    pub(crate) least: f64,

    /// Compare ratios to the base peer where both files have them, instead of rates: for files of two machines
    #[arg(long)]
    pub(crate) ratios: bool,

    /// Exit 1 when something has become slower
    #[arg(long)]
    pub(crate) strict: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use push_mux::CreditMode;
    use push_mux::mux::Credit;

    use super::*;
    use crate::plan::{Protocol, Settings, Transport};

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
    fn a_command_line_becomes_settings() {
        let line = "loadgen run source --connections 4 --streams 2,100 --shards 2 --credit 64KiB,auto --body 4KiB \
                    --credit-mode offer --json --transport unix --messages 9 --receive-max 32MiB --seed 7 --runs 3";
        let Ok(Command::Run(options)) = parse(line) else { panic!("another command") };
        let points = options.grid.points(&Settings::base()).expect("they make sense");
        let seen: Vec<_> = points.iter().map(|point| (point.streams, point.credit)).collect();
        let (small, auto) = (Credit::Fixed(65_536), Credit::Auto);
        assert_eq!(seen, [(2, small), (2, auto), (100, small), (100, auto)]);
        let Settings { connections, body, messages, receive_max, seed, transport, credit_mode, .. } =
            points[0];
        assert_eq!((connections, body, messages, receive_max), (4, 4096, Some(9), Some(32 << 20)));
        assert_eq!((seed, transport, credit_mode), (7, Transport::Unix, CreditMode::Offer));
        assert_eq!((options.runs, options.output.json, options.what.as_str()), (Some(3), true, "source"));
    }

    #[test]
    fn feeds_and_peers_become_settings_too() {
        let line =
            "loadgen run followers --protocol ebt,history --peers 3 --feeds 9 --reads 0,2KiB --live 1.5";
        let Ok(Command::Run(options)) = parse(line) else { panic!("another command") };
        let points = options.grid.points(&Settings::base()).expect("they make sense");
        let seen: Vec<_> = points.iter().map(|point| (point.protocol, point.reads)).collect();
        let (ebt, history) = (Some(Protocol::Ebt), Some(Protocol::History));
        assert_eq!(seen, [(ebt, Some(0)), (ebt, Some(2048)), (history, Some(0)), (history, Some(2048))]);
        let Settings { peers, feeds, live, .. } = points[0];
        assert_eq!((peers, feeds, live), (3, 9, 1.5));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "run",
            "run source --duration 0",
            "run source --duration nan",
            "run source --duration 1 --messages 2",
            "run source --credit 1GB",
            "run source --receive-max auto",
            "run source --connections 0",
            "run source --runs 0",
            "run source --messages 0",
            "run source --credit-mode always",
            "run source --rate 0",
            "run source --transport pigeon",
            "replicate --messages 0",
            "replicate --protocol pigeon",
            "replicate --peers 0",
            "run followers --reads often",
            "diff one",
        ] {
            assert!(parse(&format!("loadgen {line}")).is_err(), "{line}");
        }
    }
}
