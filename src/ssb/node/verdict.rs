use super::{Node, intake::Origin};
use crate::PublicKey;
use std::{collections::HashMap, fmt, sync::Arc};

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is malformed, or its author did not sign it.
    Invalid(String),
    /// It does not follow the last message that is stored.
    Gap {
        /// The sequence of that one.
        have: u32,
    },
    /// It contradicts a message that is stored.
    Fork,
    /// It is right, but could not be stored: not the peer's fault.
    NotStored,
}

impl Refusal {
    /// The name in metrics.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::Gap { .. } => "gap",
            Self::Fork => "fork",
            Self::NotStored => "not_stored",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(reason) => write!(f, "invalid message: {reason}"),
            Self::Gap { have } => write!(f, "messages are missing after {have}"),
            Self::Fork => f.write_str("the feed is forked"),
            Self::NotStored => f.write_str("the message could not be stored"),
        }
    }
}

/// What connections are told of a batch, one errand for each.
#[derive(Default)]
pub(crate) struct Verdicts(HashMap<Origin, Verdict>);

/// What a connection is told.
#[derive(Clone, Default)]
pub(crate) struct Verdict {
    /// Messages that were looked at.
    pub(crate) count: usize,
    pub(crate) refused: Vec<(PublicKey, Refusal)>,
}

impl Verdicts {
    fn of(&mut self, origin: Origin) -> &mut Verdict {
        let verdict = self.0.entry(origin).or_default();
        verdict.count += 1;
        verdict
    }

    /// A message is stored, now or before.
    pub(crate) fn known(&mut self, origin: Origin) {
        self.of(origin);
    }

    pub(crate) fn refuse(&mut self, origin: Origin, feed: PublicKey, refusal: Refusal, node: &Node) {
        node.metrics.refused_message(refusal.name());
        self.of(origin).refused.push((feed, refusal));
    }

    pub(crate) fn send(self, node: &Node) {
        for (origin, verdict) in self.0 {
            let Origin::Intake { shard, id } = origin else { continue };
            let verdict = Arc::new(verdict);
            node.common.mesh.tell(shard, move |node| node.handle_verdict(id, &verdict));
        }
    }
}
