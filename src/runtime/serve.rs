use super::{
    Error, Result, ServeOptions, Service, Shard, Shutdown,
    admission::Rates,
    cpus,
    doctor::{self, Needs},
    io::{Watch, sys},
    listener::{Listener, Wrap},
    mailbox::Mailbox,
    reception::Reception,
    shard::{IO_MEMORY_BYTES, PREEMPT_EVERY, RING_DEPTH, SPIN_BEFORE_PARK},
};
use crate::secret::{Address, Auth, Endpoint, PublicKey};
use glommio::{CpuSet, LocalExecutorPoolBuilder, PoolPlacement};
use std::{
    cell::RefCell,
    future::poll_fn,
    os::{fd::OwnedFd, unix::net::UnixStream},
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Sockets that are bound and not yet served.
pub struct Bound {
    listeners: Vec<Listener>,
    endpoints: Vec<Endpoint>,
    shutdown: Shutdown,
}

/// Binds all alternatives of the addresses, so that connections queue from here on.
///
/// # Errors
/// [`Error::Io`] when one cannot be bound.
pub fn bind(addresses: &[Address]) -> Result<Bound> {
    let (mut listeners, mut bound) = (Vec::new(), Vec::new());
    for address in addresses {
        for endpoint in address.endpoints() {
            let (listener, endpoint) = Listener::bind(endpoint)?;
            listeners.push(listener);
            bound.push(endpoint);
        }
    }
    Ok(Bound { listeners, endpoints: bound, shutdown: Shutdown::default() })
}

impl Bound {
    /// One address per listener, with the port that was chosen, and `key` as that of those that shake hands.
    #[must_use]
    pub fn addresses(&self, key: Option<PublicKey>) -> Vec<Address> {
        let mut endpoints = self.endpoints.clone();
        for endpoint in &mut endpoints {
            if let Auth::Shs { key: own, .. } = &mut endpoint.auth {
                *own = key;
            }
        }
        endpoints.into_iter().map(Address::from).collect()
    }

    /// Says what the listeners need and the options lack.
    fn check(&self, options: &ServeOptions) -> Result<()> {
        let mut doors = self.listeners.iter().map(Listener::door);
        if doors.clone().any(|door| door.is_secret) && options.credentials.is_none() {
            return Err(Error::Options("an address with ~shs needs an identity".to_owned()));
        }
        if doors.any(|door| door.wrap == Wrap::Wss) && options.tls.is_none() {
            return Err(Error::Options("a wss address needs a certificate".to_owned()));
        }
        Ok(())
    }

    /// What stops the server.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }
}

/// What every shard is told.
pub(crate) struct Plan {
    pub(crate) options: ServeOptions,
    pub(crate) mailboxes: Arc<[Mailbox]>,
    pub(crate) shutdown: Shutdown,
    /// Taken by the first shard, which accepts for all.
    listeners: Mutex<Vec<Listener>>,
    signals: Mutex<Option<UnixStream>>,
    /// Numbers the shards in the order in which they start.
    next: AtomicUsize,
}

/// Serves bound addresses on all shards until shutdown. `build` runs once on each shard and makes what answers its
/// connections; only `build` itself crosses threads.
///
/// # Errors
/// [`Error`] when the machine lacks something or a shard cannot start or died.
pub fn run_shards<F>(bound: Bound, options: ServeOptions, build: F) -> Result<()>
where
    F: Fn(&Shard) -> Rc<dyn Service> + Clone + Send + 'static,
{
    bound.check(&options)?;
    doctor::preflight(&Needs { shards: options.shards, ..Needs::default() })?;
    let cpus = cpus::plan(options.shards)?;
    let mailboxes = cpus.iter().map(|_| Mailbox::new()).collect::<Result<Arc<[_]>>>()?;
    for mailbox in mailboxes.iter() {
        bound.shutdown.add(&mailbox.bell)?;
        options.blocklist.add(&mailbox.bell)?;
    }
    let mut caught = Signals::default();
    let signals = if options.handles_signals { Some(caught.catch()?) } else { None };
    let plan = Arc::new(Plan {
        mailboxes,
        shutdown: bound.shutdown,
        listeners: Mutex::new(bound.listeners),
        signals: Mutex::new(signals),
        next: AtomicUsize::new(0),
        options,
    });
    let placed = CpuSet::online()
        .map_err(|error| Error::Runtime(error.to_string()))?
        .filter(|location| cpus.contains(&location.cpu));
    let shards = LocalExecutorPoolBuilder::new(PoolPlacement::MaxSpread(cpus.len(), Some(placed)))
        .io_memory(IO_MEMORY_BYTES)
        .ring_depth(RING_DEPTH)
        .preempt_timer(PREEMPT_EVERY)
        .spin_before_park(SPIN_BEFORE_PARK)
        .name("shard")
        .on_all_shards(move || {
            let (plan, build) = (Arc::clone(&plan), build.clone());
            async move {
                // One shard less would leave connections unserved, however it ended: all or none.
                let _all_or_none = AskWhenDropped(plan.shutdown.clone());
                run_shard(Arc::clone(&plan), build).await
            }
        })
        .map_err(|error| Error::Runtime(error.to_string()))?;
    for ended in shards.join_all() {
        ended.map_err(|error| Error::Runtime(error.to_string()))??;
    }
    Ok(())
}

/// Asks for shutdown when it goes, in a panic too.
struct AskWhenDropped(Shutdown);

impl Drop for AskWhenDropped {
    fn drop(&mut self) {
        self.0.ask();
    }
}

/// Signals that are caught as long as this lives.
#[derive(Default)]
struct Signals(Vec<signal_hook::SigId>);

impl Signals {
    /// A pipe that signals write to: there is little else to do for one that comes between any two instructions.
    fn catch(&mut self) -> Result<UnixStream> {
        let mut make = || {
            let (ours, theirs) = UnixStream::pair()?;
            for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
                self.0.push(signal_hook::low_level::pipe::register(signal, theirs.try_clone()?)?);
            }
            Ok(ours)
        };
        make().map_err(Error::io("cannot catch signals"))
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.0.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}

fn take<T: Default>(slot: &Mutex<T>) -> T {
    std::mem::take(&mut *slot.lock().unwrap_or_else(PoisonError::into_inner))
}

async fn run_shard<F>(plan: Arc<Plan>, build: F) -> Result<()>
where
    F: Fn(&Shard) -> Rc<dyn Service>,
{
    let index = plan.next.fetch_add(1, Ordering::Relaxed);
    let shard =
        Shard::enter(index, plan.mailboxes.len(), plan.options.backend, plan.options.receive_bytes_max)?;
    let pump = shard.pump();
    let service = build(&shard);
    let mut accepting = Vec::new();
    let rates = Rc::new(RefCell::new(Rates::new(&plan.options.handshake)));
    for listener in take(&plan.listeners) {
        let (mailboxes, congestion) = (Arc::clone(&plan.mailboxes), plan.options.congestion.clone());
        let run =
            listener.run(shard.clone(), Rc::clone(&rates), mailboxes, plan.shutdown.clone(), congestion);
        accepting.push(glommio::spawn_local(run));
    }
    if let Some(pipe) = take(&plan.signals) {
        let watch = shard.hub().watch(pipe.into()).map_err(Error::io("cannot wait for signals"))?;
        accepting.push(glommio::spawn_local(await_signal(watch, plan.shutdown.clone())));
    }
    let reception = Reception::new(Arc::clone(&plan), shard.clone(), service);
    let served = serve_mailbox(&plan, &shard, &reception).await;
    for task in accepting {
        task.cancel().await;
    }
    reception.close();
    shard.drain(plan.options.drain_max).await;
    drop(reception);
    shard.finish().await;
    shard.leave(pump).await;
    served
}

async fn await_signal(mut watch: Watch, shutdown: Shutdown) {
    if poll_fn(|cx| watch.poll_readable(cx)).await.is_ok() {
        tracing::info!("a signal asks for the end");
        shutdown.ask();
    }
}

/// Starts what the mailbox brings, until shutdown.
async fn serve_mailbox(plan: &Plan, shard: &Shard, reception: &Reception) -> Result<()> {
    let mailbox = &plan.mailboxes[shard.index()];
    let wait = Error::io("cannot wait for connections");
    let copy = mailbox.bell.try_clone().and_then(|bell: OwnedFd| shard.hub().watch(bell));
    let mut bell = copy.map_err(wait)?;
    let mut blocked = 0;
    loop {
        poll_fn(|cx| bell.poll_readable(cx)).await.map_err(Error::io("cannot wait for connections"))?;
        // Emptied before the queue is looked at, so that what comes after rings again.
        let _ = sys::eventfd_drain(bell.fd());
        bell.clear_ready();
        while let Some(accepted) = mailbox.pop() {
            reception.receive(accepted);
        }
        let version = plan.options.blocklist.version();
        if version != blocked {
            blocked = version;
            shard.cut(|peer| peer.key.is_some_and(|key| plan.options.blocklist.contains(&key)));
        }
        if plan.shutdown.is_asked() {
            return Ok(());
        }
    }
}
