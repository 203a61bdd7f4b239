//! What can be run: a scenario is one file, and a line in [`all`].
//!
//! The names B1 to B10 are those of the workloads that multiplexers are compared on.

mod calls;
mod churn;
mod delay;
mod dialers;
mod flood;
mod followers;
mod idle_connections;
mod idle_streams;
mod interactive;
mod isolation;
mod ping_pong;
mod reconnect;
mod replicate;
mod sink;
mod soak;
mod source;
mod stage;
mod storm;

pub(crate) use self::stage::Stage;
use crate::plan::{ClientKind, Settings, Transport};
use crate::record::outcome::Outcome;

/// One kind of work.
pub(crate) trait Scenario: Sync {
    /// What the command line, files and rows call it.
    fn name(&self) -> &'static str;

    /// The workload that it is, `B1` to `B10`; empty for those that are none.
    fn workload(&self) -> &'static str;

    /// What it does and what it shows, in two lines.
    fn about(&self) -> [&'static str; 2];

    /// What it is run with where nothing is said.
    fn defaults(&self) -> Settings;

    /// Fills in what follows from other settings.
    fn settle(&self, _settings: &mut Settings) {}

    /// What its percentiles are of.
    fn timed(&self) -> &'static str {
        "message"
    }

    /// What it can do besides being run with the defaults' kinds of client and server.
    fn abilities(&self) -> Abilities {
        Abilities::default()
    }

    /// Why it cannot be run like that, beyond what its abilities say.
    fn refuses(&self, _settings: &Settings) -> Option<String> {
        None
    }

    /// Runs it, in a process of its own that is the client.
    ///
    /// # Errors
    /// Why nothing could be measured. What goes wrong later is told in the outcome.
    fn drive(&self, stage: &Stage) -> anyhow::Result<Outcome>;
}

/// What a scenario can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Abilities {
    /// Messages can be sent on schedule.
    pub(crate) rate: bool,
    /// The number of messages can be given.
    pub(crate) messages: bool,
    /// The framework's client can do it too, and over every transport.
    pub(crate) framework: bool,
    /// Only the framework's client can do it.
    pub(crate) framework_only: bool,
    /// A server that is not ours can be driven.
    pub(crate) foreign: bool,
    /// The line cannot be delayed.
    pub(crate) plain_line: bool,
}

/// Every scenario, in the order of the list.
pub(crate) fn all() -> &'static [&'static dyn Scenario] {
    &[
        &source::Source,
        &sink::Sink,
        &ping_pong::PingPong,
        &calls::Calls,
        &isolation::Isolation,
        &interactive::Interactive,
        &delay::Delay,
        &idle_streams::IdleStreams,
        &idle_connections::IdleConnections,
        &churn::Churn,
        &reconnect::Reconnect,
        &flood::Flood,
        &replicate::Replicate,
        &followers::Followers,
        &storm::Storm,
        &soak::Soak,
    ]
}

/// The scenario of that name.
pub(crate) fn find(name: &str) -> Option<&'static dyn Scenario> {
    all().iter().copied().find(|scenario| scenario.name() == name)
}

/// Why a scenario cannot be run like that, in one sentence.
pub(crate) fn refusal(scenario: &dyn Scenario, settings: &Settings) -> Option<String> {
    let (name, can) = (scenario.name(), scenario.abilities());
    let Settings { rate, messages, client, transport, server, .. } = settings;
    if rate.is_some() && !can.rate {
        return Some(format!(
            "{name} has no schedule: --rate goes with sink, ping-pong, async, churn, interactive and replicate --protocol"
        ));
    }
    if messages.is_some() && !can.messages {
        return Some(format!("{name} ends after a time and not after a number of messages: use --duration"));
    }
    if *client == ClientKind::Framework && !can.framework && !can.framework_only {
        return Some(format!("{name} is run by the light client alone"));
    }
    if *client == ClientKind::Framework && rate.is_some() && !can.framework_only {
        return Some("the framework's client has no schedule: --rate goes with --client light".to_owned());
    }
    if *transport == Transport::Ws && *client == ClientKind::Light && !can.framework_only {
        return Some(if can.framework {
            "the light client speaks no WebSocket: use --client framework".to_owned()
        } else {
            format!("{name} is run by the light client, which speaks no WebSocket")
        });
    }
    if server.is_some() && settings.method.is_none() && !can.framework_only {
        return Some("--server goes with --method".to_owned());
    }
    let is_light = can.framework_only || *client == ClientKind::Light;
    if server.is_some() && (!is_light || *transport != Transport::Tcp) {
        return Some(
            "a server that runs already is driven by the light client, over what its address says".to_owned(),
        );
    }
    let is_delayed = settings.delay_ms + settings.megabits > 0.0;
    if is_delayed
        && (can.plain_line || can.framework_only || *client == ClientKind::Framework || server.is_some())
    {
        return Some(format!(
            "the line of {name} cannot be delayed: only that of the light client to a server of ours can"
        ));
    }
    if server.is_some() && !can.foreign {
        return Some(format!(
            "{name} needs a server of our own: --server goes with source, async and replicate --protocol"
        ));
    }
    if is_delayed && *transport != Transport::Tcp && *transport != Transport::Shs {
        return Some("a line can be delayed for tcp and shs".to_owned());
    }
    scenario.refuses(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_workload_is_there() {
        let names: Vec<_> = all().iter().map(|scenario| scenario.name()).collect();
        for (at, name) in names.iter().enumerate() {
            assert_eq!(names.iter().position(|other| other == name), Some(at), "{name}");
        }
        for number in 1..=10 {
            let workload = format!("B{number}");
            assert!(all().iter().any(|scenario| scenario.workload() == workload), "{workload}");
        }
    }

    #[test]
    fn every_scenario_can_be_run_as_it_is() {
        for scenario in all() {
            let settings = scenario.defaults();
            assert_eq!(settings.check(), Ok(()), "{}", scenario.name());
            assert_eq!(refusal(*scenario, &settings), None, "{}", scenario.name());
            assert!(scenario.about().iter().all(|line| line.len() <= 110), "{}", scenario.name());
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_a_sentence() {
        let why = |name: &str, settings: Settings| {
            refusal(find(name).expect("listed"), &settings).expect("refused")
        };
        let base = Settings::base;
        assert!(why("source", Settings { rate: Some(1.0), ..base() }).contains("--rate"));
        assert!(why("isolation", Settings { messages: Some(1), ..base() }).contains("--duration"));
        assert!(why("async", Settings { transport: Transport::Ws, ..base() }).contains("--client framework"));
        assert!(why("sink", Settings { server: Some("net:x:1".into()), ..base() }).contains("--server"));
        assert!(
            why("source", Settings { delay_ms: 5.0, transport: Transport::Unix, ..base() })
                .contains("delayed")
        );
    }
}
