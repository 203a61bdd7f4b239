//! Why a run has no row.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a process prints instead of a row when its run came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// What happened, in words.
    pub(crate) failed: String,
    /// Messages that had arrived by then.
    pub(crate) messages: u64,
}

impl Failure {
    /// Nothing came for that long.
    pub(crate) fn stalled(messages: u64, patience: Duration) -> Self {
        let failed = format!("stalled at {messages} messages: nothing came for {} s", patience.as_secs_f64());
        Self { failed, messages }
    }

    /// The run could not be done, or broke off.
    pub(crate) fn broken(why: impl fmt::Display) -> Self {
        Self { failed: why.to_string(), messages: 0 }
    }

    /// Hands it to the process that reads this one's standard output.
    pub(crate) fn print(&self) {
        println!("{}", serde_json::to_string(self).expect("strings and numbers are JSON"));
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
    fn a_failure_is_not_taken_for_a_row() {
        let text = serde_json::to_string(&Failure::stalled(7, Duration::from_secs(10))).expect("plain data");
        assert_eq!(text, r#"{"failed":"stalled at 7 messages: nothing came for 10 s","messages":7}"#);
        assert!(serde_json::from_str::<crate::row::Row>(&text).is_err());
    }
}
