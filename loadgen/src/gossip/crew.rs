//! The peers of one core: an executor, those who push, those who pull, and the authors whose feeds are pushed from here.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use glommio::timer::sleep;
use push_mux::{CallError, Client, Router};
use serde_json::json;

use super::board::{Board, Marks, Step};
use super::pace::Pace;
use super::replica::Replica;
use super::shelf::Shelf;
use super::{pull, push};
use crate::feed::{Corpus, Holder, keypair};
use crate::framework::bench::Dial;
use crate::machine;
use crate::plan::schedule::Schedule;
use crate::plan::{Protocol, Settings};

/// How often crews look at the board.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How long the pub may take to note what the witness asks for.
const SETTLE: Duration = Duration::from_millis(100);

/// What the peers of a crew have in common.
pub(super) struct Desk {
    /// All feeds as they will be.
    pub(super) corpus: Arc<Corpus>,
    /// Where the run is.
    pub(super) board: Arc<Board>,
    /// How far the feeds are that are pushed from here.
    pub(super) shelf: Shelf,
}

/// One of the threads that drive a pub.
pub(super) struct Crew {
    /// How the pub is reached.
    pub(super) dial: Dial,
    /// Where to stay.
    pub(super) core: Option<usize>,
    /// All feeds.
    pub(super) corpus: Arc<Corpus>,
    /// Where the run is.
    pub(super) board: Arc<Board>,
    /// What is run.
    pub(super) settings: Settings,
    /// How peers replicate.
    pub(super) protocol: Protocol,
    /// Which of the crews it is.
    pub(super) number: u32,
    /// How many there are.
    pub(super) of: u32,
}

/// A peer that fetches feeds.
struct Puller {
    number: u32,
    client: Client,
    replica: Rc<Replica>,
}

impl Crew {
    /// Works until the board says that all is done; what breaks is told there.
    pub(super) fn run(self) {
        let board = Arc::clone(&self.board);
        let run = || -> anyhow::Result<()> {
            if let Some(core) = self.core {
                machine::pin(core)?;
            }
            push_mux::block_on(self.work())?
        };
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => board.fail(format!("{error:#}")),
            Err(_) => board.fail("a client panicked"),
        }
    }

    async fn work(&self) -> anyhow::Result<()> {
        let (corpus, board) = (Arc::clone(&self.corpus), Arc::clone(&self.board));
        let desk = Rc::new(Desk { shelf: Shelf::new(corpus.feeds.len()), corpus, board });
        let pushers = self.connect_pushers(&desk).await?;
        self.board.be_ready();
        self.begin(Step::Push).await;
        let own: Vec<usize> = pushers.iter().flat_map(|(_, _, own)| own.iter().copied()).collect();
        let Marks { pushed, through, .. } = self.board.marks;
        own.iter().for_each(|feed| desk.shelf.publish(*feed, pushed));
        for (number, client, own) in &pushers {
            self.start_pushing(&desk, *number, client.clone(), own.clone());
        }
        self.begin(Step::Arrive).await;
        let pullers = self.connect_pullers(&desk).await?;
        self.board.be_ready();
        self.begin(Step::Pull).await;
        if let Some(bytes) = self.settings.reads {
            self.start_following(&desk, &pullers, bytes);
        }
        for puller in pullers.iter().filter(|_| self.settings.reads.is_none()) {
            puller.replica.aim(pushed);
            self.start_pulling(&desk, puller);
        }
        self.begin(Step::Follow).await;
        if self.protocol == Protocol::History && self.settings.reads.is_none() {
            pullers.iter().for_each(|peer| pull::follow_by_history(&desk, &peer.replica, &peer.client));
        }
        sleep(SETTLE).await;
        self.board.be_ready();
        self.begin(Step::Through).await;
        pullers.iter().for_each(|puller| puller.replica.aim(through));
        own.iter().for_each(|feed| desk.shelf.publish(*feed, through));
        self.begin(Step::Live).await;
        pullers.iter().for_each(|puller| puller.replica.aim(self.board.marks.all));
        self.publish_on_schedule(&desk, &own).await;
        self.begin(Step::End).await;
        pullers.iter().for_each(|puller| puller.replica.finish());
        for client in pushers.iter().map(|(_, client, _)| client).chain(pullers.iter().map(|p| &p.client)) {
            client.close().await;
        }
        Ok(())
    }

    /// Waits until a step has begun.
    async fn begin(&self, step: Step) {
        while !self.board.has_begun(step) {
            sleep(LOOK_EVERY).await;
        }
    }

    /// The numbers of this crew among so many peers.
    fn mine(&self, peers: u32) -> impl Iterator<Item = u32> + use<> {
        let (number, of) = (self.number, self.of);
        (0..peers).filter(move |peer| peer % of == number)
    }

    async fn connect_pushers(&self, desk: &Rc<Desk>) -> anyhow::Result<Vec<(u32, Client, Vec<usize>)>> {
        let feeds = self.corpus.feeds.len();
        let peers = self.settings.peers.min(u32::try_from(feeds).unwrap_or(u32::MAX));
        let mut pushers = Vec::new();
        for number in self.mine(peers) {
            let own: Vec<usize> =
                (0..feeds).filter(|feed| feed % peers as usize == number as usize).collect();
            let router = push::router(desk, &own);
            let identity = keypair(self.settings.seed, Holder::Pusher, number);
            let client = self.dial.client_as(identity, router).await?;
            // Once round, so that the question about flow control is settled before the clock starts.
            let _answered = client.manifest().await;
            pushers.push((number, client, own));
        }
        if self.number == 0 {
            let identity = keypair(self.settings.seed, Holder::Witness, 0);
            let witness = self.dial.client_as(identity, push::router(desk, &[])).await?;
            for feed in 0..feeds {
                let (desk, witness) = (Rc::clone(desk), witness.clone());
                glommio::spawn_local(async move {
                    if let Err(error) = see(&desk, &witness, feed).await {
                        desk.board.fail(format!("the witness: {error}"));
                    }
                })
                .detach();
            }
            sleep(SETTLE).await;
        }
        Ok(pushers)
    }

    async fn connect_pullers(&self, desk: &Rc<Desk>) -> anyhow::Result<Vec<Puller>> {
        let mut pullers = Vec::new();
        for number in self.mine(self.readers()) {
            let identity = keypair(self.settings.seed, Holder::Puller, number);
            // Who only reads serves nothing, and is not asked for each feed in turn for long.
            let only_reads = self.settings.reads.is_some();
            let router = if only_reads { Router::new() } else { push::router(desk, &[]) };
            let client = self.dial.client_as(identity, router).await?;
            let _answered = client.manifest().await;
            pullers.push(Puller { number, client, replica: Rc::new(Replica::new(desk)) });
        }
        Ok(pullers)
    }

    /// How many fetch feeds.
    const fn readers(&self) -> u32 {
        if self.settings.reads.is_some() { self.settings.connections } else { self.settings.peers }
    }

    /// Each reader follows some feeds, and reads so many bytes a second of all of them.
    fn start_following(&self, desk: &Rc<Desk>, readers: &[Puller], bytes: u64) {
        let feeds = self.corpus.feeds.len();
        for Puller { number, client, replica } in readers {
            let pace = Rc::new(Pace::new(bytes));
            let first = *number as usize * self.settings.streams as usize;
            for step in 0..(self.settings.streams as usize).min(feeds) {
                let (desk, replica) = (Rc::clone(desk), Rc::clone(replica));
                let (client, pace, feed) = (client.clone(), Rc::clone(&pace), (first + step) % feeds);
                glommio::spawn_local(async move {
                    pull::history(&desk, &replica, &client, feed, Some(&pace)).await;
                })
                .detach();
            }
        }
    }

    fn start_pushing(&self, desk: &Rc<Desk>, number: u32, client: Client, own: Vec<usize>) {
        let (desk, protocol) = (Rc::clone(desk), self.protocol);
        let identity = keypair(self.settings.seed, Holder::Pusher, number).public();
        glommio::spawn_local(async move {
            let ended = match protocol {
                Protocol::History => push::by_history(&client, identity).await,
                Protocol::Ebt => push::by_ebt(Rc::clone(&desk), &client, &own).await,
            };
            note_end(&desk, "who pushes", ended);
        })
        .detach();
    }

    fn start_pulling(&self, desk: &Rc<Desk>, puller: &Puller) {
        let (desk, protocol, streams) = (Rc::clone(desk), self.protocol, self.settings.streams);
        let (client, replica) = (puller.client.clone(), Rc::clone(&puller.replica));
        // Each begins elsewhere, as peers that come at different times do.
        let first = puller.number as usize * self.corpus.feeds.len() / self.settings.peers.max(1) as usize;
        glommio::spawn_local(async move {
            match protocol {
                Protocol::History => pull::by_history(&desk, &replica, &client, streams, first).await,
                Protocol::Ebt => {
                    let ended = pull::by_ebt(&desk, &replica, &client).await;
                    note_end(&desk, "who pulls", ended);
                }
            }
        })
        .detach();
    }

    async fn publish_on_schedule(&self, desk: &Desk, own: &[usize]) {
        let Marks { through, all, .. } = self.board.marks;
        let Some(rate) = self.settings.rate.filter(|_| !own.is_empty() && all > through) else { return };
        let share = rate * own.len() as f64 / self.corpus.feeds.len() as f64;
        let Settings { arrivals, seed, .. } = self.settings;
        let mut schedule = Schedule::new(arrivals, share, self.number, 1, seed);
        let began = self.board.now();
        for place in through..all {
            for feed in own {
                let due = Duration::from_nanos(schedule.next_ns());
                sleep((began + due).saturating_sub(self.board.now())).await;
                schedule.take(u64::MAX);
                self.board.publish(*feed, place, began + due);
                desk.shelf.publish(*feed, place + 1);
            }
        }
    }
}

/// An exchange is to go on until all is said.
fn note_end(desk: &Desk, who: &str, ended: Result<(), CallError>) {
    if !desk.board.has_begun(Step::End) {
        let why = ended.map_or_else(|error| error.to_string(), |()| "the pub ended the call".to_owned());
        desk.board.fail(format!("{who}: {why}"));
    }
}

/// Waits until the last of the pushed messages of a feed is stored: then it is sent to whoever asks for it.
async fn see(desk: &Desk, witness: &Client, feed: usize) -> Result<(), CallError> {
    let (author, last) = (desk.corpus.feeds[feed].author, desk.board.marks.pushed);
    let ask = json!({ "id": author.to_string(), "seq": last, "live": true, "keys": false });
    let mut rx = witness.source("createHistoryStream", [ask]).await?;
    let wanted = &desk.corpus.feeds[feed].values[last as usize - 1];
    while let Some(body) = rx.next().await {
        if body?.bytes == wanted {
            desk.board.witnessed.note(desk.board.now());
            return Ok(());
        }
    }
    Err(CallError::new(format!("the stream of {author} ended")))
}
