//! Requests and replies.

use super::{Phase, Session};
use crate::{
    mux::{
        Event, InboundRequest, Outgoing, RefusedSend, SessionError, backlog::RUN_OVERHEAD_BYTES, error_body,
        schedule::Flow,
    },
    wire::{Body, Header},
};

/// Replies and requests longer than this queue with the bulk.
const INTERACTIVE_BYTES_MAX: usize = 4 << 10;

impl Session {
    /// Sends a request; yields the id its [`Event::Reply`] will bear, or `None` when too many are in flight
    /// ([`Event::RequestsWritable`] follows).
    ///
    /// # Errors
    /// [`RefusedSend`] when the body is empty or too long, or the session takes no new work.
    pub fn request(&mut self, body: &Outgoing<'_>) -> Result<Option<i32>, RefusedSend> {
        self.check_body(body)?;
        if self.requests_out.len() >= self.config.limits.requests_out_max {
            self.requests_out_blocked = true;
            return Ok(None);
        }
        let id = self.take_id()?;
        self.requests_out.insert(id, ());
        self.queue_message(id, false, body);
        Ok(Some(id))
    }

    /// Nobody waits for this reply any more; when it comes it is dropped.
    pub fn forget_request(&mut self, id: i32) {
        self.requests_out.remove(&id);
        self.unblock_requests();
    }

    fn unblock_requests(&mut self) {
        if self.requests_out_blocked && self.requests_out.len() < self.config.limits.requests_out_max {
            self.requests_out_blocked = false;
            self.events.push_back(Event::RequestsWritable);
        }
    }

    pub(super) fn handle_reply(&mut self, id: i32, is_error: bool, body: Body) {
        self.requests_out.remove(&id);
        if self.keepalive == Some(id) {
            self.keepalive = None;
            return;
        }
        let reply = if is_error { Err(body) } else { Ok(body) };
        self.events.push_back(Event::Reply(id, reply));
        self.unblock_requests();
    }

    pub(super) fn handle_request(&mut self, request: InboundRequest, body: Body) -> Result<(), SessionError> {
        let crowded = self.requests_in >= self.config.limits.requests_in_max;
        if crowded || self.phase != Phase::Open {
            self.counters.requests_refused += 1;
            let message = if crowded { "too many requests" } else { "parent stream is closing" };
            self.write_end(request.id, false, &error_body(message));
            self.pause_if_full();
            return self.glitch(1);
        }
        self.requests_in += 1;
        if self.holds_requests() {
            self.charge(held_charge(&body));
            self.held.push_back((request, body));
            self.pause_if_full();
        } else {
            self.events.push_back(Event::Request(request, body));
        }
        Ok(())
    }

    /// Whether new requests wait, because the peer leaves too many replies unread. Reading goes on meanwhile: the peer may be
    /// waiting for us to read what *it* has to say, and two ends that stop reading wait for each other for ever.
    pub(super) fn holds_requests(&self) -> bool {
        self.replies.bytes() + self.interactive.bytes() > self.config.limits.replies_bytes_max
    }

    /// Hands on requests that waited, as replies have left.
    pub(super) fn release_held(&mut self) {
        while !self.holds_requests()
            && let Some((request, body)) = self.held.pop_front()
        {
            self.refund(held_charge(&body));
            self.events.push_back(Event::Request(request, body));
        }
    }

    /// Forgets requests that waited; nobody will answer them.
    pub(super) fn drop_held(&mut self) {
        for (_, body) in std::mem::take(&mut self.held) {
            self.refund(held_charge(&body));
        }
    }

    /// Answers a request.
    ///
    /// # Errors
    /// [`RefusedSend`] when the body cannot be sent; the caller is then told so with an error instead.
    pub fn reply(&mut self, request: InboundRequest, body: &Outgoing<'_>) -> Result<(), RefusedSend> {
        if let Err(refused) = self.check_body(body) {
            self.reply_error(request, &error_body(&refused.to_string()));
            return Err(refused);
        }
        self.requests_in = self.requests_in.saturating_sub(1);
        self.queue_message(request.id, false, body);
        Ok(())
    }

    /// Answers a request with an error body.
    pub fn reply_error(&mut self, request: InboundRequest, error: &Body) {
        self.requests_in = self.requests_in.saturating_sub(1);
        let error = self.sayable(error);
        self.queue_message(request.id, true, &Outgoing::owned(error.kind, error.bytes));
    }

    fn queue_message(&mut self, id: i32, end: bool, body: &Outgoing<'_>) {
        if matches!(self.phase, Phase::Said | Phase::Dead(_)) {
            return;
        }
        let body_bytes = u32::try_from(body.as_slice().len()).unwrap_or(u32::MAX);
        let header = Header { id, stream: false, end, kind: body.kind, body_bytes };
        if id > 0 {
            self.asks.push(header, body, &self.spares);
        } else if body.as_slice().len() <= INTERACTIVE_BYTES_MAX {
            self.interactive.push(header, body, &self.spares);
        } else {
            self.replies.push(header, body, &self.spares);
            if !std::mem::replace(&mut self.replies_scheduled, true) {
                self.replies_deficit = 0;
                self.schedule.add_fresh(Flow::Replies);
            }
        }
        self.arm_stuck();
    }
}

/// What a request that waits is charged.
const fn held_charge(body: &Body) -> u64 {
    body.bytes.len() as u64 + RUN_OVERHEAD_BYTES
}
