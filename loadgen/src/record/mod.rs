//! What is measured in a run and how: durations, processor time and memory, what else the machine did.

pub(crate) mod callgrind;
pub(crate) mod growth;
pub(crate) mod latency;
pub(crate) mod noise;
pub(crate) mod outcome;
pub(crate) mod usage;
