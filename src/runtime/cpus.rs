//! Which CPUs this process may use, and which of them get a shard.
//!
//! Three things bound the number of shards: the affinity mask (which already reflects `taskset` and cpusets),
//! the CPU time quota of every cgroup above the process, and what the operator asked for. The mask is hard,
//! because pinning a thread outside it fails. The quota only slows threads down, so it bounds the default and
//! not the wish.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use libc::c_ulong;

/// Masks are asked for with room for 1,024 CPUs first, and with at most this many.
const MASK_BITS_MAX: usize = 1 << 20;

/// Why no set of CPUs could be chosen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CpuError {
    /// The kernel did not tell the affinity mask.
    #[error("cannot read the CPU affinity mask: {0}")]
    Affinity(#[from] io::Error),
    /// Zero shards were asked for.
    #[error("asked for 0 shards: at least 1 is needed")]
    NoShards,
    /// More shards were asked for than CPUs are allowed.
    #[error("asked for {wanted} shards but only {} {} allowed: {}", allowed.len(),
        if allowed.len() == 1 { "CPU is" } else { "CPUs are" }, format_cpus(allowed))]
    TooMany {
        /// Shards asked for.
        wanted: usize,
        /// Numbers of the CPUs that may be used, ascending.
        allowed: Vec<usize>,
    },
}

/// The numbers of the CPUs that the calling thread may run on, ascending and never empty.
///
/// Call it before threads are pinned: a pinned thread sees its own narrow mask.
///
/// # Errors
///
/// What `sched_getaffinity` answered.
pub fn allowed_cpus() -> io::Result<Vec<usize>> {
    let mut words = 1024 / c_ulong::BITS as usize;
    loop {
        let mut mask: Vec<c_ulong> = vec![0; words];
        let bytes = std::mem::size_of_val(mask.as_slice());
        // SAFETY: the kernel writes at most `bytes` bytes, which is what `mask` holds; pid 0 is the calling
        // thread.
        let answer = unsafe { libc::sched_getaffinity(0, bytes, mask.as_mut_ptr().cast()) };
        if answer == 0 {
            let cpus = cpus_of_mask(&mask);
            return if cpus.is_empty() { Err(io::Error::other("the mask is empty")) } else { Ok(cpus) };
        }
        let error = io::Error::last_os_error();
        // EINVAL is how the kernel says that the mask has more bits than there was room for.
        if error.raw_os_error() != Some(libc::EINVAL) || words * c_ulong::BITS as usize >= MASK_BITS_MAX {
            return Err(error);
        }
        words *= 2;
    }
}

/// The CPU time that cgroups grant this process, in CPUs (1.5 is one and a half), or `None` without a limit.
///
/// The smallest limit on the way from the process's cgroup up to the root counts, `cpu.max` of version 2 and
/// `cpu.cfs_quota_us` of version 1 alike. A limit that cannot be read, such as one set outside a container,
/// is not known and so counts as none.
pub fn cpu_quota() -> Option<f64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let quotas = parse_mounts(&mounts).into_iter().filter_map(|mount| {
        let group = parse_group(&groups, mount.version)?;
        mount.folders(&group).iter().filter_map(|folder| quota_of(folder, mount.version)).reduce(f64::min)
    });
    quotas.reduce(f64::min)
}

/// How many shards to run when nobody said: the allowed CPUs, but no more than the quota rounded up, and at
/// least 1.
pub fn shards_default() -> usize {
    plan(None).map_or(1, |cpus| cpus.len())
}

/// The CPUs to pin shards to, one shard each: different cores first, their second hardware threads after.
///
/// Without a wish that is [`shards_default`] CPUs. An explicit wish is granted in full, even above the quota.
///
/// # Errors
///
/// [`CpuError`] when the wish is 0 or more than the allowed CPUs, or the affinity mask is unreadable.
pub fn plan(wanted: Option<usize>) -> Result<Vec<usize>, CpuError> {
    let allowed = allowed_cpus()?;
    let count = shard_count(wanted, &allowed, cpu_quota())?;
    let mut chosen = spread(&allowed, core_of);
    chosen.truncate(count);
    Ok(chosen)
}

/// How many shards fit a wish, the allowed CPUs (not empty) and a quota in CPUs.
pub(super) fn shard_count(
    wanted: Option<usize>,
    allowed: &[usize],
    quota: Option<f64>,
) -> Result<usize, CpuError> {
    match wanted {
        Some(0) => Err(CpuError::NoShards),
        Some(wanted) if wanted > allowed.len() => {
            Err(CpuError::TooMany { wanted, allowed: allowed.to_vec() })
        }
        Some(wanted) => Ok(wanted),
        None => {
            let by_quota = quota.map_or(usize::MAX, |cpus| cpus.ceil() as usize);
            Ok(allowed.len().min(by_quota).max(1))
        }
    }
}

/// CPU numbers, ascending, as the kernel writes them: `0-3,8`.
pub(super) fn format_cpus(cpus: &[usize]) -> String {
    let runs = cpus.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        _ => run[0].to_string(),
    });
    runs.collect::<Vec<_>>().join(",")
}

fn cpus_of_mask(mask: &[c_ulong]) -> Vec<usize> {
    let bits = c_ulong::BITS as usize;
    (0..mask.len() * bits).filter(|cpu| mask[cpu / bits] >> (cpu % bits) & 1 == 1).collect()
}

/// Orders CPUs so that any prefix uses as many different cores as possible.
fn spread(cpus: &[usize], core_of: impl Fn(usize) -> usize) -> Vec<usize> {
    let mut threads_seen = BTreeMap::<usize, usize>::new();
    let ranked = cpus.iter().map(|&cpu| {
        let rank = threads_seen.entry(core_of(cpu)).or_default();
        *rank += 1;
        (*rank, cpu)
    });
    let mut ranked: Vec<_> = ranked.collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, cpu)| cpu).collect()
}

/// The core of a CPU, named by its lowest hardware thread; without topology every CPU is its own core.
fn core_of(cpu: usize) -> usize {
    let siblings = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
    fs::read_to_string(siblings).ok().and_then(|list| parse_first_cpu(&list)).unwrap_or(cpu)
}

fn parse_first_cpu(list: &str) -> Option<usize> {
    list.trim().split([',', '-']).next()?.parse().ok()
}

/// The two cgroup interfaces; a hybrid machine has both.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Version {
    One,
    Two,
}

/// A mounted cgroup hierarchy that can carry a CPU limit.
#[derive(Debug, PartialEq)]
struct Mount {
    version: Version,
    /// The cgroup that is visible at `point`; not `/` inside many containers.
    root: String,
    point: PathBuf,
}

impl Mount {
    /// The folders that may limit `group`, from itself up to the mount point.
    fn folders(&self, group: &str) -> Vec<PathBuf> {
        let group = Path::new(group);
        // A group outside the namespace's root reads "/../other": only the mount point is ours to see.
        let outside = group.components().any(|part| part == Component::ParentDir);
        let inside = match group.strip_prefix(&self.root) {
            Ok(inside) if !outside => inside,
            _ => Path::new(""),
        };
        inside.ancestors().map(|part| self.point.join(part)).collect()
    }
}

/// The hierarchies in `/proc/self/mountinfo` that can carry a CPU limit.
fn parse_mounts(mountinfo: &str) -> Vec<Mount> {
    mountinfo.lines().filter_map(parse_mount).collect()
}

fn parse_mount(line: &str) -> Option<Mount> {
    // "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAGS..] - TYPE SOURCE SUPER_OPTIONS"
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (root, point) = (place.next()?, place.next()?);
    let mut kind = kind.split(' ');
    let version = match kind.next()? {
        "cgroup2" => Version::Two,
        "cgroup" if kind.nth(1)?.split(',').any(|option| option == "cpu") => Version::One,
        _ => return None,
    };
    Some(Mount { version, root: root.replace("\\040", " "), point: point.replace("\\040", " ").into() })
}

/// This process's group in `/proc/self/cgroup`: `0::PATH` in version 2, `ID:cpu,..:PATH` in version 1.
fn parse_group(groups: &str, version: Version) -> Option<String> {
    let path = groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let ours = match version {
            Version::Two => id == "0" && controllers.is_empty(),
            Version::One => controllers.split(',').any(|controller| controller == "cpu"),
        };
        ours.then_some(path)
    });
    path.map(str::to_owned)
}

fn quota_of(folder: &Path, version: Version) -> Option<f64> {
    let read = |file| fs::read_to_string(folder.join(file)).ok();
    match version {
        Version::Two => parse_cpu_max(&read("cpu.max")?),
        Version::One => parse_cfs(&read("cpu.cfs_quota_us")?, &read("cpu.cfs_period_us")?),
    }
}

/// `cpu.max`: `QUOTA PERIOD` in microseconds, where the quota may be `max` and the period may be missing.
fn parse_cpu_max(text: &str) -> Option<f64> {
    let mut fields = text.split_whitespace();
    let quota = fields.next()?;
    parse_cfs(quota, fields.next().unwrap_or("100000"))
}

/// Version 1's pair of files, in microseconds; a quota of -1 is no limit.
fn parse_cfs(quota: &str, period: &str) -> Option<f64> {
    let quota: f64 = quota.trim().parse::<u32>().ok()?.into();
    let period: f64 = period.trim().parse::<u32>().ok()?.into();
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_plan() {
        let allowed = allowed_cpus().unwrap();
        assert!(allowed.is_sorted());
        assert_eq!(plan(None).unwrap().len(), shards_default());
        assert!(plan(Some(1)).unwrap().iter().all(|cpu| allowed.contains(cpu)));
        assert!(cpu_quota().is_none_or(|cpus| cpus > 0.0));
    }

    #[test]
    fn a_narrowed_thread_is_planned_onto_its_cpu() {
        let last = *allowed_cpus().unwrap().last().unwrap();
        let narrow = move || {
            let mut mask: Vec<c_ulong> = vec![0; MASK_BITS_MAX / c_ulong::BITS as usize];
            mask[last / c_ulong::BITS as usize] = 1 << (last % c_ulong::BITS as usize);
            let bytes = std::mem::size_of_val(mask.as_slice());
            // SAFETY: the kernel reads at most `bytes` bytes, which is what `mask` holds.
            assert_eq!(unsafe { libc::sched_setaffinity(0, bytes, mask.as_ptr().cast()) }, 0);
            (plan(None).unwrap(), plan(Some(2)).unwrap_err().to_string())
        };
        let (planned, refused) = std::thread::spawn(narrow).join().unwrap();
        assert_eq!(planned, [last]);
        assert_eq!(refused, format!("asked for 2 shards but only 1 CPU is allowed: {last}"));
    }

    #[test]
    fn the_default_is_bounded_by_mask_and_quota() {
        let count = |wanted, quota| shard_count(wanted, &[0, 1, 4, 5], quota).unwrap();
        assert_eq!(count(None, None), 4);
        assert_eq!(count(None, Some(2.0)), 2);
        assert_eq!(count(None, Some(1.2)), 2);
        assert_eq!(count(None, Some(0.1)), 1);
        assert_eq!(count(None, Some(64.0)), 4);
        assert_eq!(count(Some(3), Some(1.0)), 3);
    }

    #[test]
    fn an_impossible_wish_is_refused_in_plain_words() {
        let refused = |wanted| shard_count(Some(wanted), &[0, 1], None).unwrap_err().to_string();
        assert_eq!(refused(8), "asked for 8 shards but only 2 CPUs are allowed: 0-1");
        assert_eq!(refused(0), "asked for 0 shards: at least 1 is needed");
    }

    #[test]
    fn cpu_lists_are_written_as_ranges() {
        assert_eq!(format_cpus(&[0, 1, 2, 3, 8, 10, 11]), "0-3,8,10-11");
        assert_eq!(format_cpus(&[7]), "7");
        assert_eq!(format_cpus(&[]), "");
    }

    #[test]
    fn a_mask_is_read_across_words() {
        assert_eq!(
            cpus_of_mask(&[0b101, 0, 1 << (c_ulong::BITS - 1)]),
            [0, 2, 3 * c_ulong::BITS as usize - 1]
        );
    }

    #[test]
    fn cores_come_before_their_second_threads() {
        assert_eq!(spread(&[0, 1, 2, 3], |cpu| cpu / 2), [0, 2, 1, 3]);
        assert_eq!(spread(&[0, 1, 2, 3], |cpu| cpu % 2), [0, 1, 2, 3]);
        assert_eq!(spread(&[5, 6], |cpu| cpu), [5, 6]);
        assert_eq!(parse_first_cpu("2-3\n"), Some(2));
        assert_eq!(parse_first_cpu("4,68\n"), Some(4));
        assert_eq!(parse_first_cpu("\n"), None);
    }

    #[test]
    fn quotas_are_read_in_both_versions() {
        assert_eq!(parse_cpu_max("max 100000\n"), None);
        assert_eq!(parse_cpu_max("150000 100000\n"), Some(1.5));
        assert_eq!(parse_cpu_max("50000"), Some(0.5));
        assert_eq!(parse_cpu_max("100000 0\n"), None);
        assert_eq!(parse_cpu_max(""), None);
        assert_eq!(parse_cfs("-1\n", "100000\n"), None);
        assert_eq!(parse_cfs("200000\n", "100000\n"), Some(2.0));
    }

    #[test]
    fn the_group_is_found_in_pure_and_hybrid_machines() {
        let hybrid = "4:memory:/m\n3:cpu,cpuacct:/docker/abc\n2:cpuset:/s\n0::/system.slice/pub.service\n";
        assert_eq!(parse_group(hybrid, Version::One).unwrap(), "/docker/abc");
        assert_eq!(parse_group(hybrid, Version::Two).unwrap(), "/system.slice/pub.service");
        assert_eq!(parse_group("0::/a:b\n", Version::Two).unwrap(), "/a:b");
        assert_eq!(parse_group("2:cpuset:/s\n", Version::One), None);
    }

    #[test]
    fn every_ancestor_up_to_the_mount_is_asked() {
        let mounts = parse_mounts(
            "30 20 0:26 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n\
             31 20 0:27 /docker/abc /sys/fs/cgroup/cpu\\040x rw - cgroup cgroup rw,cpu,cpuacct\n\
             32 20 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n\
             33 20 0:29 / /proc rw - proc proc rw\n",
        );
        assert_eq!(
            mounts.iter().map(|mount| mount.version).collect::<Vec<_>>(),
            [Version::Two, Version::One]
        );
        let folders = |mount: &Mount, group| {
            mount
                .folders(group)
                .iter()
                .map(|folder| folder.to_str().unwrap().trim_end_matches('/').to_owned())
                .collect::<Vec<_>>()
        };
        let unified = "/sys/fs/cgroup/unified";
        assert_eq!(
            folders(&mounts[0], "/a/b"),
            [format!("{unified}/a/b"), format!("{unified}/a"), unified.into()]
        );
        assert_eq!(folders(&mounts[0], "/../other"), [unified]);
        assert_eq!(folders(&mounts[1], "/docker/abc/x"), ["/sys/fs/cgroup/cpu x/x", "/sys/fs/cgroup/cpu x"]);
        assert_eq!(folders(&mounts[1], "/elsewhere"), ["/sys/fs/cgroup/cpu x"]);
    }
}
