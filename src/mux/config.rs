use super::Limits;
use crate::flow::GrantRule;

/// How far ahead of reading a peer may run on each stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Credit {
    /// Starts small and grows while that pays, within the session's budget.
    #[default]
    Auto,
    /// Always so many bytes, at least 1.
    Fixed(u64),
}

/// Smallest window that [`Credit::Auto`] opens a stream with.
pub const WINDOW_BYTES_MIN: u64 = 4 << 10;
/// Window that [`Credit::Auto`] opens a stream with when few are open.
pub const WINDOW_BYTES_START: u64 = 64 << 10;
/// Largest window [`Credit::Auto`] grows to.
pub const WINDOW_BYTES_MAX: u64 = 16 << 20;
/// The same toward a peer that has not said it is one of ours: push-mux 1.0.7 never recovers from a full socket by itself,
/// so it is kept from filling one.
pub const WINDOW_BYTES_MAX_FOREIGN: u64 = 1 << 20;

impl Credit {
    /// The window of a new stream when `streams` are open and `budget` bytes may be granted in all.
    #[must_use]
    pub fn window(self, budget: u64, streams: usize) -> u64 {
        match self {
            Self::Fixed(window) => window.max(1),
            Self::Auto => {
                let share = budget / (2 * (streams as u64).max(1));
                share.clamp(WINDOW_BYTES_MIN, WINDOW_BYTES_START)
            }
        }
    }
}

impl std::fmt::Display for Credit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Fixed(window) => write!(f, "{window}"),
        }
    }
}

impl std::str::FromStr for Credit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let unit: u64 = match unit {
            "" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            _ => {
                return Err(format!(
                    "{text:?} is neither `auto` nor a number of bytes such as 65536 or 64KiB"
                ));
            }
        };
        let bytes = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(unit)).filter(|n| *n > 0);
        bytes.map(Self::Fixed).ok_or_else(|| format!("{text:?} is not a credit: it must be at least 1"))
    }
}

/// When a session opens its control stream, and whether it takes the peer's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ControlMode {
    /// Open ours first, as push-mux's SPEC says. Kills the connection of go-muxrpc peers.
    Offer,
    /// Open ours once the peer has opened its own.
    #[default]
    Respond,
    /// Neither: refuse the peer's.
    Off,
}

/// What a session is made with.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Window of each stream.
    pub credit: Credit,
    /// Use of the control stream.
    pub control: ControlMode,
    /// All bounds.
    pub limits: Limits,
    /// When grants are due; other than the default only to play other peers in simulations.
    pub grant_rule: GrantRule,
    /// Overdraft that is kept whatever the peer grants; `None` learns it from the peer.
    pub overdraft: Option<u64>,
    /// The JSON body of an async call that asks a silent peer for a sign of life. Any muxrpc peer answers any call, with an
    /// error if it must. `None` asks nothing.
    pub keepalive: Option<&'static str>,
}
