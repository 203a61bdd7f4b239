//! What one run does: who sends what to whom, how much of it at once, and with which windows.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::plan::Settings;
pub(crate) use crate::plan::Windows;

/// Which way messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Shape {
    /// The client asks once a stream, the server sends messages as fast as it may.
    Source,
    /// The client sends messages as fast as it may, the server says at the end what it received.
    Sink,
    /// The client sends messages and the server sends each of them back.
    PingPong,
    /// The client calls, the server answers each call with a body of the same size.
    Async,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Source => "source",
            Self::Sink => "sink",
            Self::PingPong => "ping-pong",
            Self::Async => "async",
        })
    }
}

/// What one run over one connection does; both of its processes are handed this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Work {
    /// Which way messages go.
    pub(crate) shape: Shape,
    /// Streams open at once; 1 for calls, each of which is a stream of its own where a peer has no calls.
    pub(crate) streams: u32,
    /// Size of every body, at least the four bytes of its index.
    pub(crate) body: usize,
    /// Messages of one ping-pong stream on their way at once, or calls in flight.
    pub(crate) depth: u32,
    /// Messages on each stream, or, for calls, all of them together.
    pub(crate) each: u32,
    /// The windows of both ends.
    pub(crate) windows: Windows,
}

impl Shape {
    /// The shape of a scenario; nothing where it can be done by one of ours alone.
    pub(crate) fn of(scenario: &str) -> Option<Self> {
        [Self::Source, Self::Sink, Self::PingPong, Self::Async]
            .into_iter()
            .find(|shape| shape.to_string() == scenario)
    }
}

impl Work {
    /// What settings say, with about `messages` in all and at least one a stream.
    pub(crate) fn new(shape: Shape, settings: &Settings, messages: u64) -> Self {
        let streams = if shape == Shape::Async { 1 } else { settings.streams };
        let each = u32::try_from((messages / u64::from(streams)).max(1)).unwrap_or(u32::MAX);
        let Settings { body, depth, windows, .. } = *settings;
        Self { shape, streams, body: body as usize, depth, each, windows }
    }

    /// How many messages the receiver must see.
    pub(crate) fn messages(&self) -> u64 {
        match self.shape {
            Shape::Source | Shape::Sink | Shape::PingPong => u64::from(self.each) * u64::from(self.streams),
            Shape::Async => u64::from(self.each),
        }
    }

    /// Streams open at once in a peer that has nothing but streams: there a call is one too.
    pub(crate) fn at_once(&self) -> u32 {
        if self.shape == Shape::Async { self.depth } else { self.streams }
    }
}

#[cfg(test)]
pub(crate) fn sample(shape: Shape) -> Work {
    Work { shape, streams: 3, body: 64, depth: 2, each: 10, windows: Windows::Default }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_together_and_messages_by_the_stream() {
        assert_eq!(sample(Shape::Async).messages(), 10);
        for shape in [Shape::Source, Shape::Sink, Shape::PingPong] {
            assert_eq!(sample(shape).messages(), 30);
        }
        assert_eq!((sample(Shape::Async).at_once(), sample(Shape::PingPong).at_once()), (2, 3));
    }

    #[test]
    fn messages_are_shared_out_evenly_over_streams() {
        let settings = Settings { streams: 100, depth: 64, ..Settings::base() };
        assert_eq!(Work::new(Shape::Source, &settings, 1050).messages(), 1000);
        assert_eq!(Work::new(Shape::Source, &settings, 1).messages(), 100);
        let calls = Work::new(Shape::Async, &settings, 1050);
        assert_eq!((calls.messages(), calls.streams, calls.depth), (1050, 1, 64));
    }

    #[test]
    fn work_is_handed_over_as_one_object() {
        let json = r#"{"shape":"ping-pong","streams":3,"body":64,"depth":2,"each":10,"windows":"default"}"#;
        assert_eq!(serde_json::to_string(&sample(Shape::PingPong)).expect("plain data"), json);
        assert_eq!(serde_json::from_str::<Work>(json).expect("what was written"), sample(Shape::PingPong));
        assert_eq!(format!("{:>10}", Shape::PingPong), " ping-pong");
    }
}
