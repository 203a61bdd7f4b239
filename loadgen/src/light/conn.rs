//! One connection: what arrives on it, and the books that are kept of it.

use std::collections::VecDeque;

use anyhow::bail;
use push_mux::mux::CONTROL_ID;
use push_mux::wire::{BodyKind, Header};
use slab::Slab;

use super::control::Control;
use super::ids::Ids;
use super::line::{Dial, Got, Line, Room};
use super::open::{CallText, ConnPlan, Params, Work};
use super::produce::Performer;
use super::stream::{Role, Start, Stream};
use super::tape::Tape;
use crate::compare::verify;
use crate::plan::schedule::Schedule;

/// Bytes taken from one connection before the others have their turn.
const TURN_BYTES: usize = 1 << 20;

/// A call in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) start: Start,
    pub(super) index: u32,
}

/// A connection and everything on it.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) params: Params,
    pub(super) plan: ConnPlan,
    line: Line,
    /// Frames that wait for the socket.
    pub(super) out: Vec<u8>,
    /// The beginning of a frame whose end has not come.
    partial: Vec<u8>,
    /// The socket is full.
    pub(super) is_full: bool,
    pub(super) is_over: bool,
    pub(super) ids: Ids,
    pub(super) next_id: i32,
    pub(super) streams: Slab<Stream>,
    pub(super) calls: Slab<Pending>,
    pub(super) call: CallText,
    pub(super) call_index: u32,
    /// Calls and streams of one message that are still to start, where they are numbered.
    pub(super) left: Option<u64>,
    /// Messages of each sink or ping, where they are numbered.
    pub(super) each_max: Option<u32>,
    /// Sources of a server that is not ours that have ended.
    pub(super) followed: u64,
    /// The server has closed: everything is read to the end.
    pub(super) is_closing: bool,
    pub(super) schedule: Option<Schedule>,
    pub(super) ready: VecDeque<Performer>,
    pub(super) blocked: Vec<(u32, Performer)>,
    pub(super) control: Control,
    pub(super) dirty: Vec<u32>,
    pub(super) template: Vec<u8>,
    pub(super) credit_out: u64,
    pub(super) window_sum: u64,
    pub(super) grants_out: u64,
    pub(super) grant_frames_out: u64,
    pub(super) stalls: u64,
    pub(super) attacks: u64,
    /// What our server counted, once asked.
    pub(super) stats: Option<crate::server::Stats>,
    pub(super) stats_call: Option<i32>,
}

impl Conn {
    /// Dials and begins to negotiate credit.
    pub(super) fn dial(dial: &Dial, params: &Params, plan: &ConnPlan) -> anyhow::Result<Self> {
        Self::over(Line::dial(dial)?, params, plan)
    }

    /// The same over a line that stands.
    pub(super) fn over(line: Line, params: &Params, plan: &ConnPlan) -> anyhow::Result<Self> {
        let mut conn = Self {
            line,
            params: params.clone(),
            plan: plan.clone(),
            out: Vec::new(),
            partial: Vec::new(),
            is_full: false,
            is_over: false,
            ids: Ids::new(plan.works.iter().map(Work::at_once).sum()),
            next_id: CONTROL_ID + 1,
            streams: Slab::new(),
            calls: Slab::new(),
            call: CallText::same(params.body),
            call_index: 0,
            left: None,
            each_max: None,
            followed: 0,
            is_closing: false,
            schedule: None,
            ready: VecDeque::new(),
            blocked: Vec::new(),
            control: Control::default(),
            dirty: Vec::new(),
            template: verify::body(params.body),
            credit_out: 0,
            window_sum: 0,
            grants_out: 0,
            grant_frames_out: 0,
            stalls: 0,
            attacks: 0,
            stats: None,
            stats_call: None,
        };
        conn.begin_control();
        conn.flush()?;
        Ok(conn)
    }

    /// Begins the work of its plan.
    pub(super) fn work(&mut self, now: u64) {
        for work in self.plan.works.clone() {
            self.begin(&work, now);
        }
    }

    pub(super) fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.line.fd()
    }

    /// Takes what has arrived; whether more may be waiting.
    pub(super) fn receive(
        &mut self,
        room: &mut Room,
        clock: impl Fn() -> u64,
        tape: &mut Tape,
    ) -> anyhow::Result<bool> {
        let mut taken = 0;
        if self.plan.is_deaf && self.control.is_settled(self.params.mode) {
            return Ok(false);
        }
        loop {
            // Moved out so that frames can be taken while the room is lent.
            let mut partial = std::mem::take(&mut self.partial);
            let got = self.line.read(room, &mut partial)?;
            let (bytes, is_more) = match got {
                Got::Bytes(bytes, is_more) => (bytes, is_more),
                Got::Nothing => {
                    self.partial = partial;
                    return Ok(false);
                }
                Got::End => bail!("the server closed the connection"),
            };
            // One time for all that came in one read: it was there when the read returned.
            let now = clock();
            let used = self.frames(bytes, now, tape)?;
            partial.extend_from_slice(&bytes[used..]);
            self.partial = partial;
            taken += bytes.len();
            if !is_more && !self.is_closing {
                return Ok(false);
            }
            if taken >= TURN_BYTES {
                return Ok(true);
            }
        }
    }

    /// Asks our server what it counted on this connection.
    pub(super) fn ask_stats(&mut self) {
        let id = self.take_id();
        self.stats_call = Some(id);
        let body = br#"{"name":["stats"],"args":[]}"#;
        let header = Header { stream: false, ..Header::data(id, BodyKind::Json, body.len() as u32) };
        self.frame_out(&header, body);
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        self.is_full = !self.line.write(&mut self.out)?;
        Ok(())
    }

    /// Ends every stream of a group.
    pub(super) fn end_group(&mut self, group: u8, tape: &mut Tape) {
        for (slot, id) in self.group(group) {
            self.end_out(slot);
            if let Some(Role::Source { check: Some(check), .. }) =
                self.streams.get(slot as usize).map(|stream| &stream.role)
            {
                tape.wrong(check.tally().errors, || "a message is not the one that was due".to_owned());
            }
            self.remove(slot, id);
        }
    }

    /// Lets a group be read.
    pub(super) fn resume(&mut self, group: u8) {
        for (slot, _) in self.group(group) {
            if let Some(stream) = self.streams.get_mut(slot as usize) {
                stream.is_paused = false;
                stream.inbound.consume();
            }
            self.mark(slot);
        }
    }

    fn group(&self, group: u8) -> Vec<(u32, i32)> {
        let of_group = self.streams.iter().filter(|(_, stream)| stream.group == group);
        of_group.map(|(slot, stream)| (u32::try_from(slot).unwrap_or(u32::MAX), stream.id)).collect()
    }

    /// Starts nothing more; ends what has no end of its own.
    pub(super) fn wind_down(&mut self, tape: &mut Tape) {
        self.is_over = true;
        let slots: Vec<_> = self.streams.iter().map(|(slot, stream)| (slot, stream.id)).collect();
        for (at, id) in slots {
            let slot = u32::try_from(at).unwrap_or(u32::MAX);
            match self.streams.get(at).map(|stream| (&stream.role, stream.is_finite())) {
                Some((Role::Sink { .. }, _)) => self.end_out(slot),
                // A run of so many streams waits for all of them.
                Some((Role::Source { check: None, .. }, _)) if self.left.is_some() => {}
                Some((Role::Source { check, .. }, false)) => {
                    let errors = check.as_ref().map_or(0, |check| check.tally().errors);
                    tape.wrong(errors, || "a message is not the one that was due".to_owned());
                    self.end_out(slot);
                    self.remove(slot, id);
                }
                _ => {}
            }
        }
    }

    /// Messages of a schedule that are due until then and not done.
    pub(super) fn unfinished(&self, until: u64) -> u64 {
        let Some(mut schedule) = self.schedule.clone() else { return 0 };
        let waiting = std::iter::from_fn(|| schedule.take(until)).count();
        let pings: usize = self.streams.iter().map(|(_, stream)| stream.in_flight()).sum();
        (waiting + pings + self.calls.len()) as u64
    }

    /// Goes on with the books of the connection that this one replaces.
    pub(super) const fn add_counts(&mut self, old: &Self) {
        self.attacks += old.attacks;
        self.stalls += old.stalls;
        self.grants_out += old.grants_out;
        self.grant_frames_out += old.grant_frames_out;
    }

    /// What must still come before the connection may be closed.
    pub(super) fn owed(&self) -> usize {
        if self.plan.is_expendable {
            return 0;
        }
        let is_owed = |stream: &Stream| match &stream.role {
            Role::Source { check: None, .. } => self.left.is_some(),
            Role::Source { .. } => stream.is_finite(),
            Role::Sink { .. } | Role::Once { .. } => true,
            Role::Ping { .. } => stream.in_flight() > 0,
        };
        let streams = self.streams.iter().filter(|(_, stream)| is_owed(stream)).count();
        streams + self.calls.len() + self.out.len().min(1)
    }

    /// Whether all that was to be done is done, where it is numbered.
    pub(super) fn is_done(&self) -> bool {
        self.owed() == 0
            && self.left.is_none_or(|left| left == 0)
            && (self.each_max.is_none() || self.pings_done())
    }

    fn pings_done(&self) -> bool {
        !self.streams.iter().any(|(_, stream)| matches!(stream.role, Role::Ping { .. } | Role::Sink { .. }))
    }
}
