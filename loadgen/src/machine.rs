//! The machine under measurement: its cores, its kernel, its network settings.

use std::fmt;
use std::fs;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::{Deserialize, Serialize};

const CONGESTION: &str = "/proc/sys/net/ipv4/tcp_congestion_control";

/// What a reader of the figures wants to know about where they come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
    congestion: String,
    load: String,
}

impl Machine {
    /// Looks around.
    pub(crate) fn here() -> Self {
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            processor: processor_in(&processors).unwrap_or("an unnamed processor").to_owned(),
            cores: allowed_cores().map_or(1, |cores| cores.len()),
            kernel: trimmed("/proc/sys/kernel/osrelease"),
            congestion: congestion_control(),
            load: trimmed("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}

impl Machine {
    /// Whether rates of the two mean different things.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        (&self.processor, self.cores, &self.kernel) != (&other.processor, other.cores, &other.kernel)
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, kernel, congestion, load } = self;
        let plural = if *cores == 1 { "core" } else { "cores" };
        write!(
            f,
            "{processor}, {cores} {plural}, Linux {kernel}, congestion control {congestion}, load {load}"
        )
    }
}

/// The kernel's default for new TCP sockets in this network namespace.
pub(crate) fn congestion_control() -> String {
    trimmed(CONGESTION)
}

/// Makes `name` the default for new TCP sockets in this network namespace.
pub(crate) fn set_congestion_control(name: &str) -> anyhow::Result<()> {
    fs::write(CONGESTION, name).with_context(|| format!("cannot make {name} the congestion control"))
}

/// Cores this process may run on.
pub(crate) fn allowed_cores() -> anyhow::Result<Vec<usize>> {
    let set = sched_getaffinity(None).context("cannot read the affinity mask")?;
    Ok((0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect())
}

/// Keeps the calling thread, and all it starts from now on, on one core.
pub(crate) fn pin(core: usize) -> anyhow::Result<()> {
    keep_to(&[core])
}

/// Keeps the calling thread, and all it starts from now on, on some cores.
pub(crate) fn keep_to(cores: &[usize]) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    for &core in cores {
        anyhow::ensure!(core < CpuSet::MAX_CPU, "core {core} does not exist");
        set.set(core);
    }
    sched_setaffinity(None, &set).with_context(|| format!("cannot run on the cores {cores:?}"))
}

/// Lets this process and those it starts have as many files and sockets open as it may let them; how many that is.
pub(crate) fn raise_open_files() -> anyhow::Result<u64> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("cannot raise the limit of open files")?;
    Ok(maximum.unwrap_or(u64::MAX))
}

/// A core for each process: two physical ones where there are two, else two threads of one, else one for both.
pub(crate) fn two_cores() -> anyhow::Result<(usize, usize)> {
    let cores = allowed_cores()?;
    let siblings = |core: usize| {
        let text = trimmed(&format!("/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list"));
        parse_list(&text)
    };
    pick_two(&cores, siblings).context("no core is allowed to this process")
}

fn pick_two(cores: &[usize], siblings: impl Fn(usize) -> Vec<usize>) -> Option<(usize, usize)> {
    let &first = cores.first()?;
    let same = siblings(first);
    let elsewhere = cores.iter().skip(1).find(|core| !same.contains(core));
    Some((first, elsewhere.or_else(|| cores.get(1)).copied().unwrap_or(first)))
}

/// Reads `0-3,8`; what makes no sense is left out.
fn parse_list(text: &str) -> Vec<usize> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(from), Ok(to)) = (from.trim().parse::<usize>(), to.trim().parse::<usize>()) {
            all.extend(from..=to.min(from + CpuSet::MAX_CPU));
        }
    }
    all
}

fn processor_in(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

fn trimmed(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_threads_of_one_core_are_the_second_choice() {
        let paired = |core: usize| vec![core & !1, core | 1];
        assert_eq!(pick_two(&[0, 1, 2, 3], paired), Some((0, 2)));
        assert_eq!(pick_two(&[0, 1], paired), Some((0, 1)));
        assert_eq!(pick_two(&[5], paired), Some((5, 5)));
        assert_eq!(pick_two(&[], paired), None);
    }

    #[test]
    fn core_lists_are_read_as_the_kernel_writes_them() {
        assert_eq!(parse_list("0-2,8\n"), [0, 1, 2, 8]);
        assert_eq!(parse_list("unknown"), Vec::<usize>::new());
    }

    #[test]
    fn the_limit_of_open_files_is_raised_to_the_hard_one() {
        let limit = raise_open_files().expect("no privilege is needed");
        assert_eq!(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), limit);
    }

    #[test]
    fn some_core_is_allowed_and_can_be_pinned_to() {
        let cores = allowed_cores().expect("a mask");
        std::thread::spawn(move || {
            pin(cores[0]).expect("an allowed core");
            assert_eq!(allowed_cores().expect("a mask"), [cores[0]]);
        })
        .join()
        .expect("no panic");
    }
}
