use std::{cell::Cell, rc::Rc};

/// A count of bytes against a limit. Taking past the limit is possible (bytes that have arrived are there), asking
/// first is the caller's part.
#[derive(Clone, Debug)]
pub struct Budget {
    used: u64,
    limit: u64,
}

impl Budget {
    /// An unused budget of `limit` bytes.
    #[must_use]
    pub const fn new(limit: u64) -> Self {
        Self { used: 0, limit }
    }

    /// Bytes taken and not given back.
    #[must_use]
    pub const fn used(&self) -> u64 {
        self.used
    }

    /// Bytes in all.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes left.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    /// Takes bytes.
    #[inline]
    pub const fn take(&mut self, bytes: u64) {
        self.used = self.used.saturating_add(bytes);
    }

    /// Gives bytes back that were taken.
    #[inline]
    pub fn give(&mut self, bytes: u64) {
        debug_assert!(bytes <= self.used, "more is given back than was taken");
        self.used = self.used.saturating_sub(bytes);
    }
}

/// A [`Budget`] that all connections of a shard share. A thread's own: no lock, no atomic.
#[derive(Clone, Debug)]
pub struct Pool(Rc<Cell<(u64, u64)>>);

impl Pool {
    /// An unused pool of `limit` bytes.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self(Rc::new(Cell::new((0, limit.max(1)))))
    }

    /// Bytes taken by all holders.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.0.get().0
    }

    /// How full the pool is, in percent.
    #[must_use]
    pub fn percent(&self) -> u64 {
        let (used, limit) = self.0.get();
        used.saturating_mul(100) / limit
    }

    /// Takes bytes, past the limit if need be.
    #[inline]
    pub fn take(&self, bytes: u64) {
        let (used, limit) = self.0.get();
        self.0.set((used.saturating_add(bytes), limit));
    }

    /// Gives bytes back that were taken.
    #[inline]
    pub fn give(&self, bytes: u64) {
        let (used, limit) = self.0.get();
        debug_assert!(bytes <= used, "more is given back than was taken");
        self.0.set((used.saturating_sub(bytes), limit));
    }
}
