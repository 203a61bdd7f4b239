//! Tells whether this machine can run a server, and what to change where it cannot.
//!
//! The runtime below panics, or dies with an unhelpful word, where `io_uring` is blocked or memory may not be
//! locked. So every start asks here first: [`preflight`] runs the checks that a start depends on and gives
//! one sentence and one remedy. [`examine`] runs all of them and is what a person calls for.
//!
//! Probing and judging are apart: `probe` observes and never judges, the checks are pure functions from what
//! was observed to a [`Finding`].
//!
//! Both functions raise the soft limits of locked memory and open files of this process to the hard ones,
//! because that is what a server wants, and then judge the result.

mod checks;
mod facts;
mod probe;
mod report;
mod uring_checks;

#[cfg(test)]
mod child_tests;

pub use self::report::{Finding, Report, Status};

use self::probe::Resource;
use super::cpus;

/// What a server is going to ask of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Shards to start, each pinned to a CPU of its own; `None` leaves the number to the machine.
    pub shards: Option<usize>,
    /// Files and sockets that have to be open at once.
    pub open_files_min: u64,
}

impl Default for Needs {
    /// As many shards as the machine has CPUs for, and 4,096 files and sockets.
    fn default() -> Self {
        Self { shards: None, open_files_min: 4096 }
    }
}

/// Why a server cannot start on this machine: the first check that failed.
///
/// `Display` is the sentence and the remedy, on one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", finding.sentence, remedy_clause(finding))]
pub struct Unfit {
    finding: Finding,
}

impl Unfit {
    /// The check that failed.
    #[must_use]
    pub fn finding(&self) -> &Finding {
        &self.finding
    }
}

fn remedy_clause(finding: &Finding) -> String {
    finding.remedy.as_ref().map_or_else(String::new, |remedy| format!(" Remedy: {remedy}."))
}

/// Runs every check, in well under a millisecond, and raises the two soft limits on the way.
///
/// Call it from a thread that is not pinned to a CPU.
pub fn examine(needs: &Needs) -> Report {
    let mut findings = essentials(needs);
    findings.push(uring_checks::multishot(probe::multishot_receive()));
    findings.push(checks::congestion(&probe::congestion()));
    Report { findings }
}

/// Runs the checks that a start depends on, and raises the two soft limits on the way.
///
/// Call it before anything of the runtime, from a thread that is not pinned to a CPU. It is cheap: some sixty
/// system calls that wait for nothing.
///
/// # Errors
///
/// [`Unfit`] with the first check that failed.
pub fn preflight(needs: &Needs) -> Result<(), Unfit> {
    let failed = essentials(needs).into_iter().find(|finding| finding.status == Status::Fail);
    failed.map_or(Ok(()), |finding| Err(Unfit { finding }))
}

fn essentials(needs: &Needs) -> Vec<Finding> {
    // First, because kernels before 5.12 charge rings to the limit of locked memory.
    let locked_memory = probe::raise_limit(Resource::LockedMemory);
    let open_files = probe::raise_limit(Resource::OpenFiles);
    let confinement = probe::confinement();
    let kernel = probe::kernel();
    let allowed = cpus::allowed_cpus();
    let quota = cpus::cpu_quota();
    let shards = allowed.as_ref().ok().and_then(|cpus| cpus::shard_count(needs.shards, cpus, quota).ok());
    vec![
        uring_checks::io_uring(probe::ring(), &confinement, &kernel),
        checks::kernel(&kernel),
        checks::locked_memory(locked_memory, shards.unwrap_or(1) as u64, &confinement),
        checks::open_files(open_files, needs.open_files_min),
        checks::cpus(allowed, quota, needs.shards),
    ]
}
