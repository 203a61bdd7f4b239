//! What the streams of one executor counted.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::time::{Duration, Instant};

use crate::measure::{Seen, Tally};
use crate::record::latency::Recorder;

/// Shared by all streams of an executor.
#[derive(Debug)]
pub(crate) struct Ledger {
    messages: Cell<u64>,
    bytes: Cell<u64>,
    errors: Cell<u64>,
    latency: RefCell<Recorder>,
    /// Times of what is done before this are not recorded.
    from: Cell<Option<Instant>>,
    complaint: RefCell<Option<String>>,
    seen: Seen,
}

/// What a ledger says in the end.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Right and wrong messages.
    pub(crate) tally: Tally,
    /// How long calls took.
    pub(crate) latency: Recorder,
    /// The first thing that went wrong.
    pub(crate) complaint: Option<String>,
}

impl Ledger {
    /// An empty one, which keeps `seen` up to date for whoever watches.
    pub(crate) fn new(seen: Seen) -> Self {
        Self {
            messages: Cell::new(0),
            bytes: Cell::new(0),
            errors: Cell::new(0),
            latency: RefCell::new(Recorder::new()),
            from: Cell::new(None),
            complaint: RefCell::new(None),
            seen,
        }
    }

    /// A message came.
    pub(crate) fn message(&self, bytes: usize) {
        let messages = self.messages.get() + 1;
        self.messages.set(messages);
        self.bytes.set(self.bytes.get() + bytes as u64);
        self.seen.set(messages);
    }

    /// So many messages are wrong, missing or too many.
    pub(crate) fn wrong(&self, messages: u64, what: impl Display) {
        if messages > 0 {
            self.errors.set(self.errors.get() + messages);
            self.complaint.borrow_mut().get_or_insert_with(|| what.to_string());
        }
    }

    /// When the measured time begins.
    pub(crate) fn time_from(&self, from: Instant) {
        self.from.set(Some(from));
    }

    /// Something took so long.
    pub(crate) fn took(&self, duration: Duration) {
        if self.from.get().is_some_and(|from| Instant::now() < from) {
            return;
        }
        self.latency.borrow_mut().record(duration);
    }

    /// What was counted so far.
    pub(crate) fn outcome(&self) -> Outcome {
        Outcome {
            tally: Tally {
                messages: self.messages.get(),
                bytes: self.bytes.get(),
                errors: self.errors.get(),
            },
            latency: self.latency.borrow().clone(),
            complaint: self.complaint.borrow().clone(),
        }
    }
}
