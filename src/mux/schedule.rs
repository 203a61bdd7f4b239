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
    fresh: VecDeque<Flow>,
    backlogged: VecDeque<Flow>,
}

impl Schedule {
    pub(crate) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.backlogged.is_empty()
    }

    pub(crate) fn has_backlogged(&self) -> bool {
        !self.backlogged.is_empty()
    }

    pub(crate) fn add_fresh(&mut self, flow: Flow) {
        self.fresh.push_back(flow);
    }

    pub(crate) fn add_backlogged(&mut self, flow: Flow) {
        self.backlogged.push_back(flow);
    }

    pub(crate) fn pop_fresh(&mut self) -> Option<Flow> {
        self.fresh.pop_front()
    }

    pub(crate) fn pop_backlogged(&mut self) -> Option<Flow> {
        self.backlogged.pop_front()
    }
}
