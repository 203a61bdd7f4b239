//! Options of the modes that are about connections rather than what goes over them.

use clap::{Args, value_parser};
use push_mux::CreditMode;
use push_mux::mux::Credit;

use super::{CommonOptions, Transport, word};

/// Silent connections of a storm when nothing is said.
const SILENT: u32 = 200;

/// Options of `loadgen idle`.
#[derive(Clone, Debug, Args)]
pub(crate) struct IdleOptions {
    /// Connections at the same time; fewer when the limit of open files is too low for them
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = value_parser!(u32).range(1..))]
    pub(crate) connections: u32,

    /// What connections run over
    #[arg(long, value_enum, default_value_t = Transport::Shs)]
    pub(crate) transport: Transport,

    /// Runs, each in processes of its own; medians are printed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
    pub(crate) runs: u32,

    /// One JSON object on standard output instead of text
    #[arg(long)]
    pub(crate) json: bool,

    /// Let the server spoil one reply: the run must notice
    #[arg(long, hide = true)]
    pub(crate) fault: bool,
}

impl IdleOptions {
    /// What every mode has, as this one needs it: flow control is set up as clients do when left alone.
    pub(crate) fn common(&self) -> CommonOptions {
        CommonOptions {
            json: self.json,
            fault: self.fault,
            ..common(self.connections, self.transport, CreditMode::Auto)
        }
    }

    /// The command line of one run.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut line = arguments("idle", self.connections, self.transport);
        line.extend(self.fault.then(|| "--fault".to_owned()));
        line
    }
}

/// Options of `loadgen storm`.
#[derive(Clone, Debug, Args)]
pub(crate) struct StormOptions {
    /// Clients that dial; fewer when the limit of open files is too low for them
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = value_parser!(u32).range(1..))]
    pub(crate) connections: u32,

    /// Connections that are opened before and say nothing [default: 200, or 0 with --concurrency or --sequential]
    #[arg(long, value_name = "N")]
    pub(crate) silent: Option<u32>,

    /// Clients that dial at the same time; all, if not said
    #[arg(long, value_name = "C", value_parser = value_parser!(u32).range(1..))]
    pub(crate) concurrency: Option<u32>,

    /// One client after the other: the same as --concurrency 1
    #[arg(long, conflicts_with = "concurrency")]
    pub(crate) sequential: bool,

    /// What connections run over
    #[arg(long, value_enum, default_value_t = Transport::Shs)]
    pub(crate) transport: Transport,

    /// Runs, each in processes of its own; medians are printed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
    pub(crate) runs: u32,

    /// One JSON object on standard output instead of text
    #[arg(long)]
    pub(crate) json: bool,

    /// Let the server spoil one reply: the run must notice
    #[arg(long, hide = true)]
    pub(crate) fault: bool,
}

impl StormOptions {
    /// Clients that dial at the same time.
    pub(crate) fn in_flight(&self) -> u32 {
        let wanted = if self.sequential { Some(1) } else { self.concurrency };
        wanted.unwrap_or(self.connections).min(self.connections)
    }

    /// Connections that say nothing.
    pub(crate) fn silent(&self) -> u32 {
        let is_paced = self.sequential || self.concurrency.is_some();
        self.silent.unwrap_or(if is_paced { 0 } else { SILENT })
    }

    /// What every mode has, as this one needs it: nobody asks about flow control, which would be a call of its own.
    pub(crate) fn common(&self) -> CommonOptions {
        CommonOptions {
            json: self.json,
            fault: self.fault,
            ..common(self.connections, self.transport, CreditMode::Respond)
        }
    }

    /// The command line of one run.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut line = arguments("storm", self.connections, self.transport);
        line.extend(["--silent".to_owned(), self.silent().to_string()]);
        line.extend(["--concurrency".to_owned(), self.in_flight().to_string()]);
        line.extend(self.fault.then(|| "--fault".to_owned()));
        line
    }
}

const fn common(connections: u32, transport: Transport, credit_mode: CreditMode) -> CommonOptions {
    CommonOptions {
        connections: Some(connections),
        streams: Some(1),
        shards: 1,
        credit: Credit::Auto,
        credit_mode,
        receive_max: None,
        transport,
        congestion: None,
        json: false,
        fault: false,
    }
}

fn arguments(mode: &str, connections: u32, transport: Transport) -> Vec<String> {
    let mut line = [mode, "--json", "--runs", "1"].map(str::to_owned).to_vec();
    line.extend(["--connections".to_owned(), connections.to_string()]);
    line.extend(["--transport".to_owned(), word(transport)]);
    line
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn storm(line: &str) -> StormOptions {
        let line = ["loadgen", "storm"].into_iter().chain(line.split_whitespace());
        let Command::Storm(options) = Cli::try_parse_from(line).expect("valid").command else {
            panic!("another command")
        };
        options
    }

    #[test]
    fn idle_has_many_encrypted_connections_and_one_run() {
        let Command::Idle(options) = Cli::try_parse_from(["loadgen", "idle"]).expect("valid").command else {
            panic!("another command")
        };
        assert_eq!((options.connections, options.transport), (10_000, Transport::Shs));
        assert_eq!((options.runs, options.json), (1, false));
        assert_eq!((options.common().connections, options.common().shards), (Some(10_000), 1));
    }

    #[test]
    fn all_dial_at_once_beside_silent_ones_unless_paced() {
        let all = storm("");
        assert_eq!((all.connections, all.in_flight(), all.silent()), (1000, 1000, 200));
        assert_eq!((storm("--sequential").in_flight(), storm("--sequential").silent()), (1, 0));
        let paced = storm("--concurrency 8 --connections 4 --silent 3 --transport ws");
        assert_eq!((paced.in_flight(), paced.silent(), paced.transport), (4, 3, Transport::Ws));
    }

    #[test]
    fn one_run_is_told_all_that_was_asked_for() {
        for line in ["--silent 7 --connections 9 --transport unix", "--sequential", "--concurrency 3", ""] {
            let asked = storm(line);
            let told = Cli::try_parse_from(std::iter::once("loadgen".to_owned()).chain(asked.arguments()));
            let Command::Storm(told) = told.expect("valid").command else { panic!("another command") };
            let pick = |it: &StormOptions| (it.connections, it.in_flight(), it.silent(), it.transport);
            assert_eq!((pick(&told), told.runs, told.json), (pick(&asked), 1, true), "{line}");
        }
        let options =
            IdleOptions { connections: 5, transport: Transport::Tcp, runs: 3, json: false, fault: true };
        let told = Cli::try_parse_from(std::iter::once("loadgen".to_owned()).chain(options.arguments()));
        let Command::Idle(told) = told.expect("valid").command else { panic!("another command") };
        assert_eq!((told.connections, told.transport, told.runs), (5, Transport::Tcp, 1));
        assert!(told.json && told.fault);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "idle --connections 0",
            "idle --runs 0",
            "idle --silent 1",
            "storm --connections 0",
            "storm --concurrency 0",
            "storm --sequential --concurrency 2",
            "storm --transport carrier-pigeon",
        ] {
            let line = std::iter::once("loadgen").chain(line.split_whitespace());
            assert!(Cli::try_parse_from(line.clone()).is_err(), "{:?}", line.collect::<Vec<_>>());
        }
    }
}
