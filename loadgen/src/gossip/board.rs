//! What the threads of a run tell each other: where the run is, how far it has come, what went wrong.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::record::latency::Recorder;

/// Where a run is. Crews begin a step when the board says so, and say when they are ready for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub(super) enum Step {
    /// Those who push connect.
    Start,
    /// They bring what is published.
    Push,
    /// Those who pull connect.
    Arrive,
    /// They fetch all of it.
    Pull,
    /// They ask for what is to come.
    Follow,
    /// More is published, all at once.
    Through,
    /// The rest is published on schedule.
    Live,
    /// All is said.
    End,
}

/// How many messages of each feed are published in the course of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    /// Before anybody pulls.
    pub(super) pushed: u32,
    /// With those that go through.
    pub(super) through: u32,
    /// With those on schedule.
    pub(super) all: u32,
}

/// Shared by all.
#[derive(Debug)]
pub(super) struct Board {
    /// All times count from here.
    began: Instant,
    /// How many messages each feed has in the end.
    pub(super) marks: Marks,
    step: AtomicU32,
    ready: AtomicU32,
    /// Messages sent by those who push.
    pub(super) sent: AtomicU64,
    /// Feeds whose last pushed message the witness has seen.
    pub(super) witnessed: Arrivals,
    /// Peers that have all that was published until the end of the step.
    pub(super) reached: Arrivals,
    /// Messages that came to those who pull.
    pub(super) arrived: AtomicU64,
    /// Bytes of these.
    pub(super) bytes: AtomicU64,
    /// Feeds that the pub has asked those who push for.
    pub(super) asked: AtomicU64,
    wrong: AtomicU64,
    complaint: Mutex<Option<String>>,
    failed: Mutex<Option<String>>,
    /// When each message on schedule was due, and when it was published, feed by feed.
    due: Vec<[AtomicU64; 2]>,
    /// From due and from published to arrival.
    times: Mutex<[Recorder; 2]>,
}

/// How many, and when the last came.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    count: AtomicU64,
    last_ns: AtomicU64,
}

impl Arrivals {
    /// One more.
    pub(super) fn note(&self, at: Duration) {
        self.last_ns.fetch_max(nanoseconds(at), Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Release);
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// When the last came, since the board began.
    pub(super) fn last(&self) -> Duration {
        Duration::from_nanos(self.last_ns.load(Ordering::Relaxed))
    }
}

impl Board {
    /// An empty one, for so many feeds.
    pub(super) fn new(feeds: usize, marks: Marks) -> Self {
        let on_schedule = feeds * (marks.all - marks.through) as usize;
        Self {
            began: Instant::now(),
            marks,
            step: AtomicU32::new(Step::Start as u32),
            ready: AtomicU32::new(0),
            sent: AtomicU64::new(0),
            witnessed: Arrivals::default(),
            reached: Arrivals::default(),
            arrived: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            wrong: AtomicU64::new(0),
            complaint: Mutex::default(),
            failed: Mutex::default(),
            due: std::iter::repeat_with(Default::default).take(on_schedule).collect(),
            times: Mutex::new([Recorder::new(), Recorder::new()]),
        }
    }

    /// Since the board began.
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Begins a step.
    pub(super) fn set(&self, step: Step) {
        self.step.store(step as u32, Ordering::Release);
    }

    /// Whether it has begun.
    pub(super) fn has_begun(&self, step: Step) -> bool {
        self.step.load(Ordering::Acquire) >= step as u32
    }

    /// A crew is ready for what comes next.
    pub(super) fn be_ready(&self) {
        self.ready.fetch_add(1, Ordering::Release);
    }

    /// How often that was said.
    pub(super) fn ready(&self) -> u32 {
        self.ready.load(Ordering::Acquire)
    }

    /// So many messages are wrong, missing or too many.
    pub(super) fn complain(&self, messages: u64, what: impl std::fmt::Display) {
        self.wrong.fetch_add(messages, Ordering::Relaxed);
        let mut complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        complaint.get_or_insert_with(|| what.to_string());
    }

    /// What is wrong, and the first of it in words.
    pub(super) fn wrong(&self) -> (u64, Option<String>) {
        let complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        (self.wrong.load(Ordering::Relaxed), complaint.clone())
    }

    /// The run cannot go on.
    pub(super) fn fail(&self, why: impl std::fmt::Display) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert_with(|| why.to_string());
    }

    /// Why it cannot.
    pub(super) fn failed(&self) -> Option<String> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn slot(&self, feed: usize, place: u32) -> Option<&[AtomicU64; 2]> {
        let Marks { through, all, .. } = self.marks;
        let place = place.checked_sub(through).filter(|place| *place < all - through)?;
        self.due.get(feed * (all - through) as usize + place as usize)
    }

    /// A message on schedule is published, so long after it was due.
    pub(super) fn publish(&self, feed: usize, place: u32, due: Duration) {
        if let Some([was_due, published]) = self.slot(feed, place) {
            was_due.store(nanoseconds(due), Ordering::Relaxed);
            published.store(nanoseconds(self.now()), Ordering::Release);
        }
    }

    /// How long ago a message was due, and published; nothing of those without a schedule.
    pub(super) fn age(&self, feed: usize, place: u32) -> Option<[u64; 2]> {
        let [due, published] = self.slot(feed, place)?;
        let (published, now) = (published.load(Ordering::Acquire), nanoseconds(self.now()));
        Some([due.load(Ordering::Relaxed), published].map(|since| now.saturating_sub(since)))
    }

    /// Adds what somebody timed.
    pub(super) fn add_times(&self, times: &[Recorder; 2]) {
        let mut all = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter_mut().zip(times).for_each(|(all, times)| all.add(times));
    }

    /// All of it: from due, and from published.
    pub(super) fn times(&self) -> [Recorder; 2] {
        self.times.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn nanoseconds(at: Duration) -> u64 {
    u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)
}
