//! A raw scripted peer against one session: what it sends, and the transcript of what it hears.

use crate::frames::{data, text, transcript};
use bytes::Bytes;
use push_mux::{
    mux::{
        Config, ControlMode, Credit, Event, Halves, InboundRequest, Limits, Outgoing, Output, Received, Sent,
        Session, SessionError, StreamKey, Time,
    },
    wire::{Body, Decoder},
};
use std::time::Duration;

pub(crate) const HELLO: &str = r#"1 data json({"push-mux":2,"overdraft":0})"#;

pub(crate) struct Peer {
    pub(crate) session: Session,
    pub(crate) now: Time,
    decoder: Decoder,
    ears: Decoder,
    output: Output,
}

pub(crate) fn config(edit: impl FnOnce(&mut Limits)) -> Config {
    // Tests of other timers want no timer but theirs.
    let mut limits = Limits { idle_max: std::time::Duration::MAX, ..Limits::default() };
    edit(&mut limits);
    Config { limits, credit: Credit::Fixed(64 << 10), ..Config::default() }
}

impl Peer {
    /// A session and a peer that has said nothing yet.
    pub(crate) fn new(config: Config) -> Self {
        let now = Time::from_micros(1_000_000);
        let decoder = Decoder::new(config.limits.body_bytes_max);
        Self {
            session: Session::new(config, now),
            now,
            decoder,
            ears: Decoder::new(u32::MAX),
            output: Output::default(),
        }
    }

    /// The same, with the control streams of both sides up and the peer's plain push-mux 1.0.7.
    pub(crate) fn controlled(config: Config) -> Self {
        let mut peer = Self::new(config);
        peer.says(&data(1, &text("control")));
        assert!(peer.hears().contains(&"1 data text(\"control\")".to_owned()), "ours opens in answer");
        peer
    }

    /// A default session whose window is `window`.
    pub(crate) fn with_window(window: u64) -> Self {
        Self::controlled(Config { credit: Credit::Fixed(window), ..config(|_| {}) })
    }

    /// Sends bytes; the session must live on.
    #[track_caller]
    pub(crate) fn says(&mut self, bytes: &[u8]) {
        self.tries(bytes).expect("the session lives");
    }

    /// Sends bytes; yields why the session ended, if it did.
    pub(crate) fn tries(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        self.decoder.push(Bytes::copy_from_slice(bytes));
        loop {
            match self.decoder.next_item() {
                Ok(Some(item)) => self.session.handle_item(self.now, item)?,
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.session.handle_closed(error.into());
                    return Err(error.into());
                }
            }
        }
    }

    /// What the peer hears, as a transcript.
    pub(crate) fn hears(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..1000 {
            if !self.session.wants_transmit() {
                break;
            }
            self.session.poll_transmit(self.now, &mut self.output, 1 << 20);
            lines.extend(transcript(&mut self.ears, self.output.take()));
        }
        assert!(!self.session.wants_transmit(), "a drained session has nothing left to send");
        lines
    }

    #[track_caller]
    pub(crate) fn must_hear<const N: usize>(&mut self, lines: [&str; N]) {
        assert_eq!(self.hears(), lines);
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    /// Opens a stream as the peer; accepts it.
    #[track_caller]
    pub(crate) fn opens(&mut self, id: i32, halves: Halves) -> StreamKey {
        let key = self.opens_unaccepted(id);
        self.session.accept(key, halves);
        key
    }

    #[track_caller]
    pub(crate) fn opens_unaccepted(&mut self, id: i32) -> StreamKey {
        self.says(&data(id, &Body::json("{}")));
        let opened = self.events().into_iter().find_map(|event| match event {
            Event::Opened(key, _) if key.id() == -id => Some(key),
            _ => None,
        });
        opened.expect("the stream opens")
    }

    #[track_caller]
    pub(crate) fn request(&mut self) -> InboundRequest {
        let found = self.events().into_iter().find_map(|event| match event {
            Event::Request(request, _) => Some(request),
            _ => None,
        });
        found.expect("the request is told")
    }

    /// Takes every body there is; yields how many, and what followed.
    pub(crate) fn drains(&mut self, key: StreamKey) -> (usize, Received) {
        let mut bodies = 0;
        loop {
            match self.session.recv(key) {
                Received::Body(_) => bodies += 1,
                rest => return (bodies, rest),
            }
        }
    }

    /// Sends bodies of `bytes` until blocked, at most `frames`; yields how many were taken.
    pub(crate) fn sends(&mut self, key: StreamKey, frames: usize, bytes: usize) -> usize {
        let body = vec![b'd'; bytes];
        for sent in 0..frames {
            if self.session.send(key, &Outgoing::from(&body[..])) != Ok(Sent::Queued) {
                return sent;
            }
        }
        frames
    }

    pub(crate) fn waits(&mut self, duration: Duration) -> Result<(), SessionError> {
        self.now = self.now + duration;
        self.session.handle_timeout(self.now)
    }

    /// Lets every timer fire that is due within `duration`, in order.
    pub(crate) fn lives(&mut self, duration: Duration) -> Result<(), SessionError> {
        let until = self.now + duration;
        while let Some(at) = self.session.next_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.session.handle_timeout(self.now)?;
            let _ = self.hears();
        }
        self.now = until;
        Ok(())
    }

    #[track_caller]
    pub(crate) fn must_be_empty(&mut self) {
        let _ = self.hears();
        assert_eq!(self.session.streams_open(), 0, "streams");
        assert_eq!(self.session.received_bytes(), 0, "received");
        assert_eq!(self.session.committed_bytes(), 0, "committed");
        assert_eq!(self.session.queued_bytes(), 0, "queued");
    }
}

pub(crate) fn offering() -> Config {
    Config { control: ControlMode::Offer, ..config(|_| {}) }
}

pub(crate) fn is_writable(events: &[Event], key: StreamKey) -> bool {
    events.contains(&Event::Writable(key))
}
