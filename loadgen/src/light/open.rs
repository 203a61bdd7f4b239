//! What a connection is to do, and the frames that begin it.

use push_mux::CreditMode;
use push_mux::mux::Credit;
use push_mux::wire::{BodyKind, HEADER_BYTES, Header};

use super::conn::Conn;
use super::produce::Performer;
use super::stream::{Inbound, Role, Start, Stream};
use crate::compare::verify::Check;
use crate::plan::Attack;

/// What all connections of a run have in common.
#[derive(Clone, Debug)]
pub(super) struct Params {
    /// Size of a body.
    pub(super) body: usize,
    /// Window of a stream.
    pub(super) credit: Credit,
    /// When credit is negotiated.
    pub(super) mode: CreditMode,
    /// The server is one of this program's.
    pub(super) is_ours: bool,
    /// What windows may add up to on a connection.
    pub(super) budget: u64,
}

/// What a connection does.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnPlan {
    /// From the start.
    pub(crate) works: Vec<Work>,
    /// It may be cut by the server; then it dials again.
    pub(crate) is_expendable: bool,
    /// It reads nothing.
    pub(crate) is_deaf: bool,
}

/// A number of streams or calls of one kind.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// The server sends numbered messages on each of `streams`; `messages` of them, or without end.
    Sources {
        /// How many.
        streams: u32,
        /// On each.
        messages: Option<u32>,
        /// Size of a body.
        body: u32,
        /// For scripts.
        group: u8,
        /// Nobody reads them until a script resumes the group.
        is_paused: bool,
    },
    /// We send numbered messages.
    Sinks {
        /// How many.
        streams: u32,
        /// On each.
        messages: Option<u32>,
    },
    /// Messages there and back.
    Pings {
        /// How many.
        streams: u32,
        /// On their way at once, on each.
        depth: u32,
        /// On each.
        messages: Option<u32>,
    },
    /// Calls.
    Calls {
        /// In flight at once.
        depth: u32,
        /// In all.
        messages: Option<u64>,
    },
    /// Streams of one message, opened and ended.
    Churn {
        /// Open at once.
        depth: u32,
        /// In all.
        messages: Option<u64>,
    },
    /// A method of a server that is not ours, called or opened as a source again and again.
    Foreign {
        /// The opening body.
        opening: String,
        /// Source rather than call.
        is_source: bool,
        /// At once.
        depth: u32,
        /// In all.
        messages: Option<u64>,
    },
    /// What nobody should send.
    Flood(Attack),
}

impl ConnPlan {
    /// One that does this.
    pub(crate) fn of(works: Vec<Work>) -> Self {
        Self { works, is_expendable: false, is_deaf: false }
    }
}

impl Work {
    /// Streams and calls that are there at the same time.
    pub(super) fn at_once(&self) -> usize {
        match self {
            Self::Sources { streams, .. } | Self::Sinks { streams, .. } | Self::Pings { streams, .. } => {
                *streams as usize
            }
            Self::Calls { depth, .. } | Self::Churn { depth, .. } | Self::Foreign { depth, .. } => {
                *depth as usize
            }
            Self::Flood(_) => 0,
        }
    }
}

/// The JSON that opens a stream or makes a call.
pub(super) fn opening(name: &str, args: &str, kind: Option<&str>) -> String {
    let kind = kind.map_or_else(String::new, |kind| format!(r#","type":"{kind}""#));
    format!(r#"{{"name":["{name}"],"args":{args}{kind}}}"#)
}

/// The parts of a call around the digits that tell calls apart.
#[derive(Clone, Debug)]
pub(super) struct CallText {
    pub(super) before: Vec<u8>,
    pub(super) digits: usize,
    pub(super) after: Vec<u8>,
}

impl CallText {
    /// `same` with a text of that many digits.
    pub(super) fn same(digits: usize) -> Self {
        Self { before: br#"{"name":["same"],"args":[""#.to_vec(), digits, after: br#""]}"#.to_vec() }
    }

    /// A call that is always the same.
    pub(super) fn fixed(text: &str) -> Self {
        Self { before: text.as_bytes().to_vec(), digits: 0, after: Vec::new() }
    }

    pub(super) fn bytes(&self) -> usize {
        self.before.len() + self.digits + self.after.len()
    }
}

impl Conn {
    /// Begins what a plan says, or a script adds.
    pub(super) fn begin(&mut self, work: &Work, now: u64) {
        match work {
            Work::Sources { streams, messages, body, group, is_paused } => {
                let messages_text =
                    messages.map_or_else(|| "null".to_owned(), |messages| messages.to_string());
                let args = format!("[{messages_text},{body}]");
                let opening = opening("count", &args, Some("source"));
                for _ in 0..*streams {
                    let check = Some(Check::new(*body as usize));
                    let role = Role::Source { check, opened: start(now), due: *messages };
                    let slot = self.open(&opening, role, *group);
                    if let Some(stream) = self.streams.get_mut(slot as usize) {
                        stream.is_paused = *is_paused;
                    }
                }
            }
            Work::Sinks { streams, messages } => {
                self.each_max = *messages;
                for _ in 0..*streams {
                    let slot = self.open(&opening("collect", "[]", Some("sink")), Role::Sink { next: 0 }, 0);
                    self.ready.push_back(Performer::Sink(slot));
                }
            }
            Work::Pings { streams, depth, messages } => {
                self.each_max = *messages;
                for _ in 0..*streams {
                    let role = Role::Ping { sent: 0, received: 0, starts: std::collections::VecDeque::new() };
                    let slot = self.open(&opening("echo", "[]", Some("duplex")), role, 0);
                    self.ready.extend((0..*depth).map(|_| Performer::Ping(slot)));
                }
            }
            Work::Calls { depth, messages } => {
                self.call = CallText::same(self.params.body);
                self.left = *messages;
                self.ready.extend((0..*depth).map(|_| Performer::Call));
            }
            Work::Churn { depth, messages } => {
                self.left = *messages;
                self.ready.extend((0..*depth).map(|_| Performer::Once));
            }
            Work::Foreign { opening, is_source, depth, messages } => {
                self.call = CallText::fixed(opening);
                self.left = *messages;
                let performer = if *is_source { Performer::Follow } else { Performer::Call };
                self.ready.extend((0..*depth).map(|_| performer));
            }
            Work::Flood(attack) => self.ready.push_back(Performer::Flood(*attack)),
        }
    }

    /// Opens a stream; the slot that it is kept in.
    pub(super) fn open(&mut self, opening: &str, role: Role, group: u8) -> u32 {
        let id = self.take_id();
        let Params { credit, budget, .. } = self.params;
        let inbound = Inbound::new(credit, budget, self.streams.len() + 1);
        self.window_sum += inbound.window;
        // More streams than that no server takes.
        let slot =
            u32::try_from(self.streams.insert(Stream::new(id, role, group, inbound))).unwrap_or(u32::MAX);
        self.ids.insert(id, slot);
        self.frame_out(&Header::data(id, BodyKind::Json, opening.len() as u32), opening.as_bytes());
        if self.streams.get(slot as usize).is_some_and(|stream| !matches!(stream.role, Role::Sink { .. })) {
            // What will be sent needs a first grant, paused or not.
            self.mark(slot);
        }
        slot
    }

    pub(super) const fn take_id(&mut self) -> i32 {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        id
    }

    pub(super) fn frame_out(&mut self, header: &Header, body: &[u8]) {
        self.out.reserve(HEADER_BYTES + body.len());
        self.out.extend_from_slice(&header.encode());
        self.out.extend_from_slice(body);
    }

    /// Ends our half of a stream.
    pub(super) fn end_out(&mut self, slot: u32) {
        let Some(stream) = self.streams.get_mut(slot as usize) else { return };
        if !std::mem::replace(&mut stream.end_sent, true) {
            let header = Header { end: true, ..Header::data(stream.id, BodyKind::Json, 4) };
            self.frame_out(&header, b"true");
        }
    }
}

const fn start(now: u64) -> Start {
    Start { intended: now, actual: now }
}
