//! Data out.

use super::{Phase, Sent, Session};
use crate::{
    mux::{
        Outgoing, RefusedSend, StreamKey,
        stream::{Flag, SendState, Stream},
    },
    wire::Header,
};

impl Session {
    /// Queues a data frame, when credit and the budgets allow.
    ///
    /// # Errors
    /// [`RefusedSend`]: this body or this stream is at fault, or the session is over.
    #[inline]
    pub fn send(&mut self, key: StreamKey, body: &Outgoing<'_>) -> Result<Sent, RefusedSend> {
        self.check_body(body)?;
        let controlled = self.control.limits_us();
        let overdraft = self.allowed_overdraft();
        let stream_room = self.config.limits.stream_send_bytes_max;
        let has_room = self.queued.left() > 0;
        let Some(stream) = self.table.get_mut(key) else { return Err(RefusedSend::Ended) };
        if stream.send_state != SendState::Open || !stream.halves.send {
            return Err(Self::ended(stream, &self.phase));
        }
        if controlled && !stream.sender.may_send(overdraft) {
            return Ok(self.block_on_credit(key));
        }
        if stream.queued_bytes() >= stream_room {
            stream.flags.set(Flag::WaitsForRoom);
            return Ok(Sent::Blocked);
        }
        if !has_room {
            return Ok(self.block_on_room(key));
        }
        let body_bytes = u32::try_from(body.as_slice().len()).unwrap_or(u32::MAX);
        let header = Header::data(key.id(), body.kind, body_bytes);
        stream.sender.spend(header.cost());
        self.counters.data_frames_out += 1;
        self.counters.data_bytes_out += header.cost();
        self.enqueue(key, header, body);
        Ok(Sent::Queued)
    }

    /// Whether [`send`](Self::send) would take a body now; one that would not is told when, as with `send`. For who has a body made
    /// only then.
    ///
    /// # Errors
    /// [`RefusedSend`]: the stream is at an end, or the session is over.
    pub fn may_send(&mut self, key: StreamKey) -> Result<Sent, RefusedSend> {
        if let Phase::Dead(error) = &self.phase {
            return Err(RefusedSend::Session(error.clone()));
        }
        let controlled = self.control.limits_us();
        let overdraft = self.allowed_overdraft();
        let stream_room = self.config.limits.stream_send_bytes_max;
        let has_room = self.queued.left() > 0;
        let Some(stream) = self.table.get_mut(key) else { return Err(RefusedSend::Ended) };
        if stream.send_state != SendState::Open || !stream.halves.send {
            return Err(Self::ended(stream, &self.phase));
        }
        if controlled && !stream.sender.may_send(overdraft) {
            return Ok(self.block_on_credit(key));
        }
        if stream.queued_bytes() >= stream_room {
            stream.flags.set(Flag::WaitsForRoom);
            return Ok(Sent::Blocked);
        }
        Ok(if has_room { Sent::Queued } else { self.block_on_room(key) })
    }

    #[inline]
    pub(super) fn check_body(&self, body: &Outgoing<'_>) -> Result<(), RefusedSend> {
        if let Phase::Dead(error) = &self.phase {
            return Err(RefusedSend::Session(error.clone()));
        }
        let (body_bytes, body_bytes_max) = (body.as_slice().len(), self.config.limits.body_bytes_max);
        if body_bytes == 0 {
            return Err(RefusedSend::Empty);
        }
        if body_bytes > body_bytes_max as usize {
            return Err(RefusedSend::TooLong { body_bytes, body_bytes_max });
        }
        Ok(())
    }

    #[cold]
    fn ended(stream: &Stream, phase: &Phase) -> RefusedSend {
        match phase {
            Phase::Dead(error) => RefusedSend::Session(error.clone()),
            _ if stream.flags.has(Flag::Aborted) => RefusedSend::Aborted(stream.peer_error().cloned()),
            _ => RefusedSend::Ended,
        }
    }

    pub(super) fn allowed_overdraft(&self) -> u64 {
        self.config.overdraft.unwrap_or_else(|| self.overdraft.allowed())
    }

    fn block_on_credit(&mut self, key: StreamKey) -> Sent {
        self.counters.stalls += 1;
        if let Some(stream) = self.table.get_mut(key) {
            stream.flags.set(Flag::WaitsForCredit);
        }
        self.arm_probe();
        Sent::Blocked
    }

    fn block_on_room(&mut self, key: StreamKey) -> Sent {
        if let Some(stream) = self.table.get_mut(key)
            && !stream.flags.set(Flag::WaitsForRoom)
        {
            self.room_waiters.push_back(key);
            // Streams that ended while they waited leave their place behind; not too many of those.
            if self.room_waiters.len() > 2 * self.table.len() + 64 {
                let table = &self.table;
                self.room_waiters.retain(|key| table.get(*key).is_some());
            }
        }
        Sent::Blocked
    }
}
