use super::{
    BackendChoice, Connection, Error, Grant, Peer, Result, Service,
    clock::Clock,
    doctor::{self, Needs},
    driver::Driver,
    io::{Backend, Hub},
    link::Link,
    scratch::Scratch,
    tasks::{Census, Live, Work},
};
use crate::{
    flow::Pool,
    mux::{Config, Counters, Session, Spares},
};
use futures_lite::FutureExt;
use glommio::{LocalExecutorBuilder, Placement, timer::sleep};
use slab::Slab;
use std::{cell::RefCell, collections::BTreeMap, panic::AssertUnwindSafe, rc::Rc, time::Duration};

/// Bytes glommio sets aside and pins for file I/O, three times per executor; sockets use none of it.
pub(crate) const IO_MEMORY_BYTES: usize = 64 << 10;
/// Entries of glommio's rings.
pub(crate) const RING_DEPTH: usize = 256;
/// How long a busy shard may leave its timers waiting.
pub(crate) const PREEMPT_EVERY: Duration = Duration::from_millis(10);
/// How long a shard looks for work before it sleeps. Waking a sleeping core costs the waker and the woken 25 to 30 microseconds
/// on virtual machines; this is less, and an idle shard sleeps all the same.
pub(crate) const SPIN_BEFORE_PARK: Duration = Duration::from_micros(20);
/// How often a draining shard looks whether it is empty.
const DRAIN_POLL: Duration = Duration::from_millis(5);
/// How long goodbyes may take after the drain.
const GOODBYE_MAX: Duration = Duration::from_secs(2);

thread_local! {
    static CURRENT: RefCell<Option<Shard>> = const { RefCell::new(None) };
}

/// One core's executor and what lives on it. A clone is a handle to the same.
#[derive(Clone)]
pub struct Shard(Rc<Inner>);

struct Inner {
    index: usize,
    count: usize,
    hub: Hub,
    clock: Clock,
    pool: Pool,
    connections: RefCell<Slab<Connection>>,
    /// Connections whose driver has not ended.
    drivers: Census,
    handlers: Census,
    scratch: Scratch,
    spares: Spares,
    /// What was refused, dropped or cut off, by name.
    counts: RefCell<BTreeMap<&'static str, u64>>,
    /// What runs beside connections, until the end.
    background: RefCell<Vec<glommio::Task<()>>>,
    /// What is still to be done when the connections are gone.
    endings: RefCell<Vec<Work>>,
    /// What happened in sessions that have ended.
    ended: RefCell<Counters>,
}

impl Shard {
    /// Makes this thread's executor a shard.
    pub(crate) fn enter(
        index: usize,
        count: usize,
        backend: BackendChoice,
        receive_bytes_max: u64,
    ) -> Result<Self> {
        let hub = Hub::new(backend).map_err(Error::io("cannot make the socket backend"))?;
        let shard = Self(Rc::new(Inner {
            index,
            count,
            hub,
            clock: Clock::start(),
            pool: Pool::new(receive_bytes_max),
            connections: RefCell::default(),
            drivers: Census::default(),
            handlers: Census::default(),
            scratch: Scratch::default(),
            spares: Spares::new(),
            counts: RefCell::default(),
            background: RefCell::default(),
            endings: RefCell::default(),
            ended: RefCell::default(),
        }));
        CURRENT.with(|current| *current.borrow_mut() = Some(shard.clone()));
        Ok(shard)
    }

    /// The shard of this thread, if it is one.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.with(|current| current.borrow().clone())
    }

    /// Which shard this is, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.0.index
    }

    /// How many shards there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.count
    }

    /// How its sockets wait.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.0.hub.backend()
    }

    /// Connections on this shard.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.connections.borrow().len()
    }

    /// Received bytes that nobody on this shard has taken yet.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.0.pool.used()
    }

    /// Connections refused, dropped or cut off on this shard, by the name of the reason.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.counts.borrow().clone()
    }

    /// What happened in all sessions of this shard, those that have ended included.
    #[must_use]
    pub fn session_counters(&self) -> Counters {
        let mut sum = self.0.ended.borrow().clone();
        for (_, connection) in self.0.connections.borrow().iter() {
            connection.inspect(|session| sum.add(session.counters()));
        }
        sum
    }

    pub(crate) fn tally(&self, name: &'static str) {
        *self.0.counts.borrow_mut().entry(name).or_default() += 1;
    }

    /// Runs something beside the connections. It is cancelled when the shard ends, after what [`at_end`](Self::at_end) was given.
    pub fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        // Polls the work at once, which may spawn more.
        let task = glommio::spawn_local(work);
        self.0.background.borrow_mut().push(task);
    }

    /// Runs something when the last connection is gone and before the shard ends. Other shards may have ended by then.
    pub fn at_end(&self, work: impl Future<Output = ()> + 'static) {
        self.0.endings.borrow_mut().push(Box::pin(work));
    }

    pub(crate) async fn finish(&self) {
        for ending in self.0.endings.take() {
            ending.await;
        }
        for task in self.0.background.take() {
            task.cancel().await;
        }
    }

    pub(crate) fn scratch(&self) -> Scratch {
        self.0.scratch.clone()
    }

    /// Counts a task that a drain waits for.
    pub(crate) fn enter_driver(&self) -> Live {
        self.0.drivers.enter()
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.0.hub
    }

    pub(crate) fn clock(&self) -> Clock {
        self.0.clock
    }

    pub(crate) fn handlers(&self) -> &Census {
        &self.0.handlers
    }

    /// Starts serving a connection.
    pub(crate) fn start(
        &self,
        link: Link,
        (peer, grant): (Peer, Grant),
        config: Config,
        service: Rc<dyn Service>,
        ended: impl FnOnce() + 'static,
    ) -> Connection {
        let mut session = Session::new(config, self.0.clock.now());
        session.share(self.0.pool.clone());
        session.reuse(self.0.spares.clone());
        let connection = Connection::new(session, self.clone(), peer, grant);
        let greeted = Rc::clone(&service);
        let driver = Driver::new(connection.clone(), service, link);
        let slot = self.0.connections.borrow_mut().insert(connection.clone());
        let live = self.0.drivers.enter();
        let (shard, held) = (self.clone(), connection.clone());
        glommio::spawn_local(async move {
            let _live = live;
            if AssertUnwindSafe(driver).catch_unwind().await.is_err() {
                tracing::error!(peer = %held.peer(), "a driver panicked: its connection is closed");
            }
            shard.0.connections.borrow_mut().try_remove(slot);
            held.inspect(|session| shard.0.ended.borrow_mut().add(session.counters()));
            ended();
        })
        .detach();
        greeted.handle_connected(&connection);
        connection
    }

    /// Cuts the connections of the peers that `is_unwanted` names.
    pub(crate) fn cut(&self, is_unwanted: impl Fn(&Peer) -> bool) {
        self.each(|connection| {
            if is_unwanted(connection.peer()) {
                self.tally("connection_blocked");
                connection.abort();
            }
        });
    }

    /// Waits until every connection is gone: those with work at hand get `drain_max` for it, then goodbye is said for them.
    pub(crate) async fn drain(&self, drain_max: Duration) {
        self.each(Connection::drain);
        if !self.empties_within(drain_max).await {
            self.each(Connection::close);
        }
        if !self.empties_within(GOODBYE_MAX).await {
            self.each(Connection::abort);
            self.empties_within(GOODBYE_MAX).await;
        }
    }

    fn each(&self, act: impl Fn(&Connection)) {
        let connections: Vec<_> = self.0.connections.borrow().iter().map(|(_, one)| one.clone()).collect();
        connections.iter().for_each(act);
    }

    async fn empties_within(&self, limit: Duration) -> bool {
        let end = self.0.clock.now() + limit;
        while self.0.drivers.count() > 0 || self.0.handlers.count() > 0 {
            if self.0.clock.now() >= end {
                return false;
            }
            sleep(DRAIN_POLL).await;
        }
        true
    }

    /// Ends the shard: nothing waits for its sockets any more.
    pub(crate) async fn leave(self, pump: glommio::Task<()>) {
        CURRENT.with(|current| current.borrow_mut().take());
        self.0.hub.stop();
        pump.await;
    }

    /// The task that keeps sockets going, to be given back to [`leave`](Self::leave).
    pub(crate) fn pump(&self) -> glommio::Task<()> {
        let hub = self.0.hub.clone();
        glommio::spawn_local(async move { hub.run().await })
    }
}

/// Runs a future on a shard of its own on this thread, with room for connections; for clients. When it ends, connections
/// still open get goodbye.
///
/// # Errors
/// [`Error`] when the machine lacks something, or the executor cannot be made.
pub fn block_on<T>(future: impl Future<Output = T>) -> Result<T> {
    doctor::preflight(&Needs { shards: Some(1), ..Needs::default() })?;
    let executor = LocalExecutorBuilder::new(Placement::Unbound)
        .io_memory(IO_MEMORY_BYTES)
        .ring_depth(RING_DEPTH)
        .preempt_timer(PREEMPT_EVERY)
        .spin_before_park(SPIN_BEFORE_PARK)
        .make()
        .map_err(|error| Error::Runtime(error.to_string()))?;
    executor.run(async {
        let shard = Shard::enter(0, 1, BackendChoice::Auto, u64::MAX)?;
        let pump = shard.pump();
        let output = future.await;
        shard.each(Connection::close);
        shard.drain(Duration::ZERO).await;
        shard.finish().await;
        shard.leave(pump).await;
        Ok(output)
    })
}
