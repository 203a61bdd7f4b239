//! Machine instructions, counted by Valgrind's callgrind: the same whatever else the machine does.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;

use crate::process::Worker;

/// How long a server that is counted may take to end and write its count.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(30);

/// Messages of the shorter of two runs. The longer has three times as many: what both need once goes off.
pub(crate) const MESSAGES: u64 = 20_000;

/// Whether instructions can be counted here.
pub(crate) fn is_there() -> bool {
    let mut command = Command::new("valgrind");
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Starts this program again with its instructions counted.
pub(crate) fn start(file: &Path, arguments: &[String]) -> anyhow::Result<Worker> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", file.display()));
    Worker::start(command.arg(program).args(arguments))
}

/// The count of a process that has ended.
pub(crate) fn count(file: &Path) -> anyhow::Result<u64> {
    let text = fs::read_to_string(file).with_context(|| format!("no count in {}", file.display()))?;
    total(&text).with_context(|| format!("{} holds no total", file.display()))
}

fn total(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("totals:").or_else(|| line.strip_prefix("summary:")))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_found_by_either_name() {
        assert_eq!(total("events: Ir\nfn=(0)\n1 5\ntotals: 39770395\n"), Some(39_770_395));
        assert_eq!(total("summary: 12\n"), Some(12));
        assert_eq!(total("events: Ir\n"), None);
    }
}
