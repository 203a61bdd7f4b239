use crate::mux::ControlMode;
use std::{fmt, str::FromStr};

/// When our end opens its control stream, as the command line says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CreditMode {
    /// First thing, as push-mux's SPEC says; kills the connection of go-muxrpc peers.
    Offer,
    /// Once the peer has opened its own.
    Respond,
    /// When dialing: ask the peer's manifest, and open ours if `control` is listed. When accepting: as [`Respond`](Self::Respond).
    #[default]
    Auto,
    /// Never.
    Off,
}

impl CreditMode {
    /// The session's mode: asking the manifest is a matter of calls.
    #[must_use]
    pub const fn control(self) -> ControlMode {
        match self {
            Self::Offer => ControlMode::Offer,
            Self::Respond | Self::Auto => ControlMode::Respond,
            Self::Off => ControlMode::Off,
        }
    }
}

impl fmt::Display for CreditMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Offer => "offer",
            Self::Respond => "respond",
            Self::Auto => "auto",
            Self::Off => "off",
        })
    }
}

impl FromStr for CreditMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Offer, Self::Respond, Self::Auto, Self::Off];
        let known = all.into_iter().find(|mode| mode.to_string() == text);
        known.ok_or_else(|| format!("{text:?} is none of offer, respond, auto and off"))
    }
}
