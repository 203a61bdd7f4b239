//! Which of the two ways of waiting runs.

use std::fmt;
use std::str::FromStr;

/// What the operator asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(unreachable_pub, reason = "part of the configuration, which decides what is exported")]
pub enum BackendChoice {
    /// The ring if the kernel passes a trial of it, else epoll.
    #[default]
    Auto,
    /// An io_uring of our own, or an error.
    Ring,
    /// Edge-triggered epoll.
    Epoll,
}

impl fmt::Display for BackendChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Auto => "auto",
            Self::Ring => "ring",
            Self::Epoll => "epoll",
        })
    }
}

impl FromStr for BackendChoice {
    type Err = UnknownBackend;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "auto" => Ok(Self::Auto),
            "ring" => Ok(Self::Ring),
            "epoll" => Ok(Self::Epoll),
            _ => Err(UnknownBackend(name.to_owned())),
        }
    }
}

/// A name that is none of `auto`, `ring` and `epoll`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(unreachable_pub, reason = "the error of a public parser")]
pub struct UnknownBackend(String);

impl fmt::Display for UnknownBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown socket backend {:?}: use auto, ring or epoll", self.0)
    }
}

impl std::error::Error for UnknownBackend {}

/// What runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(unreachable_pub, reason = "reported by the public status of a server")]
pub enum Backend {
    /// An io_uring of our own: multishot receive into buffers that the kernel picks.
    Ring,
    /// Edge-triggered epoll with direct reads.
    Epoll,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ring => "ring",
            Self::Epoll => "epoll",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for choice in [BackendChoice::Auto, BackendChoice::Ring, BackendChoice::Epoll] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        let error = "kqueue".parse::<BackendChoice>().unwrap_err();
        assert_eq!(error.to_string(), "unknown socket backend \"kqueue\": use auto, ring or epoll");
    }
}
