//! Starting messages: at once where the one before is done, or when the schedule says so.

use push_mux::wire::{BodyKind, HEADER_BYTES, Header};

use super::conn::{Conn, Pending};
use super::ids::Ids;
use super::open::opening;
use super::stream::{Role, Start};
use super::tape::Tape;
use crate::compare::verify;
use crate::plan::Attack;

/// Bytes that are queued before the socket must take some.
const QUEUED_MAX: usize = 256 << 10;

/// Ids that a connection uses. Servers take no new work some way before the 31 bits are used up.
const ID_MAX: i32 = i32::MAX / 2;

/// Bytes that a sink sends before the next one has its turn.
const TURN_BYTES: usize = 16 << 10;

/// Who can start a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Performer {
    /// A caller without a call in flight.
    Call,
    /// A place among the messages that a duplex may have on their way.
    Ping(u32),
    /// A sink with credit.
    Sink(u32),
    /// A place among the streams of one message.
    Once,
    /// A place among the sources of a server that is not ours.
    Follow,
    /// What nobody should send.
    Flood(Attack),
}

impl Conn {
    /// Starts whatever may start now.
    pub(super) fn produce(&mut self, now: u64, tape: &mut Tape) {
        // A flood shares the thread with its victim: no more of it at once than one turn.
        let queued_max = if self.plan.is_expendable { TURN_BYTES } else { QUEUED_MAX };
        while self.out.len() < queued_max && !self.is_over && !self.is_worn_out() {
            let Some(&performer) = self.ready.front() else { return };
            if self.left == Some(0) && !matches!(performer, Performer::Ping(_) | Performer::Sink(_)) {
                return;
            }
            if !self.may_perform(performer, now) {
                continue;
            }
            let start = match &mut self.schedule {
                None => Start { intended: now, actual: now },
                Some(schedule) => match schedule.take(now) {
                    Some(intended) => Start { intended, actual: now },
                    None => return,
                },
            };
            self.ready.pop_front();
            self.perform(performer, start, now, tape);
        }
    }

    /// Whether the first in line may start. One that may not leaves the line, and no start with it: that stays due.
    fn may_perform(&mut self, performer: Performer, now: u64) -> bool {
        let (Performer::Ping(slot) | Performer::Sink(slot)) = performer else { return true };
        let Some(stream) = self.streams.get(slot as usize) else {
            self.ready.pop_front();
            return false;
        };
        let sent = match &stream.role {
            Role::Ping { sent, .. } => *sent,
            Role::Sink { next } => *next,
            Role::Source { .. } | Role::Once { .. } => 0,
        };
        if self.each_max.is_some_and(|max| sent >= max) {
            self.ready.pop_front();
            if matches!(performer, Performer::Sink(_)) {
                self.end_out(slot);
            }
            return false;
        }
        let is_due = self.schedule.as_ref().is_none_or(|schedule| schedule.next_ns() <= now);
        if is_due && !self.has_credit(slot) {
            self.ready.pop_front();
            self.wait_for_credit(performer, slot);
            return false;
        }
        true
    }

    fn perform(&mut self, performer: Performer, start: Start, now: u64, tape: &mut Tape) {
        match performer {
            Performer::Call => self.call(start),
            Performer::Ping(slot) => self.ping(slot, start),
            Performer::Sink(slot) => self.sink(slot, start, now, tape),
            Performer::Once => {
                self.count_down();
                let body = self.params.body;
                let opening = opening("count", &format!("[1,{body}]"), Some("source"));
                self.open(&opening, Role::Once { start, received: 0 }, 0);
            }
            Performer::Follow => {
                self.count_down();
                let opening = String::from_utf8_lossy(&self.call.before).into_owned();
                self.open(&opening, Role::Source { check: None, opened: start, due: None }, 0);
            }
            Performer::Flood(attack) => {
                self.flood(attack);
                self.attacks += 1;
                self.ready.push_back(performer);
            }
        }
    }

    /// Whether ids are running out: the connection is replaced by another once nothing is owed on it.
    pub(super) const fn is_worn_out(&self) -> bool {
        self.next_id >= ID_MAX
    }

    const fn count_down(&mut self) {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
        }
    }

    fn call(&mut self, start: Start) {
        self.count_down();
        let (id, index) = (self.take_id(), self.call_index);
        self.call_index = index.wrapping_add(1);
        let header = Header { stream: false, ..Header::data(id, BodyKind::Json, self.call.bytes() as u32) };
        self.out.extend_from_slice(&header.encode());
        self.out.extend_from_slice(&self.call.before);
        let at = self.out.len();
        self.out.resize(at + self.call.digits, b'0');
        write_digits(&mut self.out[at..], index);
        self.out.extend_from_slice(&self.call.after);
        let slot = self.calls.insert(Pending { start, index });
        self.ids.insert(id, Ids::call(slot));
    }

    /// Whether the peer's credit allows another frame on a stream.
    fn has_credit(&self, slot: u32) -> bool {
        let Some(stream) = self.streams.get(slot as usize) else { return false };
        !self.control.limits()
            || stream.outbound.sent < stream.outbound.limit + self.control.overdraft(self.params.credit)
    }

    fn ping(&mut self, slot: u32, start: Start) {
        let body = self.params.body;
        let Some(stream) = self.streams.get_mut(slot as usize) else { return };
        let Role::Ping { sent, starts, .. } = &mut stream.role else { return };
        starts.push_back(start);
        let (id, index) = (stream.id, *sent);
        *sent = index.wrapping_add(1);
        stream.outbound.sent += (HEADER_BYTES + body) as u64;
        self.numbered(id, index);
    }

    fn sink(&mut self, slot: u32, start: Start, now: u64, tape: &mut Tape) {
        let body = self.params.body;
        let is_paced = self.schedule.is_some();
        let until = self.out.len() + TURN_BYTES;
        loop {
            let Some(stream) = self.streams.get_mut(slot as usize) else { return };
            let Role::Sink { next } = &mut stream.role else { return };
            let (id, index) = (stream.id, *next);
            *next = index.wrapping_add(1);
            let is_last = self.each_max == Some(*next);
            stream.outbound.sent += (HEADER_BYTES + body) as u64;
            self.numbered(id, index);
            if is_paced {
                tape.done(start, body, now);
            } else {
                tape.message(body, now);
            }
            if is_last || is_paced || self.out.len() >= until || !self.has_credit(slot) {
                // Whether it may go on is asked when its turn comes.
                return self.ready.push_back(Performer::Sink(slot));
            }
        }
    }

    fn wait_for_credit(&mut self, performer: Performer, slot: u32) {
        self.stalls += 1;
        self.blocked.push((slot, performer));
    }

    /// Those whose credit has come may go on.
    pub(super) fn unblock(&mut self) {
        if self.blocked.is_empty() {
            return;
        }
        let waiting = std::mem::take(&mut self.blocked);
        for (slot, performer) in waiting {
            if self.has_credit(slot) {
                self.ready.push_back(performer);
            } else if self.streams.contains(slot as usize) {
                self.blocked.push((slot, performer));
            }
        }
    }

    /// A frame of the body's size that bears its index.
    fn numbered(&mut self, id: i32, index: u32) {
        let body = self.params.body;
        self.out.extend_from_slice(&Header::data(id, BodyKind::Binary, body as u32).encode());
        let at = self.out.len();
        self.out.extend_from_slice(&self.template);
        verify::number(&mut self.out[at..], index);
    }

    fn flood(&mut self, attack: Attack) {
        let until = self.out.len() + TURN_BYTES;
        while self.out.len() < until {
            match attack {
                Attack::Opens => {
                    let id = self.take_id();
                    let body = opening("echo", "[]", Some("duplex"));
                    self.frame_out(&Header::data(id, BodyKind::Json, body.len() as u32), body.as_bytes());
                    let header = Header { end: true, ..Header::data(id, BodyKind::Json, 4) };
                    self.frame_out(&header, b"true");
                }
                Attack::Requests => {
                    let id = self.take_id();
                    let body = opening("nothing", "[]", None);
                    let header =
                        Header { stream: false, ..Header::data(id, BodyKind::Json, body.len() as u32) };
                    self.frame_out(&header, body.as_bytes());
                }
                Attack::Grants => self.frame_out(&Header::data(1, BodyKind::Json, 15), b"[99999,1048576]"),
                Attack::Tiny => {
                    let id = self.flood_stream();
                    self.frame_out(&Header::data(id, BodyKind::Binary, 1), b"x");
                }
                Attack::Ends => {
                    let id = self.take_id();
                    let header = Header { end: true, ..Header::data(id, BodyKind::Json, 4) };
                    self.frame_out(&header, b"true");
                }
            }
        }
    }

    /// The one stream of a flood of small frames.
    fn flood_stream(&mut self) -> i32 {
        if let Some((_, stream)) = self.streams.iter().next() {
            return stream.id;
        }
        let slot = self.open(&opening("collect", "[]", Some("sink")), Role::Sink { next: 0 }, 0);
        self.streams.get(slot as usize).map_or(2, |stream| stream.id)
    }
}

/// Writes a number to the right end of a field of zeros.
pub(super) fn write_digits(field: &mut [u8], mut number: u32) {
    for place in field.iter_mut().rev() {
        if number == 0 {
            return;
        }
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_written_from_the_right_and_cut_on_the_left() {
        let field = |number, room| {
            let mut field = vec![b'0'; room];
            write_digits(&mut field, number);
            String::from_utf8(field).expect("digits")
        };
        assert_eq!(field(1203, 6), "001203");
        assert_eq!(field(1203, 2), "03");
        assert_eq!(field(0, 3), "000");
    }
}
