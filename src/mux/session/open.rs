//! Opening, accepting, ending and freeing streams.

use super::{Phase, Session};
use crate::{
    mux::{
        CONTROL_ID, End, Event, Halves, Outgoing, RefusedSend, SessionError, StreamKey,
        backlog::Backlog,
        error_body,
        schedule::Flow,
        stream::{Flag, RecvState, SendState, Stream},
    },
    wire::{Body, Header},
};

/// Openings that wait to be sent before callers are asked to wait. Stops one who opens thousands of streams in a row from
/// filling memory with frames that the transport has not taken yet.
pub const OPENINGS_UNSENT_MAX: usize = 512;

impl Session {
    /// Opens a stream with an opening body.
    ///
    /// # Errors
    /// [`RefusedSend`] when the body is empty or too long, or the session takes no new work.
    pub fn open(&mut self, halves: Halves, opening: &Outgoing<'_>) -> Result<StreamKey, RefusedSend> {
        self.check_body(opening)?;
        let id = self.take_id()?;
        let window = self.window_for_new();
        let stream = Stream::new(id, halves, window, self.now);
        let Some(key) = self.table.insert(stream) else { return Err(RefusedSend::Ended) };
        let body_bytes = u32::try_from(opening.as_slice().len()).unwrap_or(u32::MAX);
        self.enqueue(key, Header::data(id, opening.kind, body_bytes), opening);
        self.openings += 1;
        if halves.recv {
            self.mark_dirty(key);
        }
        Ok(key)
    }

    /// Whether another stream should be opened now; if not, [`Event::RequestsWritable`] says when. [`open`](Self::open) does not
    /// ask: this is for callers who can wait.
    pub fn may_open(&mut self) -> bool {
        let may = self.openings < OPENINGS_UNSENT_MAX || self.phase != Phase::Open;
        self.openings_blocked |= !may;
        may
    }

    /// An opening has left, or never will.
    pub(super) fn opening_is_gone(&mut self) {
        self.openings = self.openings.saturating_sub(1);
        if self.openings_blocked && self.openings <= OPENINGS_UNSENT_MAX / 2 {
            self.openings_blocked = false;
            self.events.push_back(Event::RequestsWritable);
        }
    }

    pub(super) fn take_id(&mut self) -> Result<i32, RefusedSend> {
        match &self.phase {
            Phase::Open if self.next_id <= super::ID_MAX => {
                self.next_id += 1;
                Ok(self.next_id - 1)
            }
            Phase::Dead(error) => Err(RefusedSend::Session(error.clone())),
            _ => Err(RefusedSend::Ended),
        }
    }

    fn window_for_new(&self) -> u64 {
        self.config.credit.window(self.config.limits.receive_bytes_max, self.table.len() + 1)
    }

    /// A stream of the peer's: a new entry and an event, or a refusal.
    pub(super) fn open_inbound(&mut self, id: i32, opening: Body) -> Result<Option<StreamKey>, SessionError> {
        let crowded = self.table.peer_opened() >= self.config.limits.streams_open_max;
        let pressed = self.pool.as_ref().is_some_and(|pool| pool.percent() >= 85);
        if crowded || pressed || self.phase != Phase::Open {
            self.counters.streams_refused += 1;
            let message =
                if crowded || pressed { "too many open streams" } else { "parent stream is closing" };
            self.write_end(id, true, &error_body(message));
            self.pause_if_full();
            self.glitch(10)?;
            return Ok(None);
        }
        self.counters.streams_opened += 1;
        let stream = Stream::new(id, Halves::BOTH, self.window_for_new(), self.now);
        let key = self.table.insert(stream);
        if let Some(key) = key {
            self.events.push_back(Event::Opened(key, opening));
        }
        Ok(key)
    }

    /// Says what the halves of a stream of the peer's are for; until then nothing is granted on it.
    pub fn accept(&mut self, key: StreamKey, halves: Halves) {
        let Some(stream) = self.table.get_mut(key) else { return };
        stream.flags.set(Flag::Known);
        stream.halves = halves;
        let early_end = (stream.recv_state == RecvState::Ended && !halves.recv)
            .then(|| stream.peer_error().map_or(End::Clean, |body| End::Error(body.clone())));
        if halves.recv {
            self.mark_dirty(key);
        } else {
            self.discard(key);
        }
        if let Some(end) = early_end {
            // An error here has ended the session; every later call says so.
            let _ = self.handle_abort(key, end);
        }
    }

    /// Ends our half cleanly, behind what is queued.
    pub fn finish(&mut self, key: StreamKey) {
        self.end(key, &Body::end());
    }

    /// Ends our half with an error body, behind what is queued.
    pub fn fail(&mut self, key: StreamKey, error: &Body) {
        self.end(key, error);
    }

    fn end(&mut self, key: StreamKey, body: &Body) {
        let Some(stream) = self.table.get_mut(key) else { return };
        if stream.send_state != SendState::Open || matches!(self.phase, Phase::Dead(_)) {
            return;
        }
        let body = &self.sayable(body);
        let Some(stream) = self.table.get_mut(key) else { return };
        let id = key.id();
        if stream.queued_bytes() == 0 {
            stream.send_state = SendState::Ended;
            self.write_end(id, true, body);
            self.free_if_over(key);
            return;
        }
        stream.send_state = SendState::Ending;
        let header = Header { id, stream: true, end: true, kind: body.kind, body_bytes: Self::length(body) };
        self.enqueue(key, header, &Outgoing::owned(body.kind, body.bytes.clone()));
    }

    /// The body of an end or an error as it can be sent: an empty one would be read as goodbye, and one over the limit would
    /// cost the connection.
    pub(super) fn sayable(&self, body: &Body) -> Body {
        if body.bytes.is_empty() {
            return error_body("");
        }
        if body.bytes.len() > self.config.limits.body_bytes_max as usize {
            return error_body("the error is too long to be sent");
        }
        body.clone()
    }

    /// Puts a frame behind what the stream has queued.
    #[inline]
    pub(super) fn enqueue(&mut self, key: StreamKey, header: Header, body: &Outgoing<'_>) {
        let Some(stream) = self.table.get_mut(key) else { return };
        let was_scheduled = stream.flags.set(Flag::Scheduled);
        stream.queue().push(header, body, &self.spares);
        self.queued.take(header.cost());
        if !was_scheduled {
            self.schedule.add_fresh(Flow::Stream(key));
        }
    }

    pub(super) fn length(body: &Body) -> u32 {
        u32::try_from(body.bytes.len()).unwrap_or(u32::MAX)
    }

    /// Ends the stream at once, in both directions: unsent data is dropped, unread data thrown away, and the end frame
    /// goes ahead of all data. `None` ends it with `true`.
    pub fn cancel(&mut self, key: StreamKey, error: Option<Body>) {
        self.drop_queue(key);
        self.end(key, &error.unwrap_or_else(Body::end));
        self.discard(key);
        self.tell_writable(key);
        self.tell_readable(key);
    }

    /// Drops unsent frames, a queued end among them. An opening that never left takes the whole stream with it: the
    /// peer must not hear the end of a stream it does not know (go-muxrpc loses its place in the bytes over that).
    fn drop_queue(&mut self, key: StreamKey) {
        let Some(stream) = self.table.get_mut(key) else { return };
        let dropped = stream.drop_queue();
        self.queued.give(dropped as u64);
        let is_opening_lost = dropped > 0 && !stream.is_announced();
        if !stream.is_announced() {
            stream.send_state = SendState::Ended;
        } else if stream.send_state == SendState::Ending {
            stream.send_state = SendState::Open;
        }
        if is_opening_lost {
            self.opening_is_gone();
        }
        self.free_if_over(key);
    }

    /// Nobody listens on this stream any more: unread data is thrown away, now and later.
    pub fn discard(&mut self, key: StreamKey) {
        let Some(stream) = self.table.get_mut(key) else { return };
        if stream.recv_state == RecvState::Open {
            stream.recv_state = RecvState::Discarding;
        }
        self.drop_backlog(key);
    }

    pub(super) fn drop_backlog(&mut self, key: StreamKey) {
        let Some(stream) = self.table.get_mut(key) else { return };
        let (cost, charge) = stream.unread().map_or((0, 0), Backlog::clear);
        stream.shed_backlog();
        self.refund(charge);
        self.consume(key, cost);
    }

    pub(super) fn charge(&mut self, bytes: u64) {
        self.received.take(bytes);
        if let Some(pool) = &self.pool {
            pool.take(bytes);
        }
    }

    #[inline]
    pub(super) fn refund(&mut self, bytes: u64) {
        if bytes == 0 {
            return;
        }
        self.received.give(bytes);
        if let Some(pool) = &self.pool {
            pool.give(bytes);
        }
        self.resume_reads();
    }

    /// The owner is done with the stream; its slot is freed once our end is out. A half still open is ended.
    pub fn release(&mut self, key: StreamKey) {
        let Some(stream) = self.table.get_mut(key) else { return };
        stream.flags.set(Flag::Released);
        let is_open = stream.send_state == SendState::Open;
        self.discard(key);
        if is_open {
            self.finish(key);
        }
        if matches!(self.phase, Phase::Dead(_)) {
            self.free(key);
        } else {
            self.free_if_over(key);
        }
    }

    pub(super) fn free_if_over(&mut self, key: StreamKey) {
        if self.table.get(key).is_some_and(Stream::is_over) {
            self.free(key);
        }
    }

    /// Gives back whatever the stream holds.
    fn free(&mut self, key: StreamKey) {
        self.drop_backlog(key);
        let Some(mut stream) = self.table.remove(key) else { return };
        self.path.forget(key);
        let dropped = stream.drop_queue();
        self.queued.give(dropped as u64);
        if dropped > 0 && !stream.is_announced() {
            self.opening_is_gone();
        }
        self.committed.give(stream.receiver.outstanding());
        self.feed_starved();
    }

    /// The peer ended its half.
    pub(super) fn handle_end(&mut self, key: StreamKey, body: Body) -> Result<(), SessionError> {
        let Some(stream) = self.table.get_mut(key) else { return Ok(()) };
        if stream.recv_state == RecvState::Ended {
            return self.glitch(1);
        }
        let end = End::from_body(body);
        stream.recv_state = RecvState::Ended;
        if let End::Error(body) = &end {
            stream.rare().error = Some(body.clone());
        }
        let ours = key.id() > 0;
        // An end on a half that carries no data can only mean that the peer listens no longer.
        let is_unheard = stream.is_accepted() && !stream.halves.recv && stream.send_state != SendState::Ended;
        if ours && !stream.halves.send {
            // All that the owner of a stream that only listens could say is "heard"; so it is said at once.
            self.finish(key);
        } else if end != End::Clean || is_unheard {
            return self.handle_abort(key, end);
        }
        self.tell_readable(key);
        Ok(())
    }

    /// The peer gave the stream up: what we have queued is for nobody.
    fn handle_abort(&mut self, key: StreamKey, end: End) -> Result<(), SessionError> {
        let Some(stream) = self.table.get_mut(key) else { return Ok(()) };
        stream.flags.set(Flag::Aborted);
        let young = stream.birth.is_recent(self.now);
        let is_storm = key.id() < 0 && young && stream.send_state == SendState::Open;
        self.drop_queue(key);
        self.end(key, &Body::end());
        self.events.push_back(Event::Aborted(key, end));
        self.tell_readable(key);
        self.tell_writable(key);
        if is_storm && !self.resets.take(1, self.now) {
            return Err(self.die(SessionError::ResetFlood));
        }
        Ok(())
    }

    /// Writes an end frame, or an error reply, ahead of all data.
    pub(super) fn write_end(&mut self, id: i32, stream: bool, body: &Body) {
        let header = Header { id, stream, end: true, kind: body.kind, body_bytes: Self::length(body) };
        self.urgent.extend_from_slice(&header.encode());
        self.urgent.extend_from_slice(&body.bytes);
        self.pause_if_full();
    }

    pub(super) const fn is_control(id: i32) -> bool {
        id == CONTROL_ID || id == -CONTROL_ID
    }
}
