//! The work that is compared: who sends what to whom, and how much of it at once.

use crate::compare::work::{Shape, Windows, Work};

/// A named piece of work over one connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    /// What `--scenario` takes and rows bear.
    pub(crate) name: &'static str,
    /// One line for people.
    pub(crate) about: &'static str,
    /// Which way messages go.
    pub(crate) shape: Shape,
    /// Streams open at once.
    pub(crate) streams: u32,
    /// Messages of one ping-pong stream on their way at once, or calls in flight.
    pub(crate) depth: u32,
    /// Size of every body.
    pub(crate) body: usize,
}

/// All there are, in the order they are run.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "source-64",
        about: "one stream of 64-byte messages, server to client",
        shape: Shape::Source,
        streams: 1,
        depth: 1,
        body: 64,
    },
    Scenario {
        name: "source-64-100",
        about: "100 streams of 64-byte messages, server to client",
        shape: Shape::Source,
        streams: 100,
        depth: 1,
        body: 64,
    },
    Scenario {
        name: "source-64-10000",
        about: "10,000 streams of 64-byte messages, server to client",
        shape: Shape::Source,
        streams: 10_000,
        depth: 1,
        body: 64,
    },
    Scenario {
        name: "source-4k",
        about: "one stream of 4 KiB messages, server to client",
        shape: Shape::Source,
        streams: 1,
        depth: 1,
        body: 4096,
    },
    Scenario {
        name: "sink-64",
        about: "one stream of 64-byte messages, client to server",
        shape: Shape::Sink,
        streams: 1,
        depth: 1,
        body: 64,
    },
    Scenario {
        name: "sink-64-100",
        about: "100 streams of 64-byte messages, client to server",
        shape: Shape::Sink,
        streams: 100,
        depth: 1,
        body: 64,
    },
    Scenario {
        name: "ping-pong-64",
        about: "one stream of 64-byte messages to the server and back, one at a time",
        shape: Shape::PingPong,
        streams: 1,
        depth: 1,
        body: 64,
    },
    Scenario {
        name: "ping-pong-64-100",
        about: "100 streams of 64-byte messages to the server and back, one at a time on each",
        shape: Shape::PingPong,
        streams: 100,
        depth: 1,
        body: 64,
    },
    Scenario {
        name: "async-1",
        about: "calls with 64-byte bodies, one at a time",
        shape: Shape::Async,
        streams: 1,
        depth: 1,
        body: 64,
    },
    Scenario {
        name: "async-64",
        about: "calls with 64-byte bodies, 64 in flight",
        shape: Shape::Async,
        streams: 1,
        depth: 64,
        body: 64,
    },
];

/// The scenario of that name.
#[cfg(test)]
pub(crate) fn find(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

impl Scenario {
    /// At least one message a stream, and about `messages` in all.
    pub(crate) fn work(&self, messages: u64) -> Work {
        let each = u32::try_from((messages / u64::from(self.streams)).max(1)).unwrap_or(u32::MAX);
        let Self { shape, streams, depth, body, .. } = *self;
        Work { shape, streams, body, depth, each, windows: Windows::Default }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_bodies_hold_an_index() {
        for (at, scenario) in SCENARIOS.iter().enumerate() {
            assert_eq!(SCENARIOS.iter().position(|other| other.name == scenario.name), Some(at));
            assert!(scenario.body >= 4, "{}", scenario.name);
        }
    }

    #[test]
    fn messages_are_shared_out_evenly_over_streams() {
        let many = find("source-64-100").expect("listed");
        assert_eq!(many.work(1050).messages(), 1000);
        assert_eq!(many.work(1).messages(), 100);
        let calls = find("async-64").expect("listed");
        assert_eq!(calls.work(1050).messages(), 1050);
    }
}
