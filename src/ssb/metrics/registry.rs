use super::{BlobFigures, Board, MessageFigures, MethodFigures, ShardFigures, Snapshot, StoreFigures};
use crate::{
    PublicKey, Shard,
    rpc::{CallEnd, CallObserver, Kind, Observer, Outcome},
};
use glommio::timer::sleep;
use rustix::time::{ClockId, clock_gettime};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};

/// How often a shard puts what it has counted on the board.
pub const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// What one shard counts. Handles to the same are made with `Rc::clone`; as an [`Observer`] it counts the calls of a router.
#[derive(Debug, Default)]
pub struct Metrics {
    methods: RefCell<BTreeMap<String, Rc<Method>>>,
    calls_refused: Cell<u64>,
    messages: RefCell<MessageFigures>,
    feeds: Cell<u64>,
    lag: RefCell<Vec<(PublicKey, u64)>>,
    store: Cell<Option<StoreFigures>>,
    blobs: Cell<Option<BlobFigures>>,
}

/// The calls of one method.
#[derive(Debug)]
struct Method(RefCell<MethodFigures>);

impl Observer for Metrics {
    fn method(&self, name: &str, kind: Kind) -> Rc<dyn CallObserver> {
        // Routers of a shard's dialled connections may have the same methods as those of its listeners.
        let mut methods = self.methods.borrow_mut();
        let method = methods
            .entry(name.to_owned())
            .or_insert_with(|| Rc::new(Method(RefCell::new(MethodFigures::new(kind)))));
        Rc::<Method>::clone(method)
    }

    fn refused(&self) {
        self.calls_refused.set(self.calls_refused.get() + 1);
    }
}

impl CallObserver for Method {
    fn begin(&self) {
        self.0.borrow_mut().begun += 1;
    }

    fn end(&self, end: &CallEnd) {
        let mut figures = self.0.borrow_mut();
        match end.outcome {
            Outcome::Answered => figures.answered += 1,
            Outcome::Failed => figures.failed += 1,
            Outcome::Dropped => figures.dropped += 1,
        }
        figures.sent_bytes += end.sent_bytes;
        figures.received_bytes += end.received_bytes;
        if matches!(figures.kind, Kind::Async | Kind::Sync) && end.outcome != Outcome::Dropped {
            figures.latency.record(end.elapsed);
        }
    }
}

impl Metrics {
    /// So many messages were checked and found right.
    pub fn verified(&self, messages: u64) {
        self.messages.borrow_mut().verified += messages;
    }

    /// So many messages were stored.
    pub fn stored(&self, messages: u64) {
        self.messages.borrow_mut().stored += messages;
    }

    /// So many messages were sent to peers.
    pub fn sent(&self, messages: u64) {
        self.messages.borrow_mut().sent += messages;
    }

    /// So many messages came that were here already.
    pub fn duplicate(&self, messages: u64) {
        self.messages.borrow_mut().duplicates += messages;
    }

    /// A message was refused. The reason becomes a label: one of a few words, never a peer's own.
    pub fn refused_message(&self, reason: &'static str) {
        *self.messages.borrow_mut().refused.entry(reason).or_default() += 1;
    }

    /// What happened to messages so far.
    #[must_use]
    pub fn messages(&self) -> MessageFigures {
        self.messages.borrow().clone()
    }

    /// How many feeds this shard looks after.
    pub fn set_feeds(&self, feeds: u64) {
        self.feeds.set(feeds);
    }

    /// How many messages each peer of this shard owes: has told to have, wanted by us, and not sent yet.
    pub fn set_lag(&self, lag: Vec<(PublicKey, u64)>) {
        *self.lag.borrow_mut() = lag;
    }

    /// The state of the store; by the shard that looks after it.
    pub fn set_store(&self, store: StoreFigures) {
        self.store.set(Some(store));
    }

    /// The state of the blobs; by the shard that looks after them.
    pub fn set_blobs(&self, blobs: BlobFigures) {
        self.blobs.set(Some(blobs));
    }

    /// All that has been counted on this shard. To be called on the shard's own thread, whose CPU time is read.
    #[must_use]
    pub fn snapshot(&self, shard: &Shard) -> Snapshot {
        let own = ShardFigures {
            index: shard.index(),
            count: shard.count(),
            connections: shard.connections(),
            received_bytes: shard.received_bytes(),
            feeds: self.feeds.get(),
            busy: thread_time(),
            age: Duration::ZERO,
        };
        let methods = self.methods.borrow();
        let methods = methods.iter().map(|(name, method)| (name.clone(), method.0.borrow().clone()));
        let mut snapshot = Snapshot {
            shards: vec![own],
            methods: methods.collect(),
            calls_refused: self.calls_refused.get(),
            sessions: shard.session_counters(),
            limits: shard.counts(),
            messages: self.messages.borrow().clone(),
            store: self.store.get(),
            blobs: self.blobs.get(),
            ..Snapshot::default()
        };
        snapshot.add_lag(self.lag.borrow().clone());
        snapshot
    }

    /// Puts a snapshot on the board every [`PUBLISH_EVERY`], until the shard it runs on ends. Holds nothing of the shard meanwhile.
    pub async fn publish(self: Rc<Self>, board: Board) {
        while let Some(shard) = Shard::current() {
            board.publish(self.snapshot(&shard));
            drop(shard);
            sleep(PUBLISH_EVERY).await;
        }
    }
}

/// The CPU time of the thread that calls.
fn thread_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(outcome: Outcome, micros: u64) -> CallEnd {
        CallEnd { outcome, elapsed: Duration::from_micros(micros), sent_bytes: 3, received_bytes: 5 }
    }

    #[test]
    fn calls_are_counted_by_method_and_outcome() {
        let snapshot = crate::block_on(async {
            let metrics = Metrics::default();
            let hello = metrics.method("hello", Kind::Async);
            let again = metrics.method("hello", Kind::Async);
            let ticks = metrics.method("ticks", Kind::Source);
            for observer in [&hello, &again, &hello, &hello] {
                observer.begin();
            }
            hello.end(&end(Outcome::Answered, 90));
            again.end(&end(Outcome::Failed, 400));
            hello.end(&end(Outcome::Dropped, 1));
            ticks.begin();
            ticks.end(&end(Outcome::Answered, 1_000_000));
            metrics.refused();
            metrics.stored(4);
            metrics.refused_message("signature");
            metrics.set_lag(vec![(PublicKey([1; 32]), 9)]);
            metrics.snapshot(&Shard::current().expect("this is one"))
        })
        .expect("the machine is fit");
        let hello = &snapshot.methods["hello"];
        assert_eq!((hello.begun, hello.open()), (4, 1));
        assert_eq!((hello.answered, hello.failed, hello.dropped), (1, 1, 1));
        assert_eq!((hello.sent_bytes, hello.received_bytes), (9, 15));
        assert_eq!(hello.latency.count(), 2, "a call that was given up took as long as its caller waited");
        assert_eq!(snapshot.methods["ticks"].latency.count(), 0, "a stream has no latency");
        assert_eq!((snapshot.calls_refused, snapshot.messages.stored), (1, 4));
        assert_eq!(snapshot.messages.refused["signature"], 1);
        assert_eq!(snapshot.lag, [(PublicKey([1; 32]), 9)]);
        assert!(snapshot.shards[0].busy > Duration::ZERO);
    }
}
