//! What every scenario has when it runs: its settings, a server, and the ways to drive it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use push_mux::Address;
use push_mux::secret::NetworkKey;

use crate::delay::DelayedLine;
use crate::framework::streams::Work as FrameworkWork;
use crate::framework::{Bench, Size, fleet};
use crate::light::{self, ConnPlan, Dial, Driven, Run, Step};
use crate::plan::Settings;
use crate::record::outcome::Outcome;
use crate::server::FeedSource;

/// Where a scenario runs.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    /// What was chosen.
    pub(crate) settings: Settings,
    /// How long no message may come.
    pub(crate) patience: Duration,
    /// Where every recorded time is written.
    pub(crate) dump: Option<PathBuf>,
    /// Where the server's instructions are counted.
    pub(crate) count: Option<PathBuf>,
}

/// A script for the light client.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// What happens when.
    pub(crate) steps: Vec<Step>,
    /// How many phases it has.
    pub(crate) phases: usize,
}

impl Stage {
    /// Starts a server for connections and streams as the settings have them, and `more` of each.
    pub(crate) fn bench(&self, more: Size) -> anyhow::Result<Bench> {
        let Settings { connections, streams, depth, .. } = self.settings;
        let size = Size {
            connections: connections.saturating_add(more.connections),
            streams: streams.max(depth).saturating_add(more.streams),
        };
        Bench::launch(&self.settings, size, None, self.count.as_deref())
    }

    /// The same with feeds to serve.
    pub(crate) fn bench_with_feeds(&self, feeds: FeedSource) -> anyhow::Result<Bench> {
        let Settings { connections, streams, .. } = self.settings;
        Bench::start(&self.settings, Size { connections, streams }, Some(feeds))
    }

    /// How light clients reach a server of ours.
    pub(crate) fn way(&self, bench: &Bench) -> anyhow::Result<Dial> {
        let endpoint = bench.dial.address.endpoints().first().context("the server listens nowhere")?;
        let congestion = self.settings.congestion.clone();
        Ok(Dial { endpoint: endpoint.clone(), network: NetworkKey::default(), congestion })
    }

    /// Lets the light client do `conns` against a server of ours.
    pub(crate) fn light(
        &self,
        bench: &Bench,
        conns: Vec<ConnPlan>,
        script: Script,
    ) -> anyhow::Result<Driven> {
        let mut dial = self.way(bench)?;
        let settings = &self.settings;
        let line = DelayedLine::start(&dial.endpoint, settings)?;
        if let Some(endpoint) = line.as_ref().and_then(DelayedLine::endpoint) {
            dial.endpoint = endpoint.clone();
        }
        let settings = Settings { receive_max: Some(bench.receive_max), ..settings.clone() };
        let run = Run {
            dial,
            server: Some(bench.server()),
            settings: &settings,
            cores: &bench.cores,
            conns,
            script: script.steps,
            phases: script.phases.max(1),
            patience: self.patience,
            dump: self.dump.clone(),
        };
        let mut driven = light::drive(run)?;
        driven.outcome.remarks.extend(line.map(|line| line.describe()));
        Ok(driven)
    }

    /// The same work on every connection, and nothing else.
    pub(crate) fn light_alike(&self, plan: &ConnPlan) -> anyhow::Result<Driven> {
        let bench = self.bench(Size { connections: 0, streams: 0 })?;
        self.light(&bench, vec![plan.clone(); self.settings.connections as usize], Script::default())
    }

    /// Lets the light client call or open one method of a server that runs already.
    pub(crate) fn foreign(&self, is_source: bool) -> anyhow::Result<Outcome> {
        let settings = &self.settings;
        let Settings { server, method, args, depth, streams, messages, .. } = settings;
        let address: Address = server.as_deref().context("no server is named")?.parse()?;
        let endpoint = address.endpoints().first().context("the address is empty")?;
        let method = method.as_deref().context("no method is named")?;
        let name: Vec<&str> = method.split('.').collect();
        let args = args.as_deref().unwrap_or("[]");
        let kind = if is_source { r#","type":"source""# } else { "" };
        let opening = format!(r#"{{"name":{},"args":{args}{kind}}}"#, serde_json::to_string(&name)?);
        let network = match &settings.network_key {
            None => NetworkKey::default(),
            Some(text) => {
                NetworkKey::from_base64(text).context("--network-key is no key of 32 bytes in base64")?
            }
        };
        let work = light::Work::Foreign {
            opening,
            is_source,
            depth: if is_source { *streams } else { *depth },
            messages: *messages,
        };
        let plan = ConnPlan::of(vec![work]);
        let cores = crate::machine::allowed_cores()?;
        let run = Run {
            dial: Dial { endpoint: endpoint.clone(), network, congestion: settings.congestion.clone() },
            server: None,
            settings,
            // The server is somewhere: the last core is the least likely to be its own.
            cores: &cores[cores.len() - 1..],
            conns: vec![plan; settings.connections as usize],
            script: Vec::new(),
            phases: 1,
            patience: self.patience,
            dump: self.dump.clone(),
        };
        let driven = light::drive(run)?;
        let mut outcome = driven.outcome;
        if let (Some(each), None) = (messages, &outcome.failed) {
            let done = if is_source { driven.followed } else { outcome.messages };
            let due = each * u64::from(settings.connections);
            outcome.wrong(due.abs_diff(done), || format!("{done} of {due} ended"));
        }
        Ok(outcome)
    }

    /// Lets the framework's client do the same work on every connection.
    pub(crate) fn framework<J, F>(&self, streams: u32, job: J) -> anyhow::Result<fleet::Ran>
    where
        J: Fn(fleet::Seat, FrameworkWork) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + 'static,
    {
        ensure!(
            self.settings.delay_ms + self.settings.megabits == 0.0,
            "only the light client's line can be delayed"
        );
        let bench = self.bench(Size { connections: 0, streams: 0 })?;
        let work = FrameworkWork::new(&self.settings, streams);
        fleet::run(&bench, fleet::Plan::new(&self.settings), move |seat| job(seat, work))
    }
}
