use crate::mux::Time;
use std::time::Instant;
#[cfg(feature = "ssb")]
use std::time::SystemTime;

/// The one place where the time is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is to use")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub(crate) fn now(&self) -> Time {
        Time::from_micros(u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

#[cfg(feature = "ssb")]
/// Milliseconds since 1970, as messages of feeds have them.
#[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is to use")]
pub(crate) fn wall_ms() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // Whole microseconds, as far as a double has them: what JavaScript peers write.
    (since.as_secs_f64() * 1e6).round() / 1e3
}
