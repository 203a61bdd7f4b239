use super::Time;

/// A token bucket: `burst` at once, `per_second` in the long run.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    burst: u32,
    per_second: u32,
    /// Tokens in millionths, so that refills of a microsecond count.
    left: u64,
    filled: Time,
}

const MILLION: u64 = 1_000_000;

impl Bucket {
    pub(crate) fn new(burst: u32, per_second: u32, now: Time) -> Self {
        Self { burst, per_second, left: u64::from(burst) * MILLION, filled: now }
    }

    /// Whether nothing has been taken of late.
    #[cfg(feature = "runtime")]
    pub(crate) fn is_full(&mut self, now: Time) -> bool {
        self.take(0, now);
        self.left == u64::from(self.burst) * MILLION
    }

    /// Takes tokens; says whether there were enough.
    pub(crate) fn take(&mut self, tokens: u32, now: Time) -> bool {
        let micros = u64::try_from(now.since(self.filled).as_micros()).unwrap_or(u64::MAX);
        self.filled = self.filled.max(now);
        let refill = micros.saturating_mul(u64::from(self.per_second));
        self.left = self.left.saturating_add(refill).min(u64::from(self.burst) * MILLION);
        let wanted = u64::from(tokens) * MILLION;
        let enough = self.left >= wanted;
        self.left -= wanted.min(self.left);
        enough
    }
}
