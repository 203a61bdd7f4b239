//! Bytes out: control first, then what is interactive, then the round robin.

use super::{Phase, Session};
use crate::{
    mux::{
        Output, StreamKey, Time,
        schedule::{Flow, QUANTUM_BYTES},
        stream::{Flag, Outbox, RecvState, SendState, Stream},
    },
    wire::GOODBYE,
};

impl Session {
    /// Whether there are grants to send.
    #[inline]
    pub(crate) fn wants_grants(&self) -> bool {
        !self.dirty.is_empty() && self.control.can_grant()
    }

    /// Whether [`poll_transmit`](Self::poll_transmit) has something to do.
    #[must_use]
    pub fn wants_transmit(&self) -> bool {
        match self.phase {
            Phase::Said => false,
            Phase::Dead(_) => !self.urgent.is_empty(),
            _ => {
                !self.urgent.is_empty()
                    || !self.interactive.is_empty()
                    || !self.asks.is_empty()
                    || !self.schedule.is_empty()
                    || self.wants_grants()
                    || (!self.room_waiters.is_empty() && self.queued.left() > 0)
                    || self.is_drained()
            }
        }
    }

    /// Appends up to about `bytes_max` to `output`, one frame over at the most; grants and ends always.
    pub fn poll_transmit(&mut self, now: Time, output: &mut Output, bytes_max: usize) {
        self.now = now;
        if matches!(self.phase, Phase::Said) {
            return;
        }
        let start = output.len();
        output.reuse(&self.spares);
        if !matches!(self.phase, Phase::Dead(_)) {
            self.write_grants();
        }
        output.copy(&self.urgent);
        self.urgent.clear();
        if matches!(self.phase, Phase::Dead(_)) {
            return;
        }
        // When bulk waits, an eighth of the turn is kept for it.
        let reserved = if self.schedule.has_backlogged() { bytes_max / 8 } else { 0 };
        let before = output.len();
        let interactive_max = bytes_max - reserved;
        while output.len() - before < interactive_max {
            let Some(part) = self.interactive.pop().or_else(|| self.asks.pop()) else { break };
            output.push(part);
        }
        while output.len() - before < interactive_max {
            let Some(flow) = self.schedule.pop_fresh() else { break };
            self.visit(flow, output);
        }
        while output.len() - before < bytes_max {
            let Some(flow) = self.schedule.pop_backlogged() else { break };
            self.visit(flow, output);
        }
        // For streams whose opening has only now left.
        self.write_grants();
        output.copy(&self.urgent);
        self.urgent.clear();
        self.transmitted += (output.len() - start) as u64;
        self.disarm_stuck();
        self.release_held();
        self.resume_reads();
        self.wake_room();
        if self.is_drained() {
            output.copy(&GOODBYE);
            self.phase = Phase::Said;
        }
    }

    /// Whether draining has come to its end and only goodbye is left to say.
    fn is_drained(&self) -> bool {
        self.phase == Phase::Draining
            && self.requests_in == 0
            && self.requests_out.is_empty()
            && self.schedule.is_empty()
            && self.interactive.is_empty()
            && self.asks.is_empty()
            && self.urgent.is_empty()
            && (self.table.len() == 0 || self.all_ended())
    }

    /// Streams whose owners have not let go yet do not hold goodbye up, once both halves are over.
    fn all_ended(&self) -> bool {
        let is_over = |stream: &Stream| {
            stream.send_state == SendState::Ended && !matches!(stream.recv_state, RecvState::Open)
        };
        self.table.iter().all(|(_, stream)| is_over(stream))
    }

    /// Serves one party for one quantum.
    fn visit(&mut self, flow: Flow, output: &mut Output) {
        match flow {
            Flow::Replies => self.visit_replies(output),
            Flow::Stream(key) => self.visit_stream(key, output),
        }
    }

    fn visit_replies(&mut self, output: &mut Output) {
        self.replies_deficit += QUANTUM_BYTES;
        while let Some(bytes) = self.replies.front_bytes().filter(|bytes| *bytes <= self.replies_deficit) {
            self.replies_deficit -= bytes;
            output.push(self.replies.pop().unwrap_or_default());
        }
        if self.replies.is_empty() {
            self.replies_scheduled = false;
        } else {
            self.schedule.add_backlogged(Flow::Replies);
        }
    }

    fn visit_stream(&mut self, key: StreamKey, output: &mut Output) {
        let stream_room = self.config.limits.stream_send_bytes_max;
        let Some(stream) = self.table.get_mut(key) else { return };
        let mut written = 0;
        if let Some(Outbox { queue, deficit }) = stream.outbox() {
            *deficit += QUANTUM_BYTES;
            while let Some(bytes) = queue.front_bytes().filter(|bytes| bytes <= deficit) {
                *deficit -= bytes;
                written += bytes;
                output.push(queue.pop().unwrap_or_default());
            }
        }
        let is_news = written > 0 && !stream.is_announced();
        if is_news {
            stream.flags.set(Flag::Known);
        }
        self.queued.give(written as u64);
        let wants_room = stream.flags.has(Flag::WaitsForRoom) && stream.queued_bytes() <= stream_room / 2;
        if stream.queued_bytes() > 0 {
            self.schedule.add_backlogged(Flow::Stream(key));
        } else {
            stream.flags.clear(Flag::Scheduled);
            stream.shed_queue();
            if stream.send_state == SendState::Ending {
                stream.send_state = SendState::Ended;
                self.free_if_over(key);
            }
        }
        if is_news {
            // The peer knows the stream from here on, so a grant finds it.
            self.mark_dirty(key);
            self.opening_is_gone();
        }
        if wants_room && self.queued.left() > 0 {
            self.tell_writable(key);
        } else if wants_room {
            self.room_waiters.push_back(key);
        }
    }

    /// Wakes as many of those who wait for room in the session's budget as can each fill their own.
    fn wake_room(&mut self) {
        let stream_room = (self.config.limits.stream_send_bytes_max as u64).max(1);
        let mut woken = self.queued.left().div_ceil(stream_room);
        while woken > 0 {
            let Some(key) = self.room_waiters.pop_front() else { return };
            if self.table.get(key).is_some_and(|stream| stream.flags.has(Flag::WaitsForRoom)) {
                self.tell_writable(key);
                woken -= 1;
            }
        }
    }
}
