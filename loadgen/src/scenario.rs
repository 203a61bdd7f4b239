//! The work that is compared: who sends what to whom, and how much of it at once.

/// Which way messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The client asks once per stream, the server sends messages as fast as it may.
    Source,
    /// The client calls, the server answers each call with a body of the same size.
    Async,
}

/// A named piece of work over one connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    /// What `--scenario` takes and rows bear.
    pub(crate) name: &'static str,
    /// One line for people.
    pub(crate) about: &'static str,
    /// Which way messages go.
    pub(crate) shape: Shape,
    /// Streams open at once; for calls, how many are in flight.
    pub(crate) streams: u32,
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
        body: 64,
    },
    Scenario {
        name: "source-64-100",
        about: "100 streams of 64-byte messages, server to client",
        shape: Shape::Source,
        streams: 100,
        body: 64,
    },
    Scenario {
        name: "source-64-10000",
        about: "10,000 streams of 64-byte messages, server to client",
        shape: Shape::Source,
        streams: 10_000,
        body: 64,
    },
    Scenario {
        name: "source-4k",
        about: "one stream of 4 KiB messages, server to client",
        shape: Shape::Source,
        streams: 1,
        body: 4096,
    },
    Scenario {
        name: "async-1",
        about: "calls with 64-byte bodies, one at a time",
        shape: Shape::Async,
        streams: 1,
        body: 64,
    },
    Scenario {
        name: "async-64",
        about: "calls with 64-byte bodies, 64 in flight",
        shape: Shape::Async,
        streams: 64,
        body: 64,
    },
];

/// The scenario of that name.
pub(crate) fn find(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

/// A scenario with a size: what one run does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// What is done.
    pub(crate) scenario: &'static Scenario,
    /// Messages on each stream, or, for calls, all of them together.
    pub(crate) each: u32,
}

impl Work {
    /// At least one message a stream, and about `messages` in all.
    pub(crate) fn new(scenario: &'static Scenario, messages: u64) -> Self {
        let streams = match scenario.shape {
            Shape::Source => u64::from(scenario.streams),
            Shape::Async => 1,
        };
        let each = u32::try_from((messages / streams).max(1)).unwrap_or(u32::MAX);
        Self { scenario, each }
    }

    /// How many messages the receiver must see.
    pub(crate) fn messages(&self) -> u64 {
        match self.scenario.shape {
            Shape::Source => u64::from(self.each) * u64::from(self.scenario.streams),
            Shape::Async => u64::from(self.each),
        }
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
        assert_eq!(Work::new(many, 1050).messages(), 1000);
        assert_eq!(Work::new(many, 1).messages(), 100);
        let calls = find("async-64").expect("listed");
        assert_eq!(Work::new(calls, 1050).messages(), 1050);
    }
}
