use super::StreamKey;
use std::collections::VecDeque;

/// Bytes a stream may send per visit. A frame is sent whole, so the rest of a visit is carried over as a deficit.
pub const QUANTUM_BYTES: usize = 16 << 10;

/// Who takes part in the round robin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Stream(StreamKey),
    /// Replies too long to count as interactive, all together.
    Replies,
}

/// The order of sending: two rings of deficit round robin. A stream that had nothing to send enters the fresh ring and
/// is served there once, ahead of those with a backlog; what it has left then waits with them (the sparse-flow rule
/// of fq_codel).
#[derive(Clone, Debug, Default)]
pub(crate) struct Schedule {
    fresh: Ring,
    backlogged: Ring,
}

/// Places that a ring may have unused.
const SPARE_PLACES_MAX: usize = 256;

#[derive(Clone, Debug, Default)]
struct Ring {
    flows: VecDeque<Flow>,
    /// The most that were in it since it was last looked at.
    peak: usize,
}

impl Ring {
    fn add(&mut self, flow: Flow) {
        self.flows.push_back(flow);
        self.peak = self.peak.max(self.flows.len());
    }

    fn cool(&mut self) {
        if self.flows.capacity() > 4 * self.peak + SPARE_PLACES_MAX {
            self.flows.shrink_to(self.peak);
        }
        self.peak = self.flows.len();
    }
}

impl Schedule {
    pub(crate) fn is_empty(&self) -> bool {
        self.fresh.flows.is_empty() && self.backlogged.flows.is_empty()
    }

    pub(crate) fn has_backlogged(&self) -> bool {
        !self.backlogged.flows.is_empty()
    }

    /// Gives memory back that a burst asked for and nobody has needed since this was last called.
    pub(crate) fn cool(&mut self) {
        self.fresh.cool();
        self.backlogged.cool();
    }

    pub(crate) fn add_fresh(&mut self, flow: Flow) {
        self.fresh.add(flow);
    }

    pub(crate) fn add_backlogged(&mut self, flow: Flow) {
        self.backlogged.add(flow);
    }

    pub(crate) fn pop_fresh(&mut self) -> Option<Flow> {
        self.fresh.flows.pop_front()
    }

    pub(crate) fn pop_backlogged(&mut self) -> Option<Flow> {
        self.backlogged.flows.pop_front()
    }
}
