/// Grants smaller than this are held back, so that a small window does not turn into a storm of control frames
/// (push-mux with a credit of 1 sends twice as many bytes of grants as of data).
pub const GRANT_STEP_BYTES_MIN: u64 = 2 << 10;

/// When the next grant is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GrantRule {
    /// At open, then whenever a quarter of the window has been consumed since the last grant. A sender that
    /// keeps to its credit never has to stop for a reader that keeps up.
    #[default]
    Quarter,
    /// What push-mux 1.0.7 does: nothing at open, then once half a window *more* than granted has been consumed. It
    /// deadlocks against a sender with a smaller overdraft; it is here to play that peer in simulations.
    AfterExhaustion,
}

/// A peer sent past everything it was granted and everything tolerated on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{arrived} bytes arrived where {allowed} were allowed")]
pub struct Violation {
    /// Cost that arrived on the stream in all.
    pub arrived: u64,
    /// Cost that had been allowed.
    pub allowed: u64,
}

/// The receiving side of one half.
///
/// Invariants: `consumed <= arrived`; `advertised` never falls; right after a grant `advertised - consumed == window`
/// or less (a budget may allow less).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    arrived: u64,
    consumed: u64,
    advertised: u64,
    window: u64,
}

impl Receiver {
    /// A receiver that will let its peer run `window` (at least 1) ahead of reading.
    #[must_use]
    pub fn new(window: u64) -> Self {
        Self { arrived: 0, consumed: 0, advertised: 0, window: window.max(1) }
    }

    /// Cost that arrived.
    #[must_use]
    pub const fn arrived(&self) -> u64 {
        self.arrived
    }

    /// Cost the reader has taken.
    #[must_use]
    pub const fn consumed(&self) -> u64 {
        self.consumed
    }

    /// The highest total granted.
    #[must_use]
    pub const fn advertised(&self) -> u64 {
        self.advertised
    }

    /// How far ahead of reading the peer may run.
    #[must_use]
    pub const fn window(&self) -> u64 {
        self.window
    }

    /// Sets the window. A smaller one withholds grants until reading has caught up; credit is never taken back.
    pub fn set_window(&mut self, window: u64) {
        self.window = window.max(1);
    }

    /// Cost the peer may still send on what it was granted, or has sent and we have not consumed.
    #[must_use]
    pub const fn outstanding(&self) -> u64 {
        self.advertised.saturating_sub(self.consumed)
    }

    /// Counts arrived frames. `slack` is what is tolerated past the last grant: a peer's overdraft and one frame.
    ///
    /// # Errors
    /// [`Violation`], and the frames are counted all the same.
    #[inline]
    pub fn arrive(&mut self, cost: u64, slack: u64) -> Result<(), Violation> {
        self.arrived = self.arrived.saturating_add(cost);
        // Consumed cost counts as allowed: an uncontrolled beginning may have outrun the first grant.
        let allowed = self.advertised.max(self.consumed).saturating_add(slack);
        if self.arrived > allowed {
            return Err(Violation { arrived: self.arrived, allowed });
        }
        Ok(())
    }

    /// Counts frames that the reader took, or that were thrown away for it.
    #[inline]
    pub fn consume(&mut self, cost: u64) {
        self.consumed = self.consumed.saturating_add(cost);
        debug_assert!(self.consumed <= self.arrived, "nothing is consumed before it arrived");
    }

    /// Whether a grant is worth a control frame now.
    #[must_use]
    #[inline]
    pub fn is_due(&self, rule: GrantRule) -> bool {
        match rule {
            GrantRule::Quarter => {
                let target = self.consumed.saturating_add(self.window);
                target.saturating_sub(self.advertised) >= self.step()
            }
            GrantRule::AfterExhaustion => self.advertised + self.window / 2 <= self.consumed,
        }
    }

    /// The least raise worth a grant: a quarter of the window, but not under 2 KiB unless the window is small itself.
    #[must_use]
    pub fn step(&self) -> u64 {
        (self.window / 4).max(GRANT_STEP_BYTES_MIN.min(self.window / 2)).max(1)
    }

    /// How much a full grant would raise the total.
    #[must_use]
    pub fn raise_wanted(&self) -> u64 {
        self.consumed.saturating_add(self.window).saturating_sub(self.advertised)
    }

    /// Raises the total by at most `raise_max`, never past a window ahead of reading; yields the new total.
    pub fn grant(&mut self, raise_max: u64) -> u64 {
        self.advertised = self.advertised.saturating_add(self.raise_wanted().min(raise_max));
        self.advertised
    }
}
