//! Many clients that connect and make one call each, from one executor; and how many of them there may be.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_lite::FutureExt;
use glommio::timer::sleep;
use push_mux::Client;

use super::bench::{Bench, Dial, Lost};
use crate::machine;
use crate::record::latency::Recorder;
use crate::record::usage::{Sample, open_files};
use crate::report::row::Ends;

/// Connections that are made and kept before anything is measured, so that code, buffers and rings that a process needs
/// once are not counted. More than one, as some are needed once for several at a time.
pub(crate) const WARM_UP: u32 = 16;

/// How long one client may take from dialling to its first reply: the framework's own two limits of 10 s, and more.
const PATIENCE: Duration = Duration::from_secs(60);

/// Files and sockets of a process besides those of connections that stand.
const RESERVE: u64 = 64;

/// How long is looked before two processes are said to be at rest, and how often that is tried.
const REST: Duration = Duration::from_millis(300);
const REST_TRIES: u32 = 40;

/// Share of a core that a process at rest uses at most.
const REST_BUSY_MAX: f64 = 0.02;

/// The call that a client makes once it is connected.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FirstCall {
    /// One that every server answers.
    Manifest,
    /// One whose reply is checked, and which a server told to spoil something spoils.
    Hello,
}

/// What came of a number of clients.
pub(crate) struct Crowd {
    /// Those that were served, still connected.
    pub(crate) clients: Vec<Client>,
    /// Those that were not.
    pub(crate) failed: u32,
    /// Why the first of them was not.
    pub(crate) complaint: Option<String>,
    /// From dial to first reply.
    pub(crate) latency: Recorder,
    /// From the first dial to the last reply.
    pub(crate) seconds: f64,
}

/// Lets `connections` clients dial, shake hands and call, `in_flight` of them at the same time.
pub(crate) async fn connect(dial: &Dial, connections: u32, in_flight: u32, call: FirstCall) -> Crowd {
    let crowd = Crowd {
        clients: Vec::with_capacity(connections as usize),
        failed: 0,
        complaint: None,
        latency: Recorder::new(),
        seconds: 0.0,
    };
    let (crowd, left) = (Rc::new(RefCell::new(crowd)), Rc::new(RefCell::new(connections)));
    let (dial, began) = (Rc::new(dial.clone()), Instant::now());
    let tasks: Vec<_> = (0..in_flight.min(connections))
        .map(|_| {
            let (dial, crowd, left) = (Rc::clone(&dial), Rc::clone(&crowd), Rc::clone(&left));
            glommio::spawn_local(async move {
                while take(&left) {
                    // All at once means that all are waiting from now on, so each waits for those before it.
                    let since = if in_flight >= connections { began } else { Instant::now() };
                    let outcome = one(&dial, call).await;
                    crowd.borrow_mut().add(outcome, since, began);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await;
    }
    Rc::into_inner(crowd).map(RefCell::into_inner).expect("all tasks have ended")
}

fn take(left: &RefCell<u32>) -> bool {
    let mut left = left.borrow_mut();
    let is_some = *left > 0;
    *left = left.saturating_sub(1);
    is_some
}

async fn one(dial: &Dial, call: FirstCall) -> anyhow::Result<Client> {
    let served = async {
        let client = dial.client().await?;
        match call {
            FirstCall::Manifest => drop(client.manifest().await?),
            FirstCall::Hello => greet(&client).await?,
        }
        Ok(client)
    };
    let late = async {
        sleep(PATIENCE).await;
        anyhow::bail!("no reply after {} s", PATIENCE.as_secs())
    };
    served.or(late).await
}

async fn greet(client: &Client) -> anyhow::Result<()> {
    let reply: String = client.call("hello", ["you"]).await?;
    anyhow::ensure!(reply == "hello, you!", "the reply is another: {reply:?}");
    Ok(())
}

impl Crowd {
    fn add(&mut self, outcome: anyhow::Result<Client>, since: Instant, began: Instant) {
        match outcome {
            Ok(client) => {
                self.latency.record(since.elapsed());
                self.seconds = began.elapsed().as_secs_f64();
                self.clients.push(client);
            }
            Err(error) => {
                self.failed += 1;
                self.complaint.get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }

    /// All were served, or the run counts as wrong.
    pub(crate) fn whole(self) -> Result<Self, Lost> {
        match &self.complaint {
            Some(why) => Err(Lost(format!("{} clients were not served; the first: {why}", self.failed))),
            None => Ok(self),
        }
    }
}

/// Calls once more on all connections; how many of them did not answer.
pub(crate) async fn unanswered(clients: &[Client]) -> u64 {
    let mut unanswered = 0;
    for client in clients {
        let late = async {
            sleep(PATIENCE).await;
            anyhow::bail!("no reply")
        };
        unanswered += u64::from(greet(client).or(late).await.is_err());
    }
    unanswered
}

/// The connections made first.
pub(crate) struct Warm {
    /// To be kept until the end.
    pub(crate) clients: Vec<Client>,
    /// Descriptors that a connection takes in each process.
    pub(crate) descriptors: Ends<u64>,
    /// How many more connections the limit of open files allows.
    pub(crate) room: u32,
}

/// Raises the limit of open files and makes the first connections. The server raises its own.
pub(crate) async fn warm_up(bench: &Bench) -> anyhow::Result<Warm> {
    let limit = machine::raise_open_files().context("cannot raise the limit of open files")?;
    let (server, client) = (bench.server(), std::process::id());
    // The first timer and the first thread for blocking calls stay open.
    let first = connect(&bench.dial, 1, 1, FirstCall::Manifest).await.whole()?;
    let before = Ends { server: open_files(server), client: open_files(client) };
    let mut rest = connect(&bench.dial, WARM_UP - 1, WARM_UP - 1, FirstCall::Manifest).await.whole()?;
    let after = Ends { server: open_files(server), client: open_files(client) };
    let each = |before: u64, after: u64| after.saturating_sub(before).div_ceil(u64::from(WARM_UP - 1)).max(1);
    let descriptors =
        Ends { server: each(before.server, after.server), client: each(before.client, after.client) };
    let room = |open, each| limit.saturating_sub(open + RESERVE) / each;
    let room = room(after.server, descriptors.server).min(room(after.client, descriptors.client));
    rest.clients.extend(first.clients);
    at_rest(server).await;
    Ok(Warm { clients: rest.clients, descriptors, room: u32::try_from(room).unwrap_or(u32::MAX) })
}

/// Waits until neither process does anything to speak of; gives up after a while, as keepalives may never pause.
pub(crate) async fn at_rest(server: u32) {
    let client = std::process::id();
    for _ in 0..REST_TRIES {
        let (before, began) = (Sample::take(server, client), Instant::now());
        sleep(REST).await;
        let spent = Sample::take(server, client).cpu_since(&before);
        if spent.server.max(spent.client) <= REST_BUSY_MAX * began.elapsed().as_secs_f64() {
            return;
        }
    }
}
