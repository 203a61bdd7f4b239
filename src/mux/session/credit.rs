//! Grants: when they are due, how large, and what the peer's do.

use super::{Phase, Session};
use crate::{
    flow::TunerSample,
    mux::{
        Credit, SessionError, StreamKey, WINDOW_BYTES_MAX, WINDOW_BYTES_MAX_FOREIGN,
        control::{self, GrantArray, Ours},
        stream::{Flag, Stream},
    },
    wire::{BodyKind, Header, mirror},
};

/// A foreign peer's windows together: push-mux 1.0.7 stalls for good when its socket fills, so it is not let that far.
const WINDOWS_BYTES_MAX_FOREIGN: u64 = 2 << 20;

impl Session {
    /// Opens our control stream, unless it is open or was refused.
    pub fn offer_control(&mut self) {
        if self.control.ours != Ours::Closed || self.phase != Phase::Open {
            return;
        }
        self.control.ours = Ours::Open;
        self.path.offered(self.now);
        let body_bytes = u32::try_from(control::CONTROL_NAME.len()).unwrap_or(u32::MAX);
        let header = Header::data(control::CONTROL_ID, BodyKind::Text, body_bytes);
        self.urgent.extend_from_slice(&header.encode());
        self.urgent.extend_from_slice(control::CONTROL_NAME);
    }

    /// A frame on our control stream.
    pub(super) fn write_control(&mut self, json: &[u8]) {
        let body_bytes = u32::try_from(json.len()).unwrap_or(u32::MAX);
        let header = Header::data(control::CONTROL_ID, BodyKind::Json, body_bytes);
        self.urgent.extend_from_slice(&header.encode());
        self.urgent.extend_from_slice(json);
    }

    /// Puts a stream on the list of those to grant to. Without a control stream nothing is noted: when one comes up,
    /// every stream is looked at.
    pub(super) fn mark_dirty(&mut self, key: StreamKey) {
        if self.control.can_grant()
            && let Some(stream) = self.table.get_mut(key)
            && !stream.flags.set(Flag::Dirty)
        {
            self.dirty.push(key);
        }
    }

    /// Grants on every stream that expects data; when a control stream has just come up.
    pub(super) fn regrant_all(&mut self) {
        for key in self.table.keys() {
            if self.table.get(key).is_some_and(Stream::expects_data) {
                self.mark_dirty(key);
            }
        }
    }

    /// Counts cost as read.
    #[inline]
    pub(super) fn consume(&mut self, key: StreamKey, cost: u64) {
        if cost == 0 {
            return;
        }
        self.consumed += cost;
        let rule = self.config.grant_rule;
        let Some(stream) = self.table.get_mut(key) else { return };
        let before = stream.receiver.outstanding();
        stream.receiver.consume(cost);
        let freed = before - stream.receiver.outstanding();
        let is_due = stream.receiver.is_due(rule) && stream.expects_data();
        self.committed.give(freed);
        if is_due {
            self.mark_dirty(key);
        }
        if !self.starved.is_empty() {
            self.feed_starved();
        }
    }

    /// Streams that got no grant for want of budget are asked again.
    pub(super) fn feed_starved(&mut self) {
        while self.committed.left() > 0 {
            let Some(key) = self.starved.pop_front() else { return };
            if let Some(stream) = self.table.get_mut(key) {
                stream.flags.clear(Flag::Starved);
            }
            self.mark_dirty(key);
        }
    }

    /// Writes what is due as few control frames.
    pub(super) fn write_grants(&mut self) {
        if self.dirty.is_empty() || !self.control.can_grant() {
            return;
        }
        let mut array = GrantArray::default();
        // Newest last: the list is filled by reading, in the order of reading.
        for key in std::mem::take(&mut self.dirty) {
            if let Some((id, total)) = self.grant(key) {
                array.push(id, total);
                self.counters.grants_out += 1;
            }
            if array.pairs() == control::PAIRS_MAX {
                self.flush_grants(&mut array);
            }
        }
        self.flush_grants(&mut array);
    }

    fn flush_grants(&mut self, array: &mut GrantArray) {
        if array.pairs() > 0 {
            self.counters.grant_frames_out += 1;
            let json = array.finish();
            self.write_control(&json);
        }
    }

    /// Raises one stream's credit; `None` when there is nothing to say.
    fn grant(&mut self, key: StreamKey) -> Option<(i32, u64)> {
        let grown = self.tuned_window(key);
        let left = self.committed.left();
        let rule = self.config.grant_rule;
        let stream = self.table.get_mut(key)?;
        stream.flags.clear(Flag::Dirty);
        let is_refresh = stream.flags.clear(Flag::Refresh);
        if !stream.expects_data() {
            return None;
        }
        if let Some(window) = grown {
            stream.receiver.set_window(window);
        }
        if !is_refresh && !stream.receiver.is_due(rule) {
            return None;
        }
        let before = stream.receiver.advertised();
        let outstanding = stream.receiver.outstanding();
        // One byte of credit is one whole frame: even with the budget spent, no stream stands still.
        // Cost that was read before it was granted takes nothing from the budget.
        let behind = stream.receiver.consumed().saturating_sub(before);
        let raise_max = behind + if outstanding == 0 { left.max(1) } else { left };
        let is_starved = stream.receiver.raise_wanted() > raise_max;
        let total = stream.receiver.grant(raise_max);
        if total > before {
            self.path.granted(key, before, self.now);
        }
        let taken = stream.receiver.outstanding() - outstanding;
        self.committed.take(taken);
        if is_starved && !stream.flags.set(Flag::Starved) {
            self.starved.push_back(key);
        }
        // Grants name a stream as the granter counts.
        (total > before || is_refresh).then_some((key.id(), total))
    }

    /// The window the stream should have from now on, if another than it has.
    fn tuned_window(&mut self, key: StreamKey) -> Option<u64> {
        if self.config.credit != Credit::Auto {
            return None;
        }
        let now = self.now;
        let (rtt_micros, is_overdrawn) =
            (self.path.micros(), self.control.is_ours && !self.path.is_exact(now));
        let pressed = self.pool.as_ref().is_some_and(|pool| pool.percent() >= 70);
        let (window_max, budget) = if self.control.is_ours {
            (WINDOW_BYTES_MAX, self.config.limits.receive_bytes_max)
        } else {
            (WINDOW_BYTES_MAX_FOREIGN, WINDOWS_BYTES_MAX_FOREIGN)
        };
        let committed = self.committed.used();
        let stream = self.table.get_mut(key)?;
        let window = stream.receiver.window();
        let consumed = stream.receiver.consumed();
        if consumed < window / 2 || is_overdrawn {
            // No tuner has an opinion on so little; so most streams need none.
            return None;
        }
        let grows = stream.rare().tuner.observe(TunerSample {
            now_micros: now.as_micros(),
            consumed,
            window,
            rtt_micros,
        });
        let fits = window * 2 <= window_max && committed + window <= budget;
        if !grows || pressed || !fits {
            return None;
        }
        self.counters.windows_grown += 1;
        Some(window * 2)
    }

    /// Grants of the peer.
    pub(super) fn handle_grants(&mut self, pairs: &[(i32, u64)], odd: u32) -> Result<(), SessionError> {
        self.counters.grant_frames_in += 1;
        // push-mux past 2 GiB on a stream answers each data frame with a credit frame (its totals wrap to 32 bits): that
        // much has to be borne, anything beyond is a flood.
        let explained = 5 + 2 * (self.table.len() as u64 + 10 * self.counters.data_frames_out);
        let opened = self.counters.streams_opened + u64::from(self.next_id.unsigned_abs());
        if self.counters.grant_frames_in > explained + opened * 2 {
            return Err(self.die(SessionError::CreditFlood));
        }
        for (id, total) in pairs {
            self.raise(mirror(*id), *total);
        }
        if odd > 0 { self.glitch(odd) } else { Ok(()) }
    }

    fn raise(&mut self, id: i32, total: u64) {
        let Some(key) = self.table.find(id) else { return };
        let overdraft = self.allowed_overdraft();
        let Some(stream) = self.table.get_mut(key) else { return };
        let before = stream.sender.limit();
        if !stream.sender.raise(total) {
            return;
        }
        let may_send = stream.flags.has(Flag::WaitsForCredit) && stream.sender.may_send(overdraft);
        self.overdraft.learn(before, total);
        self.probe_at = None;
        if self.allowed_overdraft() > overdraft {
            // Learned from this stream, good for all: nothing else will tell the others.
            self.wake_blocked();
        }
        if may_send {
            self.tell_writable(key);
        }
    }

    /// Tells every stream that waits for credit to try again: the rules have changed.
    pub(super) fn wake_blocked(&mut self) {
        for key in self.table.keys() {
            if self.table.get(key).is_some_and(|stream| stream.flags.has(Flag::WaitsForCredit)) {
                self.tell_writable(key);
            }
        }
    }
}
