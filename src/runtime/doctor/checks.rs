//! Judges the kernel, the limits, the CPUs and the congestion control. Pure: facts in, findings out.

use std::io;

use super::super::cpus;
use super::facts::{Confinement, Congestion, Kernel, Limit};
use super::report::Finding;

const KERNEL_MIN: (u32, u32) = (5, 8);

/// The runtime refuses to start below this soft limit of locked memory, in bytes, whatever it would really
/// lock.
const MEMLOCK_MIN: u64 = 512 << 10;

/// Locked memory, in bytes, with which a shard can register the buffers of its three rings.
const MEMLOCK_PER_SHARD: u64 = 512 << 10;

/// The verdict on the kernel's version. A release that says no version is let pass: the ring is asked anyway.
pub(super) fn kernel(kernel: &Kernel) -> Finding {
    const NAME: &str = "kernel";
    let found = format!("Linux {}", kernel.release);
    if kernel.is_before(KERNEL_MIN) {
        return Finding::fail(NAME, found, "The kernel is older than 5.8.").remedy("boot Linux 5.8 or newer");
    }
    match kernel.version {
        Some(_) => Finding::ok(NAME, found, "The kernel is recent enough."),
        None => Finding::note(NAME, "unknown", "The kernel's version cannot be read.")
            .remedy("mount /proc where the server runs"),
    }
}

/// The verdict on `RLIMIT_MEMLOCK`, in bytes.
pub(super) fn locked_memory(limit: io::Result<Limit>, shards: u64, confinement: &Confinement) -> Finding {
    const NAME: &str = "locked_memory";
    const REMEDY: &str = "LimitMEMLOCK=8M (systemd), `--ulimit memlock=8388608` (Docker) or \
        `* hard memlock 8192` in /etc/security/limits.conf";
    let limit = match limit {
        Ok(limit) => limit,
        Err(error) => return unreadable(NAME, &error),
    };
    let found = limit.describe(format_bytes);
    let wanted = MEMLOCK_PER_SHARD.saturating_mul(shards);
    if limit.soft < MEMLOCK_MIN {
        return Finding::fail(NAME, found, "Less than 512 KiB of memory may be locked.").remedy(REMEDY);
    }
    if limit.soft < wanted && !confinement.locks_memory_freely() {
        let wanted = format_bytes(wanted);
        let sentence = format!("{shards} shards may lock up to {wanted}, so some will register no buffers.");
        return Finding::note(NAME, found, sentence).remedy(REMEDY);
    }
    Finding::ok(NAME, found, "Enough memory may be locked.")
}

/// The verdict on `RLIMIT_NOFILE`.
pub(super) fn open_files(limit: io::Result<Limit>, needed: u64) -> Finding {
    const NAME: &str = "open_files";
    let limit = match limit {
        Ok(limit) => limit,
        Err(error) => return unreadable(NAME, &error),
    };
    let found = limit.describe(|value| value.to_string());
    if limit.soft < needed {
        let sentence =
            format!("Only {} files and sockets may be open where {needed} are needed.", limit.soft);
        let remedy = format!("LimitNOFILE={needed} (systemd) or `--ulimit nofile={needed}` (Docker)");
        return Finding::note(NAME, found, sentence).remedy(remedy);
    }
    Finding::ok(NAME, found, "Enough files and sockets may be open.")
}

fn unreadable(name: &'static str, error: &io::Error) -> Finding {
    Finding::note(name, "unknown", format!("The limit cannot be read: {error}."))
}

/// The verdict on the affinity mask, the quota in CPUs and the wish for shards.
pub(super) fn cpus(allowed: io::Result<Vec<usize>>, quota: Option<f64>, wanted: Option<usize>) -> Finding {
    const NAME: &str = "cpus";
    let allowed = match allowed {
        Ok(allowed) => allowed,
        Err(error) => {
            let sentence = format!("The CPU affinity mask cannot be read: {error}.");
            return Finding::fail(NAME, "unknown", sentence)
                .remedy("let the sandbox allow the system call sched_getaffinity");
        }
    };
    let budget = quota.map_or_else(|| "no quota".to_owned(), |cpus| format!("quota {cpus:.2} CPUs"));
    let found = format!("{} allowed ({}), {budget}", allowed.len(), cpus::format_cpus(&allowed));
    let shards = match cpus::shard_count(wanted, &allowed, quota) {
        Ok(shards) => shards,
        Err(error) => {
            let from_one = if allowed.len() > 1 { "1 to " } else { "" };
            let remedy = format!(
                "ask for {from_one}{}, or allow more CPUs (cpuset, taskset)",
                in_words(allowed.len())
            );
            return Finding::fail(NAME, found, format!("{}.", capitalised(&error.to_string())))
                .remedy(remedy);
        }
    };
    match quota {
        Some(cpus) if (shards as f64) > cpus.ceil() => {
            let sentence =
                format!("The quota of {cpus:.2} CPUs is less than {shards} shards use, so they stall.");
            let fitting = in_words(cpus.ceil() as usize);
            let remedy = format!(
                "ask for {fitting}, or raise the quota: CPUQuota={shards}00% (systemd) or \
                 `--cpus {shards}` (Docker)"
            );
            Finding::note(NAME, found, sentence).remedy(remedy)
        }
        _ => Finding::ok(NAME, found, format!("The CPUs suffice for {}.", in_words(shards))),
    }
}

/// The verdict on the default congestion control: never worse than a note.
pub(super) fn congestion(congestion: &Congestion) -> Finding {
    const NAME: &str = "congestion_control";
    let found = congestion.current.as_str();
    if found == "bbr" {
        let cubic = congestion.available.split_whitespace().any(|name| name == "cubic");
        let other = if cubic { "cubic" } else { "reno" };
        let remedy = format!(
            "for measurements on loopback `sysctl -w net.ipv4.tcp_congestion_control={other}`; \
             elsewhere leave it"
        );
        let sentence = "New TCP sockets are paced even on loopback, to about a fifth of its speed.";
        return Finding::note(NAME, found, sentence).remedy(remedy);
    }
    match found {
        "" => Finding::ok(NAME, "unknown", "The default congestion control cannot be read."),
        _ => Finding::ok(NAME, found, "Loopback is not paced."),
    }
}

fn in_words(shards: usize) -> String {
    if shards == 1 { "1 shard".to_owned() } else { format!("{shards} shards") }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Bytes in the largest binary unit that divides them.
fn format_bytes(bytes: u64) -> String {
    const UNITS: [(u32, &str); 3] = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let fitting = UNITS.iter().find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift);
    fitting.map_or_else(|| format!("{bytes} B"), |(shift, unit)| format!("{} {unit}", bytes >> shift))
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    #[track_caller]
    fn check(finding: &Finding, status: Status, sentence: &str) {
        assert_eq!(finding.status, status, "{finding:?}");
        assert!(finding.sentence.contains(sentence), "{finding:?}");
        assert_eq!(finding.remedy.is_some(), status != Status::Ok, "{finding:?}");
    }

    fn limit(soft: u64) -> io::Result<Limit> {
        Ok(Limit { before: soft, soft, hard: soft })
    }

    #[test]
    fn kernels_before_5_8_are_refused() {
        check(&kernel(&Kernel::parse("5.7.19")), Status::Fail, "older than 5.8");
        check(&kernel(&Kernel::parse("5.8.0")), Status::Ok, "recent");
        check(&kernel(&Kernel::parse("10.0")), Status::Ok, "recent");
        check(&kernel(&Kernel::parse("")), Status::Note, "cannot be read");
    }

    #[test]
    fn less_than_512_kib_of_locked_memory_is_refused_even_to_root() {
        let root = Confinement { capabilities: u64::MAX, ..Confinement::default() };
        for confinement in [Confinement::default(), root] {
            check(&locked_memory(limit((512 << 10) - 1), 1, &confinement), Status::Fail, "512 KiB");
            check(&locked_memory(limit(64 << 10), 1, &confinement), Status::Fail, "512 KiB");
            check(&locked_memory(limit(512 << 10), 1, &confinement), Status::Ok, "Enough");
            check(&locked_memory(limit(Limit::NONE), 64, &confinement), Status::Ok, "Enough");
        }
    }

    #[test]
    fn locked_memory_that_is_short_for_all_shards_is_noted() {
        let plain = Confinement::default();
        check(&locked_memory(limit(512 << 10), 4, &plain), Status::Note, "4 shards may lock up to 2 MiB");
        check(&locked_memory(limit(2 << 20), 4, &plain), Status::Ok, "Enough");
        let root = Confinement { capabilities: u64::MAX, ..Confinement::default() };
        check(&locked_memory(limit(512 << 10), 4, &root), Status::Ok, "Enough");
    }

    #[test]
    fn too_few_open_files_are_noted() {
        let short = open_files(limit(1024), 4096);
        check(&short, Status::Note, "Only 1024 files and sockets may be open where 4096 are needed");
        assert_eq!(short.remedy.unwrap(), "LimitNOFILE=4096 (systemd) or `--ulimit nofile=4096` (Docker)");
        check(&open_files(limit(4096), 4096), Status::Ok, "Enough");
    }

    #[test]
    fn an_unreadable_limit_is_noted() {
        let error = || Err(io::Error::from_raw_os_error(libc::EPERM));
        assert_eq!(open_files(error(), 1).status, Status::Note);
        assert_eq!(locked_memory(error(), 1, &Confinement::default()).status, Status::Note);
    }

    #[test]
    fn more_shards_than_cpus_are_refused() {
        let finding = cpus(Ok(vec![0, 1]), None, Some(8));
        check(&finding, Status::Fail, "Asked for 8 shards but only 2 CPUs are allowed: 0-1.");
        assert_eq!(finding.found, "2 allowed (0-1), no quota");
        assert!(finding.remedy.unwrap().starts_with("ask for 1 to 2 shards, or allow more"));
        let single = cpus(Ok(vec![5]), None, Some(2));
        assert!(single.remedy.unwrap().starts_with("ask for 1 shard, or allow more"));
        check(&cpus(Ok(vec![0, 1]), None, Some(0)), Status::Fail, "Asked for 0 shards");
        check(&cpus(Err(io::Error::from_raw_os_error(libc::EPERM)), None, None), Status::Fail, "mask");
    }

    #[test]
    fn a_quota_below_the_wish_is_noted() {
        let finding = cpus(Ok(vec![0, 1, 2, 3]), Some(1.5), Some(4));
        check(&finding, Status::Note, "quota of 1.50 CPUs");
        assert!(finding.remedy.unwrap().starts_with("ask for 2 shards, or raise the quota: CPUQuota=400%"));
        check(&cpus(Ok(vec![0, 1, 2, 3]), Some(0.5), None), Status::Ok, "suffice for 1 shard.");
        check(&cpus(Ok(vec![0, 1, 2, 3]), Some(1.5), Some(2)), Status::Ok, "suffice for 2 shards.");
        check(&cpus(Ok(vec![0, 1]), None, None), Status::Ok, "suffice for 2 shards.");
    }

    #[test]
    fn bbr_is_noted_with_an_algorithm_that_is_loaded() {
        let with = |current: &str, available: &str| {
            congestion(&Congestion { current: current.into(), available: available.into() })
        };
        let noted = with("bbr", "reno cubic bbr\n");
        check(&noted, Status::Note, "loopback");
        assert!(noted.remedy.unwrap().contains("tcp_congestion_control=cubic"));
        assert!(with("bbr", "reno bbr\n").remedy.unwrap().contains("tcp_congestion_control=reno"));
        check(&with("cubic", "reno cubic"), Status::Ok, "not paced");
        check(&with("", ""), Status::Ok, "cannot be read");
    }

    #[test]
    fn bytes_are_written_in_whole_units() {
        assert_eq!(format_bytes(0), "0 B");
        assert_eq!(format_bytes(65536), "64 KiB");
        assert_eq!(format_bytes(8 << 20), "8 MiB");
        assert_eq!(format_bytes(3 << 30), "3 GiB");
        assert_eq!(format_bytes(1025), "1025 B");
    }
}
