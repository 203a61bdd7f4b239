//! The state machine itself, one file per concern.

mod credit;
mod open;
mod receive;
mod requests;
mod send;
#[cfg(test)]
mod tests;
mod timers;
mod transmit;

pub use self::open::OPENINGS_UNSENT_MAX;

use super::{
    Blame, Config, ControlMode, Counters, Event, InboundRequest, SessionError, StreamKey, Time,
    bucket::Bucket,
    control::Control,
    ids::SeenIds,
    path::Path,
    schedule::Schedule,
    send_queue::SendQueue,
    spares::Spares,
    stream::Flag,
    table::{IdMap, Table},
};
use crate::{
    flow::{Budget, Overdraft, Pool},
    wire::{Body, GOODBYE},
};
use bytes::BytesMut;
use std::collections::VecDeque;

/// Ids are 31 bits; past three quarters of them a session takes no new work, so that it can be replaced in time.
const ID_MAX: i32 = i32::MAX / 4 * 3;

/// What [`Session::send`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a blocked body was not taken"]
pub enum Sent {
    /// The body is in the queue.
    Queued,
    /// Nothing was taken: credit or room is lacking. [`Event::Writable`] will say when to try again.
    Blocked,
}

/// What [`Session::recv`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A body; taking it earns the peer credit.
    Body(Body),
    /// Nothing yet. [`Event::Readable`] will say when.
    Pending,
    /// The peer ended its half; nothing follows.
    End,
    /// The peer ended its half with an error.
    Error(Body),
    /// The session ended first.
    Closed(SessionError),
}

/// How far the session is from its end.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// New work is refused; goodbye follows when the last stream and request are done.
    Draining,
    /// Our goodbye is out: nothing more is sent.
    Said,
    Dead(SessionError),
}

/// One muxrpc connection. See the [module](super) for the contract.
#[derive(Clone, Debug)]
pub struct Session {
    config: Config,
    /// Shared by all sessions of a shard.
    pool: Option<Pool>,
    /// Likewise.
    spares: Spares,
    phase: Phase,
    now: Time,
    path: Path,
    table: Table,
    seen: SeenIds,
    next_id: i32,
    control: Control,
    overdraft: Overdraft,
    /// Our requests without a reply; the value says whether somebody still waits.
    requests_out: IdMap<()>,
    requests_out_blocked: bool,
    /// Streams of ours whose opening has not left.
    openings: usize,
    /// Somebody was told to wait until fewer are.
    openings_blocked: bool,
    requests_in: usize,
    /// Requests that wait until replies to earlier ones have left.
    held: VecDeque<(InboundRequest, Body)>,
    /// Watches replies that do not leave.
    stuck: Option<timers::Stuck>,
    /// Bytes handed out for sending.
    transmitted: u64,
    events: VecDeque<Event>,
    /// Streams to grant to, each at most once.
    dirty: Vec<StreamKey>,
    /// Streams whose grant waits for budget.
    starved: VecDeque<StreamKey>,
    /// Streams whose backlog may share receive buffers.
    touched: Vec<StreamKey>,
    /// Streams that keep memory for a backlog, each at most once.
    cooling: Vec<StreamKey>,
    /// Streams that wait for room in the session's send budget, first come first served.
    room_waiters: VecDeque<StreamKey>,
    schedule: Schedule,
    /// Ends, errors and the control stream's opening: written first.
    urgent: BytesMut,
    /// Short replies.
    interactive: SendQueue,
    /// Our own requests. Apart from replies, since they say nothing about whether the peer reads what it asked for.
    asks: SendQueue,
    /// Long replies, one party of the round robin.
    replies: SendQueue,
    replies_deficit: usize,
    replies_scheduled: bool,
    /// Unread bytes, and what each run costs on top.
    received: Budget,
    /// Credit handed out and not yet consumed.
    committed: Budget,
    /// Bytes in the queues of streams.
    queued: Budget,
    glitches: Bucket,
    resets: Bucket,
    /// Cost consumed in all; the watchdog looks whether it moves.
    consumed: u64,
    paused: Option<timers::Pause>,
    probe_at: Option<Time>,
    refresh_at: Option<Time>,
    /// When the peer last completed a frame.
    heard_at: Time,
    /// The keepalive that waits for its reply.
    keepalive: Option<i32>,
    counters: Counters,
}

impl Session {
    /// A session that begins `now`. In mode [`ControlMode::Offer`] it has its control stream to send already.
    #[must_use]
    pub fn new(config: Config, now: Time) -> Self {
        let limits = &config.limits;
        let window = config.credit.window(limits.receive_bytes_max, 1);
        let mut session = Self {
            pool: None,
            spares: Spares::default(),
            phase: Phase::Open,
            now,
            path: Path::new(now),
            table: Table::default(),
            seen: SeenIds::default(),
            next_id: super::CONTROL_ID + 1,
            control: Control::default(),
            overdraft: Overdraft::new(
                config.overdraft.map_or(window, |bytes| bytes.saturating_mul(2)),
                limits.probe_bytes_max,
            ),
            requests_out: IdMap::default(),
            requests_out_blocked: false,
            openings: 0,
            openings_blocked: false,
            requests_in: 0,
            held: VecDeque::new(),
            stuck: None,
            transmitted: 0,
            events: VecDeque::new(),
            dirty: Vec::new(),
            starved: VecDeque::new(),
            touched: Vec::new(),
            cooling: Vec::new(),
            room_waiters: VecDeque::new(),
            schedule: Schedule::default(),
            urgent: BytesMut::new(),
            interactive: SendQueue::default(),
            asks: SendQueue::default(),
            replies: SendQueue::default(),
            replies_deficit: 0,
            replies_scheduled: false,
            received: Budget::new(limits.receive_bytes_max),
            committed: Budget::new(limits.receive_bytes_max),
            queued: Budget::new(limits.send_bytes_max as u64),
            glitches: Bucket::new(limits.glitches_max, limits.glitches_per_second, now),
            resets: Bucket::new(limits.resets_max, limits.resets_per_second, now),
            consumed: 0,
            paused: None,
            probe_at: None,
            refresh_at: None,
            heard_at: now,
            keepalive: None,
            counters: Counters::default(),
            config,
        };
        if session.config.control == ControlMode::Offer {
            session.offer_control();
        }
        session
    }

    /// Charges what arrives to a pool as well, shared by all sessions of a shard: at 70 % windows stop growing, at 85 % new
    /// streams are refused. To be called before anything has arrived.
    pub fn share(&mut self, pool: Pool) {
        debug_assert_eq!(
            self.received.used(),
            0,
            "bytes that arrived before would be given back without being taken"
        );
        self.pool = Some(pool);
    }

    /// Takes the room for what is sent from a stock, to which it goes back once it has been written.
    pub fn reuse(&mut self, spares: Spares) {
        self.spares = spares;
    }

    /// What happened, by name.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The bounds in force.
    #[must_use]
    pub const fn limits(&self) -> &super::Limits {
        &self.config.limits
    }

    /// Streams open in either direction.
    #[must_use]
    pub fn streams_open(&self) -> usize {
        self.table.len()
    }

    /// Requests in flight in either direction.
    #[must_use]
    pub fn requests_open(&self) -> usize {
        self.requests_in + self.requests_out.len()
    }

    /// Received bytes that nobody has taken, with what the queues cost on top.
    #[must_use]
    pub const fn received_bytes(&self) -> u64 {
        self.received.used()
    }

    /// Credit handed out and not consumed.
    #[must_use]
    pub const fn committed_bytes(&self) -> u64 {
        self.committed.used()
    }

    /// Bytes waiting to be sent.
    #[must_use]
    pub fn queued_bytes(&self) -> u64 {
        let messages = self.interactive.bytes() + self.asks.bytes() + self.replies.bytes();
        self.queued.used() + (messages + self.urgent.len()) as u64
    }

    /// Bytes of short replies waiting to be sent.
    #[must_use]
    pub const fn interactive_bytes(&self) -> usize {
        self.interactive.bytes()
    }

    /// Whether grants flow in both directions: the peer has push-mux's flow control and so have we.
    #[must_use]
    pub const fn is_controlled(&self) -> bool {
        self.control.can_grant()
    }

    /// Cost sent and received on a stream, as the peer counts: data frames with their headers.
    #[must_use]
    pub fn stream_totals(&self, key: StreamKey) -> Option<(u64, u64)> {
        self.table.get(key).map(|stream| (stream.sender.sent(), stream.receiver.arrived()))
    }

    /// Why the session ended, once it has.
    #[must_use]
    pub const fn error(&self) -> Option<&SessionError> {
        match &self.phase {
            Phase::Dead(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the next event asks for new work rather than going on with old.
    #[must_use]
    pub fn is_work_next(&self) -> bool {
        matches!(self.events.front(), Some(Event::Opened(..) | Event::Request(..)))
    }

    /// The next event. Drain after every input and command.
    #[inline]
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        match &event {
            Event::Readable(key) => {
                if let Some(stream) = self.table.get_mut(*key) {
                    stream.flags.clear(Flag::ReadableTold);
                }
            }
            Event::Writable(key) => {
                if let Some(stream) = self.table.get_mut(*key) {
                    stream.flags.clear(Flag::WritableTold);
                }
            }
            _ => {}
        }
        Some(event)
    }

    /// Notes a harmless oddity.
    ///
    /// # Errors
    /// [`SessionError::Glitches`] when there were too many.
    fn glitch(&mut self, weight: u32) -> Result<(), SessionError> {
        self.counters.glitches += 1;
        if self.glitches.take(weight, self.now) {
            return Ok(());
        }
        Err(self.die(SessionError::Glitches))
    }

    fn tell_readable(&mut self, key: StreamKey) {
        if let Some(stream) = self.table.get_mut(key)
            && !stream.flags.set(Flag::ReadableTold)
        {
            self.events.push_back(Event::Readable(key));
        }
    }

    fn tell_writable(&mut self, key: StreamKey) {
        if let Some(stream) = self.table.get_mut(key)
            && !stream.flags.set(Flag::WritableTold)
        {
            stream.flags.clear(Flag::WaitsForCredit);
            stream.flags.clear(Flag::WaitsForRoom);
            self.events.push_back(Event::Writable(key));
        }
    }

    /// Takes no new work from either side, and says goodbye when the work at hand is done.
    pub fn drain(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Draining;
        }
    }

    /// Ends all streams with an error that JavaScript peers take for an ordinary hang-up, and says goodbye.
    pub fn goodbye(&mut self) {
        if matches!(self.phase, Phase::Said | Phase::Dead(_)) {
            return;
        }
        let body = super::error_body("unexpected end of parent stream");
        for key in self.table.keys() {
            self.cancel(key, Some(body.clone()));
            self.events.push_back(Event::Aborted(key, super::End::Clean));
        }
        self.drop_held();
        self.requests_in = 0;
        self.requests_out.clear();
        self.phase = Phase::Draining;
    }

    /// Whether our goodbye has been handed out, or nothing will be.
    #[must_use]
    pub const fn is_goodbye_said(&self) -> bool {
        matches!(self.phase, Phase::Said | Phase::Dead(_))
    }

    /// The peer can send no more: wake everybody with the reason. Bytes that arrived stay readable.
    pub fn handle_closed(&mut self, error: SessionError) {
        self.die(error);
    }

    /// Ends the session; yields the error it ended with.
    fn die(&mut self, error: SessionError) -> SessionError {
        if let Phase::Dead(first) = &self.phase {
            return first.clone();
        }
        let can_speak = matches!(self.phase, Phase::Open | Phase::Draining);
        if can_speak && error.blame() != Blame::Transport {
            self.urgent.extend_from_slice(&GOODBYE);
        }
        self.phase = Phase::Dead(error.clone());
        self.drop_held();
        for key in self.table.keys() {
            self.tell_readable(key);
            self.tell_writable(key);
        }
        self.events.push_back(Event::RequestsWritable);
        error
    }
}
