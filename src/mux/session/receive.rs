//! Frames in.

use super::{Phase, Session};
use crate::{
    mux::{
        ControlMode, End, Event, InboundRequest, Received, SessionError, StreamKey, Time,
        backlog::Backlog,
        control::{self, Message, Ours, Theirs},
        error_body,
        stream::{Flag, RecvState, SendState},
    },
    wire::{Body, BodyKind, Frame, HEADER_BYTES, Item, Run, mirror},
};
use bytes::BytesMut;

/// Room for ends and grants that a session keeps while it has none to send.
const URGENT_BYTES_KEPT: usize = 16 << 10;

/// Places that the list of streams with news keeps while there is none.
const TOUCHED_KEPT: usize = 1 << 10;

impl Session {
    /// Takes what the decoder yields.
    ///
    /// # Errors
    /// [`SessionError`] when the session is over, for whatever reason; goodbye is one of them.
    pub fn handle_item(&mut self, now: Time, item: Item) -> Result<(), SessionError> {
        self.now = now;
        self.heard_at = now;
        if let Phase::Dead(error) = &self.phase {
            return Err(error.clone());
        }
        match item {
            Item::Run(run) => self.handle_run(run),
            Item::Frame(frame) => self.handle_frame(frame),
            Item::Goodbye => Err(self.die(SessionError::Goodbye)),
        }
    }

    fn handle_run(&mut self, mut run: Run) -> Result<(), SessionError> {
        let id = mirror(run.id);
        if id == 0 {
            return self.glitch(1);
        }
        if Self::is_control(id) && self.takes_control(id, &run) {
            while let Some(body) = run.pop() {
                self.handle_control(body)?;
            }
            return Ok(());
        }
        let key = match self.table.find(id) {
            Some(key) => key,
            None => match self.first_of_stream(id, &mut run)? {
                Some(key) => key,
                None => return Ok(()),
            },
        };
        if run.wire.is_empty() { Ok(()) } else { self.deliver(key, run) }
    }

    /// Data of an id that is not in the table: the first frame of a new stream, or a late one of an old.
    fn first_of_stream(&mut self, id: i32, run: &mut Run) -> Result<Option<StreamKey>, SessionError> {
        // Peers differ on the stream bit of replies (scuttlego sets it on all), so the id decides.
        if self.requests_out.contains_key(&id)
            && let Some(body) = run.pop()
        {
            self.handle_reply(id, false, body);
            return Ok(None);
        }
        if id > 0 || !self.seen.insert(mirror(id)) {
            self.counters.late_bytes += run.cost();
            let is_late = id < 0 || id < self.next_id;
            return if is_late { Ok(None) } else { self.glitch(1).map(|()| None) };
        }
        match run.pop() {
            Some(opening) => self.open_inbound(id, opening),
            None => Ok(None),
        }
    }

    fn deliver(&mut self, key: StreamKey, run: Run) -> Result<(), SessionError> {
        let cost = run.cost();
        self.counters.runs_in += 1;
        self.counters.data_bytes_in += cost;
        let is_limited = self.control.can_grant();
        let limits = &self.config.limits;
        let slack = limits.overdraft_bytes_max + u64::from(limits.body_bytes_max);
        let now = self.now;
        let Some(stream) = self.table.get_mut(key) else { return Ok(()) };
        match stream.recv_state {
            RecvState::Open => {}
            // Data after the end: an oddity, not worth the connection.
            RecvState::Ended => return self.glitch(1),
            RecvState::Discarding => {
                self.counters.late_bytes += cost;
                return Ok(());
            }
        }
        let before = stream.receiver.arrived();
        let arrival = stream.receiver.arrive(cost, slack);
        stream.active_at = now;
        stream.refreshes = 0;
        self.path.arrived(key, before, now);
        let charge = stream.backlog().push(run);
        let is_touched = stream.flags.set(Flag::Touched);
        self.charge(charge);
        if !is_touched {
            self.touched.push(key);
        }
        if is_limited && arrival.is_err() {
            self.counters.window_violations += 1;
            self.cancel(key, Some(error_body("flow control: more was sent than was granted")));
            self.events.push_back(Event::Aborted(key, End::Clean));
            return self.glitch(10);
        }
        self.tell_readable(key);
        self.arm_refresh();
        self.pause_if_full();
        Ok(())
    }

    fn handle_frame(&mut self, frame: Frame) -> Result<(), SessionError> {
        let (header, body) = (frame.header, frame.body);
        let id = mirror(header.id);
        if header.stream && header.end && Self::is_control(id) && self.takes_control_end(id) {
            return Ok(());
        }
        if id > 0 {
            if self.requests_out.contains_key(&id) {
                self.handle_reply(id, header.end, body);
                return Ok(());
            }
            if header.end
                && let Some(key) = self.table.find(id)
            {
                return self.handle_end(key, body);
            }
            return if id < self.next_id { Ok(()) } else { self.glitch(1) };
        }
        if header.stream {
            return match self.table.find(id) {
                Some(key) => self.handle_end(key, body),
                // The confirmation of a stream that is long over, or an oddity: it opens nothing either way.
                None => {
                    if self.seen.insert(mirror(id)) {
                        self.glitch(1)
                    } else {
                        Ok(())
                    }
                }
            };
        }
        if id == 0 || header.end {
            // Id 0 is push-mux's one-way message, which nothing uses; an end says that a caller lost interest.
            return self.glitch(1);
        }
        self.seen.insert(mirror(id));
        self.handle_request(InboundRequest { id }, body)
    }

    /// Whether a run on id 1, theirs or ours, belongs to the control stream.
    fn takes_control(&mut self, id: i32, run: &Run) -> bool {
        if id > 0 {
            // Data on our own control stream: nobody sends that, and it is nobody's stream.
            return self.control.ours != Ours::Closed;
        }
        match self.control.theirs {
            Theirs::Open | Theirs::Ended => true,
            Theirs::Ordinary => false,
            Theirs::Unseen => {
                let first = run.clone().pop();
                let is_control = first
                    .is_some_and(|body| body.kind == BodyKind::Text && body.bytes == control::CONTROL_NAME);
                if !is_control {
                    self.control.theirs = Theirs::Ordinary;
                }
                is_control
            }
        }
    }

    /// One body of the peer's control stream.
    fn handle_control(&mut self, body: Body) -> Result<(), SessionError> {
        match self.control.theirs {
            Theirs::Unseen => {
                self.seen.insert(control::CONTROL_ID);
                return self.handle_control_opened();
            }
            Theirs::Open if body.kind == BodyKind::Json => {}
            // "control" once more, or anything after the end.
            _ => return self.glitch(1),
        }
        if body.bytes.len() > self.config.limits.control_bytes_max {
            return Err(self.die(SessionError::Control));
        }
        match control::read(&body) {
            None => Err(self.die(SessionError::Control)),
            Some(Message::Unknown) => Ok(()),
            Some(Message::Hello) => {
                self.control.is_ours = true;
                self.path.became_exact(self.now);
                self.overdraft.set_exact();
                Ok(())
            }
            Some(Message::Grants(pairs, odd)) => self.handle_grants(&pairs, odd),
        }
    }

    fn handle_control_opened(&mut self) -> Result<(), SessionError> {
        self.control.theirs = Theirs::Open;
        match self.config.control {
            ControlMode::Off => {
                self.control.theirs = Theirs::Ended;
                let body = error_body("flow-control not supported");
                self.write_end(-control::CONTROL_ID, true, &body);
                return Ok(());
            }
            ControlMode::Respond | ControlMode::Offer => self.offer_control(),
        }
        if self.control.ours == Ours::Open && !std::mem::replace(&mut self.control.hello_sent, true) {
            self.write_control(control::HELLO);
        }
        self.regrant_all();
        Ok(())
    }

    /// An end on either control stream.
    fn takes_control_end(&mut self, id: i32) -> bool {
        if id > 0 && self.control.ours == Ours::Open {
            // Refused. Peers without flow control keep their half open until they hear its end.
            self.control.ours = Ours::Refused;
            self.write_end(control::CONTROL_ID, true, &Body::end());
            self.wake_blocked();
            return true;
        }
        if id < 0 && self.control.theirs == Theirs::Open {
            // No more grants will come: from here on the transport alone limits us.
            self.control.theirs = Theirs::Ended;
            self.wake_blocked();
            return true;
        }
        id < 0 && self.control.theirs == Theirs::Ended || id > 0 && self.control.ours == Ours::Refused
    }

    /// Takes the next body of a stream, which earns the peer credit.
    #[inline]
    pub fn recv(&mut self, key: StreamKey) -> Received {
        match self.recv_body(key) {
            Some(body) => Received::Body(body),
            None => self.recv_end(key),
        }
    }

    /// The common case of [`recv`](Self::recv): a body is there.
    #[inline]
    pub(crate) fn recv_body(&mut self, key: StreamKey) -> Option<Body> {
        let backlog = self.table.get_mut(key)?.unread()?;
        let (kind, body_bytes) = backlog.front()?;
        let bytes = backlog.cut(body_bytes);
        let charge = backlog.shed();
        let is_read_up = backlog.is_empty();
        self.consume(key, (HEADER_BYTES + body_bytes) as u64);
        self.refund(charge);
        if is_read_up {
            self.arm_refresh();
        }
        // Put together last and moved as little as can be: what is copied right after its parts were written stalls the
        // processor, which then waits for the writes. That took half of a reader's time at 64-byte bodies.
        Some(Body { kind, bytes })
    }

    /// Why there is no body.
    pub(crate) fn recv_end(&self, key: StreamKey) -> Received {
        let Some(stream) = self.table.get(key) else { return Received::End };
        match stream.recv_state {
            RecvState::Discarding => Received::End,
            RecvState::Ended => {
                stream.peer_error().map_or(Received::End, |body| Received::Error(body.clone()))
            }
            RecvState::Open => match &self.phase {
                Phase::Dead(error) => Received::Closed(error.clone()),
                _ => Received::Pending,
            },
        }
    }

    /// What [`recv`](Self::recv) may change of that by which a driver sleeps, besides grants that become due: whether reading is
    /// paused, and when a quiet stream's grant is repeated. Cheap, since it is asked for with every body.
    #[cfg(feature = "runtime")]
    #[inline]
    pub(crate) const fn recv_terms(&self) -> (bool, Option<Time>) {
        (self.is_paused(), self.refresh_at)
    }

    /// Copies unread small frames out of the receive buffers. Call once per turn, after handlers had their chance to
    /// read and before the next chunk, so that only what stays behind is copied.
    pub fn settle(&mut self) {
        if self.touched.is_empty() {
            self.cool();
        }
        while let Some(key) = self.touched.pop() {
            let Some(stream) = self.table.get_mut(key) else { continue };
            stream.flags.clear(Flag::Touched);
            let (copied, saved) = stream.unread().map_or((0, 0), Backlog::compact);
            if !stream.flags.set(Flag::Cooling) {
                self.cooling.push(key);
            }
            self.counters.compacted_bytes += copied;
            self.refund(saved);
        }
    }

    /// Once nothing arrives, streams that were read up give the memory of their backlogs back, and the session what a burst
    /// asked for. Not while the traffic lasts: they would ask for it again at once.
    fn cool(&mut self) {
        self.schedule.cool();
        if self.urgent.is_empty() && self.urgent.capacity() > URGENT_BYTES_KEPT {
            self.urgent = BytesMut::new();
        }
        if self.touched.capacity() > TOUCHED_KEPT {
            self.touched = Vec::new();
        }
        for key in std::mem::take(&mut self.cooling) {
            let Some(stream) = self.table.get_mut(key) else { continue };
            if stream.is_read_up() {
                stream.flags.clear(Flag::Cooling);
                stream.shed_backlog();
            } else {
                self.cooling.push(key);
            }
        }
    }

    /// Whether our half is over, because we or the peer ended it.
    #[must_use]
    pub fn is_send_over(&self, key: StreamKey) -> bool {
        self.table.get(key).is_none_or(|stream| stream.send_state != SendState::Open)
    }
}
