//! What an examination found, for people and for programs.

use std::fmt;

use serde_json::{Value, json};

/// Version of the JSON that [`Report::to_json`] writes; it changes when a key changes its meaning or goes
/// away.
const JSON_VERSION: u32 = 1;

/// How one check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing is lacking.
    Ok,
    /// The server runs, but not as well as it could.
    Note,
    /// The server cannot start.
    Fail,
}

impl Status {
    /// The word for it in JSON: `ok`, `note` or `fail`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Fail => "fail",
        }
    }
}

/// The outcome of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was checked, such as `io_uring`; stable, in snake case.
    pub name: &'static str,
    /// How the check ended.
    pub status: Status,
    /// What the machine has, in a few words.
    pub found: String,
    /// One sentence: what the machine lacks, or that nothing is lacking.
    pub sentence: String,
    /// The exact command or setting that helps, where something is lacking.
    pub remedy: Option<String>,
}

impl Finding {
    pub(super) fn ok(name: &'static str, found: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, found: found.into(), sentence: sentence.into(), remedy: None }
    }

    pub(super) fn note(name: &'static str, found: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self { status: Status::Note, ..Self::ok(name, found, sentence) }
    }

    pub(super) fn fail(name: &'static str, found: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self { status: Status::Fail, ..Self::ok(name, found, sentence) }
    }

    pub(super) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "status": self.status.as_str(),
            "found": self.found,
            "sentence": self.sentence,
            "remedy": self.remedy,
        })
    }
}

/// Every finding of one examination, in the order of the checks.
///
/// `Display` is for people: one line a finding, and under it the remedy where something is lacking.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Report {
    /// One finding for each check.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether a server can start here, that is, whether no check failed.
    #[must_use]
    pub fn is_fit(&self) -> bool {
        self.failures() == 0
    }

    /// The process exit code: 0 when the machine is fit, 1 when it is not.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.is_fit())
    }

    /// The report as a JSON object.
    ///
    /// | key | value |
    /// |---|---|
    /// | `version` | 1; another number means that keys changed |
    /// | `fit` | boolean, as [`Report::is_fit`] |
    /// | `exit_code` | 0 or 1, as [`Report::exit_code`] |
    /// | `findings` | array of objects, in the order of the checks |
    ///
    /// Each finding has `name`, `status` (`ok`, `note` or `fail`), `found` and `sentence`, all strings, and
    /// `remedy`, a string or null. Programs should go by `name` and `status`; the other strings are prose and
    /// may be reworded.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "version": JSON_VERSION,
            "fit": self.is_fit(),
            "exit_code": self.exit_code(),
            "findings": self.findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
        })
    }

    fn failures(&self) -> usize {
        self.findings.iter().filter(|finding| finding.status == Status::Fail).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.findings.iter().map(|finding| finding.name.len()).max().unwrap_or(0);
        for finding in &self.findings {
            let word = if finding.status == Status::Fail { "FAIL" } else { finding.status.as_str() };
            write!(f, "{word:<4}  {:<width$}  {}", finding.name, finding.found)?;
            if finding.status != Status::Ok {
                write!(f, ": {}", finding.sentence)?;
            }
            writeln!(f)?;
            if let Some(remedy) = &finding.remedy {
                writeln!(f, "{:indent$}remedy: {remedy}", "", indent = width + 8)?;
            }
        }
        match self.failures() {
            0 => write!(f, "fit: a server can start here"),
            1 => write!(f, "not fit: 1 check failed"),
            failures => write!(f, "not fit: {failures} checks failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed() -> Report {
        Report {
            findings: vec![
                Finding::ok("kernel", "Linux 6.1.0", "The kernel is recent enough."),
                Finding::note("open_files", "soft 256", "Few sockets fit.").remedy("ulimit -n 4096"),
                Finding::fail("cpus", "0-1", "Too few.").remedy("--shards 2"),
            ],
        }
    }

    #[test]
    fn people_see_aligned_lines_and_remedies() {
        let expected = "ok    kernel      Linux 6.1.0\n\
            note  open_files  soft 256: Few sockets fit.\n                  remedy: ulimit -n 4096\n\
            FAIL  cpus        0-1: Too few.\n                  remedy: --shards 2\n\
            not fit: 1 check failed";
        assert_eq!(mixed().to_string(), expected);
    }

    #[test]
    fn only_failures_make_a_machine_unfit() {
        let mut report = mixed();
        assert!(!report.is_fit());
        assert_eq!(report.exit_code(), 1);
        report.findings.pop();
        assert!(report.is_fit());
        assert_eq!(report.exit_code(), 0);
    }

    #[test]
    fn the_json_keys_are_the_documented_ones() {
        let expected = json!({
            "version": 1,
            "fit": false,
            "exit_code": 1,
            "findings": [
                {
                    "name": "kernel", "status": "ok", "found": "Linux 6.1.0",
                    "sentence": "The kernel is recent enough.", "remedy": null,
                },
                {
                    "name": "open_files", "status": "note", "found": "soft 256",
                    "sentence": "Few sockets fit.", "remedy": "ulimit -n 4096",
                },
                {
                    "name": "cpus", "status": "fail", "found": "0-1",
                    "sentence": "Too few.", "remedy": "--shards 2",
                },
            ],
        });
        assert_eq!(mixed().to_json(), expected);
    }
}
