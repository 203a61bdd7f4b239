//! Why a run came to nothing.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::record::outcome::Outcome;

/// What a process prints instead of an outcome when its run came to nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// What happened, in words.
    pub(crate) failed: String,
    /// Messages that had arrived by then.
    pub(crate) messages: u64,
    /// In so many seconds.
    pub(crate) seconds: f64,
    /// A run that came to nothing is wrong.
    pub(crate) errors: u64,
}

impl Failure {
    /// Messages came until then, and nothing for that long.
    pub(crate) fn stalled(messages: u64, until: Duration, patience: Duration) -> Self {
        let failed = format!("stalled at {messages} messages: nothing came for {} s", patience.as_secs_f64());
        Self { failed, messages, seconds: until.as_secs_f64(), errors: 1 }
    }

    /// The run could not be done, or broke off.
    pub(crate) fn broken(why: impl fmt::Display) -> Self {
        Self { failed: why.to_string(), messages: 0, seconds: 0.0, errors: 1 }
    }

    /// Hands it to the process that reads this one's standard output.
    pub(crate) fn print(&self) {
        println!("{}", serde_json::to_string(self).expect("strings and numbers are JSON"));
    }
}

/// What was measured until then, as an outcome.
impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        let Failure { failed, messages, seconds, errors } = failure;
        Self { messages, seconds, errors, ..Self::failure(failed) }
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_read_as_an_outcome_with_what_came_before() {
        let stalled = Failure::stalled(7, Duration::from_secs(2), Duration::from_secs(10));
        let text = serde_json::to_string(&stalled).expect("plain data");
        let outcome: Outcome = serde_json::from_str(&text).expect("fields of an outcome");
        assert_eq!(outcome.failed.as_deref(), Some("stalled at 7 messages: nothing came for 10 s"));
        assert_eq!((outcome.messages, outcome.seconds, outcome.errors), (7, 2.0, 1));
    }
}
