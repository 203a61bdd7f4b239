/// What may be sent beyond credit, shared by all streams of a connection.
///
/// push-mux 1.0.7 receivers grant only after their reader has gone half of *their* window past the last grant, and never
/// say what that window is. A sender whose overdraft is smaller than that half waits for ever. So: start with
/// half of our own window, double it while nothing at all has been granted (a bounded *probe*, driven by the
/// caller's timer), and learn the peer's half from its first grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdraft {
    configured: u64,
    learned: u64,
    probe: u64,
    probe_max: u64,
    granted: bool,
    exact: bool,
}

impl Overdraft {
    /// An overdraft of half the `window` we would grant, that probes up to `probe_max`.
    #[must_use]
    pub const fn new(window: u64, probe_max: u64) -> Self {
        Self { configured: window / 2, learned: 0, probe: 0, probe_max, granted: false, exact: false }
    }

    /// Cost a stream may spend beyond its credit.
    #[must_use]
    #[inline]
    pub fn allowed(&self) -> u64 {
        match (self.exact, self.granted) {
            (true, _) => 0,
            (false, true) => self.configured.max(self.learned),
            (false, false) => self.configured.max(self.probe),
        }
    }

    /// The peer said that it grants ahead of reading: no overdraft is needed, windows are exact.
    pub const fn set_exact(&mut self) {
        self.exact = true;
    }

    /// Whether the peer said so.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.exact
    }

    /// Whether the peer has granted anything yet.
    #[must_use]
    pub const fn is_granted(&self) -> bool {
        self.granted
    }

    /// Learns from a grant that raised a stream's credit from `before` to `after`.
    ///
    /// A 1.0.7 receiver with window `R` sends `reads + R` once `reads >= before + R/2`, so `after - before >= 3/2 R`
    /// and a third of the raise is at least half of `R`.
    pub fn learn(&mut self, before: u64, after: u64) {
        self.granted = true;
        self.learned = self.learned.max(after.saturating_sub(before).div_ceil(3));
    }

    /// Doubles the probe; says whether it grew. Does nothing after the first grant or at the bound.
    pub fn probe(&mut self) -> bool {
        if self.granted || self.exact || self.allowed() >= self.probe_max {
            return false;
        }
        self.probe = self.allowed().saturating_mul(2).clamp(1 << 10, self.probe_max);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_doubles_to_its_bound_and_stops() {
        let mut overdraft = Overdraft::new(64 << 10, 1 << 20);
        let mut steps = 0;
        while overdraft.probe() {
            steps += 1;
            assert!(steps < 64, "the probe is bounded");
        }
        assert_eq!(overdraft.allowed(), 1 << 20);
    }

    #[test]
    fn half_of_any_javascript_window_is_learned_from_its_first_grant() {
        for window in [1_u64, 2, 3, 1000, 65_535, 65_537, 1 << 20, 8 << 20] {
            // The reader passes the threshold by up to a frame.
            for past in [0, 1, 63, 4096] {
                let reads = window.div_ceil(2) + past;
                let mut overdraft = Overdraft::new(0, 4 << 20);
                overdraft.learn(0, reads + window);
                assert!(overdraft.allowed() >= window / 2, "window {window} past {past}");
            }
        }
    }

    #[test]
    fn an_exact_peer_gets_no_overdraft() {
        let mut overdraft = Overdraft::new(64 << 10, 1 << 20);
        overdraft.set_exact();
        overdraft.learn(0, 1 << 20);
        assert_eq!(overdraft.allowed(), 0);
        assert!(!overdraft.probe());
    }
}
