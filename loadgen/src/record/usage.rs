//! What a process has used so far, from `/proc`.

use std::fs;

use crate::report::row::{Ends, Moment};

/// Processor time and the largest resident size of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// User and system time of all its threads.
    pub(crate) cpu_seconds: f64,
    /// The high-water mark of its resident memory.
    pub(crate) peak_rss_bytes: u64,
    /// Its resident memory now.
    pub(crate) rss_bytes: u64,
}

/// Clock ticks a second in `/proc/PID/stat`: the same on every Linux a program can be built for.
pub(super) const TICKS_PER_SECOND: f64 = 100.0;

impl Usage {
    /// What the process has used up to now; zeros once it is gone.
    pub(crate) fn of(pid: u32) -> Self {
        let cpu_seconds = scheduled_seconds(pid).unwrap_or_else(|| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            seconds_in_stat(&stat).unwrap_or_default()
        });
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        Self {
            cpu_seconds,
            peak_rss_bytes: in_status(&status, "VmHWM:").unwrap_or_default(),
            rss_bytes: in_status(&status, "VmRSS:").unwrap_or_default(),
        }
    }
}

/// The two processes of a run at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// The side that listens.
    pub(crate) server: Usage,
    /// The side that dials.
    pub(crate) client: Usage,
}

impl Sample {
    /// Both processes now.
    pub(crate) fn take(server: u32, client: u32) -> Self {
        Self { server: Usage::of(server), client: Usage::of(client) }
    }

    /// Processor time spent since an earlier sample.
    pub(crate) fn cpu_since(&self, earlier: &Self) -> Ends<f64> {
        Ends {
            server: (self.server.cpu_seconds - earlier.server.cpu_seconds).max(0.0),
            client: (self.client.cpu_seconds - earlier.client.cpu_seconds).max(0.0),
        }
    }

    /// Largest resident size of each.
    pub(crate) fn rss(&self) -> Ends<u64> {
        Ends { server: self.server.peak_rss_bytes, client: self.client.peak_rss_bytes }
    }
}

/// Sum over the living threads, in nanoseconds from the scheduler: a hundred thousand times finer than ticks.
/// Some kernels are built without it.
fn scheduled_seconds(pid: u32) -> Option<f64> {
    let mut nanoseconds = 0u64;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let Ok(text) = fs::read_to_string(thread.ok()?.path().join("schedstat")) else { continue };
        nanoseconds += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    (nanoseconds > 0).then_some(nanoseconds as f64 / 1e9)
}

/// User and system time; the command in brackets may hold spaces and brackets of its own.
fn seconds_in_stat(stat: &str) -> Option<f64> {
    let mut after_command = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().skip(11);
    let user: f64 = after_command.next()?.parse().ok()?;
    let system: f64 = after_command.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

/// Resident memory of a process at this moment, exact to the page where the kernel can tell.
fn resident_bytes(pid: u32) -> u64 {
    let kilobytes = |file: &str, name: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()
    };
    kilobytes("smaps_rollup", "Rss:").or_else(|| kilobytes("status", "VmRSS:")).unwrap_or_default() * 1024
}

/// Resident memory of a server and of this process, its client, at this moment.
pub(crate) fn resident(server: u32) -> Ends<u64> {
    Ends { server: resident_bytes(server), client: resident_bytes(std::process::id()) }
}

/// By how many bytes each process grew.
pub(crate) const fn grown(before: Ends<u64>, after: Ends<u64>) -> Ends<u64> {
    Ends {
        server: after.server.saturating_sub(before.server),
        client: after.client.saturating_sub(before.client),
    }
}

/// Descriptors that a process has open; none once it is gone.
pub(crate) fn open_files(pid: u32) -> u64 {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |files| files.count() as u64)
}

fn in_status(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()? * 1024)
}

/// A timeline in the making.
#[derive(Debug)]
pub(crate) struct Moments {
    list: Vec<Moment>,
    last: Option<(f64, u64, Sample)>,
}

impl Moments {
    /// No moment yet.
    pub(crate) const fn new() -> Self {
        Self { list: Vec::new(), last: None }
    }

    /// Whether the next moment has come, so long after the one before.
    pub(crate) fn is_due(&self, at: f64, every: f64) -> bool {
        self.last.as_ref().is_none_or(|(last, ..)| at >= last + every)
    }

    /// Notes a moment; `more` adds what only some scenarios know.
    pub(crate) fn push(&mut self, at: f64, messages: u64, sample: &Sample, more: impl FnOnce(&mut Moment)) {
        if let Some((before, had, earlier)) = &self.last {
            let seconds = (at - before).max(1e-9);
            let cpu = sample.cpu_since(earlier);
            let mut moment = Moment {
                at,
                messages_per_second: messages.saturating_sub(*had) as f64 / seconds,
                busy: Ends { server: cpu.server / seconds, client: cpu.client / seconds },
                rss_bytes: Ends { server: sample.server.rss_bytes, client: sample.client.rss_bytes },
                ..Moment::default()
            };
            more(&mut moment);
            self.list.push(moment);
        }
        self.last = Some((at, messages, *sample));
    }
}

impl From<Moments> for Vec<Moment> {
    fn from(moments: Moments) -> Self {
        moments.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let usage = Usage::of(std::process::id());
        assert!(usage.cpu_seconds > 0.0);
        assert!(usage.peak_rss_bytes > 100_000);
        assert!(resident_bytes(std::process::id()) > 100_000);
        assert!(open_files(std::process::id()) >= 3);
        assert_eq!(open_files(u32::MAX), 0);
    }

    #[test]
    fn what_shrinks_has_not_grown() {
        let (before, after) = (Ends { server: 10, client: 10 }, Ends { server: 25, client: 9 });
        assert_eq!(grown(before, after), Ends { server: 15, client: 0 });
    }

    #[test]
    fn a_process_that_is_gone_has_used_nothing() {
        assert_eq!(Usage::of(u32::MAX), Usage::default());
    }

    #[test]
    fn the_command_may_look_like_fields() {
        let stat = "77 (a) 1 (b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20";
        assert_eq!(seconds_in_stat(stat), Some(2.0));
    }

    #[test]
    fn the_high_water_mark_is_read_in_bytes() {
        assert_eq!(in_status("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n", "VmHWM:"), Some(2_097_152));
    }
}
