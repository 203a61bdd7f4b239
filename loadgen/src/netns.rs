//! A network namespace of our own, so that every peer runs under the same congestion control.
//!
//! The default of a machine may be one that paces even loopback (BBR does), and peers differ in whether they can
//! choose another for their sockets. Inside a fresh namespace the default itself is changed, for all alike, and the
//! rest of the machine is not touched. The namespace ends with the processes in it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::machine;

/// Set for a process that was started inside.
const INSIDE: &str = "LOADGEN_IN_NAMESPACE";

/// Ways to get a namespace: as root, and as anybody where the system allows it.
const WAYS: [&[&str]; 2] = [&["--net"], &["--user", "--map-root-user", "--net"]];

/// Where the comparison runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a namespace of its own.
    Own,
    /// In the machine's, because no other was to be had.
    Refused(String),
    /// In the machine's, as asked for.
    Shared,
}

impl Place {
    /// For the line that says where figures come from.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Own => "in a network namespace of its own".to_owned(),
            Self::Refused(why) => format!("outside a network namespace, since that was refused ({why})"),
            Self::Shared => "outside a network namespace, as asked".to_owned(),
        }
    }
}

/// Whether this process runs in a namespace of its own.
pub(crate) fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Replaces this process by the same command inside a fresh namespace, or says why it stays outside.
///
/// Returns [`Place::Own`] in the process that runs inside, whose network is then ready.
pub(crate) fn enter(congestion: &str) -> anyhow::Result<Place> {
    if is_inside() {
        prepare(congestion)?;
        return Ok(Place::Own);
    }
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut refusal = String::new();
    for way in WAYS {
        let mut probe = Command::new("unshare");
        probe.args(way).arg("--").arg(&program).args(["namespace", "--congestion", congestion]);
        match outcome(&mut probe) {
            Ok(()) => {
                let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
                let mut again = Command::new("unshare");
                again.args(way).arg("--").arg(&program).args(arguments).env(INSIDE, "1");
                return Err(again.exec()).context("cannot start again inside a network namespace");
            }
            Err(why) => refusal = why,
        }
    }
    Ok(Place::Refused(refusal))
}

/// Brings the loopback interface up and sets the congestion control; for a fresh namespace only.
pub(crate) fn prepare(congestion: &str) -> anyhow::Result<()> {
    let up = outcome(Command::new("ip").args(["link", "set", "lo", "up"]));
    up.map_err(|why| anyhow::anyhow!("the loopback interface does not come up: {why}"))?;
    machine::set_congestion_control(congestion)
}

/// Runs a command to its end; what it complained of when it failed.
fn outcome(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    Err(if complaint.is_empty() { format!("{name}: {}", output.status) } else { complaint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_quoted() {
        let mut failing = Command::new("sh");
        failing.args(["-c", "echo not permitted >&2; exit 1"]);
        assert_eq!(outcome(&mut failing), Err("not permitted".to_owned()));
        let missing = outcome(&mut Command::new("/nowhere/at-all")).expect_err("no such file");
        assert!(missing.starts_with("/nowhere/at-all: "), "{missing}");
    }
}
