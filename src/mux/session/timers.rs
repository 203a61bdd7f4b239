//! Everything that happens because time passes.

use super::Phase;
use super::Session;
use crate::mux::{
    Event, Outgoing, SessionError, StreamKey, Time,
    control::Theirs,
    error_body,
    stream::{Flag, RecvState, Stream},
};
use crate::wire::BodyKind;
use std::time::Duration;

/// Waits before each repeat of a stream's last grant; the last one goes on for ever.
const REFRESH_AFTER: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_millis(1600),
    Duration::from_millis(6400),
    Duration::from_secs(30),
];

/// Least wait before the overdraft is doubled.
const PROBE_AFTER_MIN: Duration = Duration::from_millis(50);

/// A pause of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    /// When the watchdog looks.
    deadline: Time,
    /// Cost consumed when it was armed.
    consumed: u64,
}

/// Replies that the peer leaves unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stuck {
    /// When the watchdog looks.
    deadline: Time,
    /// Bytes handed out when it was armed.
    transmitted: u64,
}

impl Session {
    /// Tells the round trip of the transport, as the kernel measured it.
    pub const fn handle_rtt(&mut self, rtt: Duration) {
        self.path.set_hop(rtt);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due next.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Time> {
        let pause = self.paused.map(|pause| pause.deadline);
        let stuck = self.stuck.map(|stuck| stuck.deadline);
        [pause, stuck, self.probe_at, self.refresh_at, self.idle_deadline()].into_iter().flatten().min()
    }

    /// Does what is due. Harmless to call early.
    ///
    /// # Errors
    /// [`SessionError`] when a deadline of the peer's has passed.
    pub fn handle_timeout(&mut self, now: Time) -> Result<(), SessionError> {
        self.now = now;
        if self.probe_at.is_some_and(|at| at <= now) {
            self.probe();
        }
        if self.refresh_at.is_some_and(|at| at <= now) {
            self.refresh();
        }
        if self.stuck.is_some_and(|stuck| stuck.deadline <= now) {
            self.watch_stuck()?;
        }
        if self.idle_deadline().is_some_and(|at| at <= now) {
            self.watch_idle()?;
        }
        if let Some(pause) = self.paused
            && pause.deadline <= now
        {
            return self.watch(pause);
        }
        Ok(())
    }

    /// When a silent peer is asked for a sign of life, or given up if it has been asked.
    fn idle_deadline(&self) -> Option<Time> {
        let idle_max = self.config.limits.idle_max;
        if idle_max == Duration::MAX || matches!(self.phase, Phase::Dead(_)) {
            return None;
        }
        let asks = self.config.keepalive.is_some() && self.keepalive.is_none();
        Some(self.heard_at + if asks { idle_max * 2 / 5 } else { idle_max })
    }

    fn watch_idle(&mut self) -> Result<(), SessionError> {
        if self.now.since(self.heard_at) >= self.config.limits.idle_max {
            // A peer that we do not read from cannot be heard: the watchdog of the pause decides.
            if self.paused.is_some() {
                self.heard_at = self.now;
                return Ok(());
            }
            return Err(self.die(SessionError::Idle));
        }
        if let Some(body) = self.config.keepalive
            && self.keepalive.is_none()
        {
            // A session that takes no more calls of its own just waits for the end.
            self.keepalive =
                self.request(&Outgoing::borrowed(BodyKind::Json, body.as_bytes())).ok().flatten();
            if self.keepalive.is_some() {
                self.counters.keepalives += 1;
            } else {
                self.keepalive = Some(0);
            }
        }
        Ok(())
    }

    /// A stream has data and no credit: if the peer never grants at all, the overdraft must grow.
    pub(super) fn arm_probe(&mut self) {
        if self.probe_at.is_none() && !self.overdraft.is_granted() && self.config.overdraft.is_none() {
            self.probe_at = Some(self.now + PROBE_AFTER_MIN.max(2 * self.path.hop()));
        }
    }

    fn probe(&mut self) {
        self.probe_at = None;
        if self.overdraft.probe() {
            self.counters.probes += 1;
            self.wake_blocked();
        } else if self.control.theirs == Theirs::Unseen && !self.control.is_unanswered {
            // Neither taken nor refused: such a peer has no credit to give.
            self.control.is_unanswered = true;
            self.wake_blocked();
        }
    }

    /// A peer that is not ours may have missed a wake-up; push-mux 1.0.7 loses them when its socket fills.
    pub(super) fn arm_refresh(&mut self) {
        let at = self.now + REFRESH_AFTER[0];
        if self.needs_refresh() && self.refresh_at.is_none_or(|armed| armed > at) {
            self.refresh_at = Some(at);
        }
    }

    const fn needs_refresh(&self) -> bool {
        self.control.can_grant() && !self.control.is_ours && matches!(self.control.theirs, Theirs::Open)
    }

    /// Repeats the last grant of streams that have gone quiet with credit unused.
    fn refresh(&mut self) {
        self.refresh_at = None;
        if !self.needs_refresh() {
            return;
        }
        let mut next: Option<Time> = None;
        for key in self.table.keys() {
            let Some(stream) = self.table.get_mut(key) else { continue };
            if !is_quiet(stream) {
                continue;
            }
            let step = usize::from(stream.refreshes).min(REFRESH_AFTER.len() - 1);
            let mut due = stream.active_at + REFRESH_AFTER[step];
            if due <= self.now {
                stream.flags.set(Flag::Refresh);
                stream.refreshes = stream.refreshes.saturating_add(1);
                stream.active_at = self.now;
                due = self.now + REFRESH_AFTER[(step + 1).min(REFRESH_AFTER.len() - 1)];
                self.counters.grants_refreshed += 1;
                self.mark_dirty(key);
            }
            next = Some(next.map_or(due, |at| at.min(due)));
        }
        self.refresh_at = next;
    }

    /// Whether the driver should leave the transport unread.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// Stops reading when too much is unread, or when what we must say at once does not leave.
    pub(super) fn pause_if_full(&mut self) {
        self.arm_stuck();
        if self.paused.is_none() && (self.is_overfull() || self.is_urgent_full()) {
            self.counters.reads_paused += 1;
            self.paused = Some(self.pause());
        }
    }

    fn pause(&self) -> Pause {
        Pause { deadline: self.now + self.config.limits.pause_max, consumed: self.consumed }
    }

    /// Ends, refusals and grants: nobody asked for most of them, so they cannot wait behind a held request.
    fn is_urgent_full(&self) -> bool {
        self.urgent.len() > self.config.limits.replies_bytes_max
    }

    /// Too much is said and not heard: from now on some of it must leave within a deadline.
    pub(super) fn arm_stuck(&mut self) {
        if self.stuck.is_none() && (self.holds_requests() || self.is_urgent_full()) {
            let deadline = self.now + self.config.limits.replies_pause_max;
            self.stuck = Some(Stuck { deadline, transmitted: self.transmitted });
        }
    }

    /// Some of it has left.
    pub(super) fn disarm_stuck(&mut self) {
        if !self.holds_requests() && !self.is_urgent_full() {
            self.stuck = None;
        }
    }

    fn watch_stuck(&mut self) -> Result<(), SessionError> {
        let stands_still = self.stuck.take().is_some_and(|stuck| stuck.transmitted == self.transmitted);
        if stands_still && (self.holds_requests() || self.is_urgent_full()) {
            return Err(self.die(SessionError::RepliesStuck));
        }
        self.arm_stuck();
        Ok(())
    }

    const fn is_overfull(&self) -> bool {
        self.received.left() == 0
    }

    /// Reads again once a quarter of the room is free and what is urgent is half gone.
    pub(super) fn resume_reads(&mut self) {
        if self.paused.is_none() {
            return;
        }
        if !self.is_crowded() && self.urgent.len() <= self.config.limits.replies_bytes_max / 2 {
            self.paused = None;
        }
    }

    /// Whether too much is unread for a pause to end.
    const fn is_crowded(&self) -> bool {
        self.received.left() < self.received.limit() / 4
    }

    /// Reading has been paused for long.
    fn watch(&mut self, pause: Pause) -> Result<(), SessionError> {
        self.resume_reads();
        if self.paused.is_none() {
            return Ok(());
        }
        if self.is_crowded() && pause.consumed == self.consumed {
            if let Some(key) = self.largest() {
                self.counters.watchdog_resets += 1;
                self.cancel(key, Some(error_body("flow control: nobody reads this stream")));
                self.events.push_back(Event::Aborted(key, crate::mux::End::Clean));
            } else {
                // All of it is requests that wait for replies to leave.
                return Err(self.die(SessionError::RepliesStuck));
            }
        }
        self.resume_reads();
        if self.paused.is_some() {
            self.paused = Some(self.pause());
        }
        Ok(())
    }

    fn largest(&self) -> Option<StreamKey> {
        let (key, stream) = self.table.iter().max_by_key(|(_, stream)| stream.unread_charge())?;
        (!stream.is_read_up()).then_some(key)
    }
}

/// Data came once, all of it was read, and the peer may send more but does not.
fn is_quiet(stream: &Stream) -> bool {
    stream.expects_data()
        && stream.receiver.arrived() > 0
        && stream.is_read_up()
        && matches!(stream.recv_state, RecvState::Open)
}
