use super::{Time, backlog::Backlog, send_queue::SendQueue};
use crate::{
    flow::{Receiver, Sender, Tuner},
    wire::Body,
};

/// Which halves of a stream carry data; the other one carries only its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Halves {
    /// We send data.
    pub send: bool,
    /// The peer sends data.
    pub recv: bool,
}

impl Halves {
    /// We send, the peer listens.
    pub const SEND: Self = Self { send: true, recv: false };
    /// The peer sends, we listen.
    pub const RECV: Self = Self { send: false, recv: true };
    /// Both send.
    pub const BOTH: Self = Self { send: true, recv: true };
}

/// Where our half is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendState {
    Open,
    /// The end frame stands in the queue behind data.
    Ending,
    /// The end frame is out, or on its way ahead of all data.
    Ended,
}

/// Where the peer's half is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RecvState {
    Open,
    /// With an error body, or cleanly. Boxed, since errors are rare and idle streams many.
    Ended(Option<Box<Body>>),
    /// Nobody here listens; what arrives is thrown away.
    Discarding,
}

/// What the owner of a stream waits for; each is told once by an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waits {
    /// A send was refused for lack of credit.
    pub(crate) credit: bool,
    /// A send was refused because the stream's queue was full.
    pub(crate) room: bool,
    /// An event of this kind is queued already.
    pub(crate) readable_told: bool,
    pub(crate) writable_told: bool,
}

/// One stream. Ids are ours: positive when we opened it.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) id: i32,
    pub(crate) halves: Halves,
    /// Whether the layer above has said what the halves are for. Always true for streams we opened.
    pub(crate) is_accepted: bool,
    /// Whether the opening frame has left. Always true for streams the peer opened.
    pub(crate) is_announced: bool,
    /// Whether the owner is gone: the slot is free once our end is out.
    pub(crate) is_released: bool,
    /// The peer ended the whole stream early.
    pub(crate) is_aborted: bool,
    /// On the connection's list of streams to grant to.
    pub(crate) is_dirty: bool,
    /// On the connection's list of streams that got less than they should.
    pub(crate) is_starved: bool,
    /// The next grant goes out even if it raises nothing.
    pub(crate) is_refresh: bool,
    /// On the list of streams whose backlog may share receive buffers.
    pub(crate) is_touched: bool,
    /// In one of the scheduler's rings.
    pub(crate) is_scheduled: bool,
    /// Whether the sender came near its limit since the last grant.
    pub(crate) was_limited: bool,
    /// Repeats of the last grant since data arrived.
    pub(crate) refreshes: u8,
    pub(crate) waits: Waits,
    pub(crate) send_state: SendState,
    pub(crate) recv_state: RecvState,
    /// Bytes of the round robin's quantum left.
    pub(crate) deficit: usize,
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
    pub(crate) tuner: Tuner,
    pub(crate) queue: SendQueue,
    pub(crate) backlog: Backlog,
    pub(crate) opened_at: Time,
    /// When data last arrived, or the last refresh went out.
    pub(crate) active_at: Time,
}

impl Stream {
    pub(crate) fn new(id: i32, halves: Halves, window: u64, now: Time) -> Self {
        Self {
            id,
            halves,
            is_accepted: id > 0,
            is_announced: id < 0,
            is_released: false,
            is_aborted: false,
            is_dirty: false,
            is_starved: false,
            is_refresh: false,
            is_touched: false,
            is_scheduled: false,
            was_limited: false,
            refreshes: 0,
            waits: Waits::default(),
            send_state: SendState::Open,
            recv_state: RecvState::Open,
            deficit: 0,
            sender: Sender::default(),
            receiver: Receiver::new(window),
            tuner: Tuner::default(),
            queue: SendQueue::default(),
            backlog: Backlog::default(),
            opened_at: now,
            active_at: now,
        }
    }

    /// Whether data may still come that somebody here will read. Not before the peer knows of the stream: a grant that
    /// overtakes the opening names a stream that does not exist, and is ignored.
    pub(crate) const fn expects_data(&self) -> bool {
        self.is_accepted
            && self.is_announced
            && self.halves.recv
            && matches!(self.recv_state, RecvState::Open)
    }

    /// Whether nothing of it is needed any more. Late frames of a forgotten id are recognised by the id alone.
    pub(crate) fn is_over(&self) -> bool {
        self.is_released && self.send_state == SendState::Ended
    }

    /// The error a sender gets once the peer has ended the stream.
    pub(crate) fn abort_body(&self) -> Option<Body> {
        match &self.recv_state {
            RecvState::Ended(Some(body)) => Some(Body::clone(body)),
            _ => None,
        }
    }
}
