//! What a thread shows to the one that watches it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What threads show while they work.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    pub(super) messages: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) errors: AtomicU64,
    pub(super) credit: AtomicU64,
    pub(super) window: AtomicU64,
    pub(super) p99_us: AtomicU64,
    pub(super) seen: AtomicU64,
    stop: AtomicBool,
}

impl Gauge {
    pub(super) fn publish(&self, messages: u64, bytes: u64, errors: u64) {
        self.messages.store(messages, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
        self.errors.store(errors, Ordering::Relaxed);
    }

    pub(super) fn set_credit(&self, credit: u64, window: u64) {
        self.credit.store(credit, Ordering::Relaxed);
        self.window.store(window, Ordering::Relaxed);
    }

    pub(super) fn set_p99(&self, micros: f64) {
        self.p99_us.store(micros.to_bits(), Ordering::Relaxed);
    }

    pub(super) fn set_seen(&self, seen: u64) {
        self.seen.store(seen, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(super) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Lets the thread end what it does.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
