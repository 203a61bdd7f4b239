use super::{
    Time,
    backlog::Backlog,
    send_queue::{SendQueue, SizeHint},
};
use crate::{
    flow::{Receiver, Sender, Tuner},
    wire::Body,
};

/// Which halves of a stream carry data; the other one carries only its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Halves {
    /// We send data.
    pub send: bool,
    /// The peer sends data.
    pub recv: bool,
}

impl Halves {
    /// We send, the peer listens.
    pub const SEND: Self = Self { send: true, recv: false };
    /// The peer sends, we listen.
    pub const RECV: Self = Self { send: false, recv: true };
    /// Both send.
    pub const BOTH: Self = Self { send: true, recv: true };
}

/// Where our half is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendState {
    Open,
    /// The end frame stands in the queue behind data.
    Ending,
    /// The end frame is out, or on its way ahead of all data.
    Ended,
}

/// Where the peer's half is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecvState {
    Open,
    /// Cleanly, or with the error body among what is [`Rare`].
    Ended,
    /// Nobody here listens; what arrives is thrown away.
    Discarding,
}

/// What waits to be sent, while something does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) queue: SendQueue,
    /// Bytes of the round robin's quantum left.
    pub(crate) deficit: usize,
}

/// What few streams ever have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rare {
    /// Of a stream that carried enough for its window to be looked at.
    pub(crate) tuner: Tuner,
    /// What the peer ended its half with, if not cleanly.
    pub(crate) error: Option<Body>,
}

/// What is so, or not, of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Flag {
    /// The other side has heard of it: the peer, by its opening having left, or the layer above, by having said what the
    /// halves are for.
    Known = 1 << 0,
    /// The owner is gone: the slot is free once our end is out.
    Released = 1 << 1,
    /// The peer ended the whole stream early.
    Aborted = 1 << 2,
    /// On the connection's list of streams to grant to.
    Dirty = 1 << 3,
    /// On the connection's list of streams that got less than they should.
    Starved = 1 << 4,
    /// The next grant goes out even if it raises nothing.
    Refresh = 1 << 5,
    /// On the list of streams whose backlog may share receive buffers.
    Touched = 1 << 6,
    /// On the list of streams that keep memory for a backlog.
    Cooling = 1 << 7,
    /// In one of the scheduler's rings.
    Scheduled = 1 << 8,
    /// A send was refused for lack of credit; the owner is told once by an event when it may try again.
    WaitsForCredit = 1 << 9,
    /// A send was refused because the stream's queue was full; as above.
    WaitsForRoom = 1 << 10,
    /// An event of this kind is queued already.
    ReadableTold = 1 << 11,
    /// As above.
    WritableTold = 1 << 12,
}

/// A bit for each [`Flag`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(u16);

impl Flags {
    #[inline]
    pub(crate) const fn has(self, flag: Flag) -> bool {
        self.0 & flag as u16 != 0
    }

    /// Says whether it was set before.
    #[inline]
    pub(crate) const fn set(&mut self, flag: Flag) -> bool {
        let was = self.has(flag);
        self.0 |= flag as u16;
        was
    }

    /// Says whether it was set before.
    #[inline]
    pub(crate) const fn clear(&mut self, flag: Flag) -> bool {
        let was = self.has(flag);
        self.0 &= !(flag as u16);
        was
    }
}

/// When a stream was opened, in units of 1,024 microseconds, of which the upper bits are gone: enough to tell a young stream from
/// an old one, but for one that is 50 days old and is taken for young for a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Birth(u32);

impl Birth {
    const UNITS_A_SECOND: u32 = 1_000_000 >> 10;

    const fn at(now: Time) -> Self {
        // Only the lower half is wanted.
        Self((now.as_micros() >> 10) as u32)
    }

    /// Whether it was less than a second ago.
    pub(crate) const fn is_recent(self, now: Time) -> bool {
        Self::at(now).0.wrapping_sub(self.0) < Self::UNITS_A_SECOND
    }
}

/// One stream. Ids are ours: positive when we opened it.
///
/// Idle streams are many, so what only a busy one needs stands behind a pointer and comes and goes with the work.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) id: i32,
    pub(crate) halves: Halves,
    pub(crate) flags: Flags,
    /// Repeats of the last grant since data arrived.
    pub(crate) refreshes: u8,
    pub(crate) send_state: SendState,
    pub(crate) recv_state: RecvState,
    /// The queue's hint, kept while there is no queue.
    pub(crate) hint: SizeHint,
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
    outbox: Option<Box<Outbox>>,
    backlog: Option<Box<Backlog>>,
    rare: Option<Box<Rare>>,
    pub(crate) birth: Birth,
    /// When data last arrived, or the last refresh went out.
    pub(crate) active_at: Time,
}

impl Stream {
    pub(crate) fn new(id: i32, halves: Halves, window: u64, now: Time) -> Self {
        Self {
            id,
            halves,
            flags: Flags::default(),
            refreshes: 0,
            send_state: SendState::Open,
            recv_state: RecvState::Open,
            hint: SizeHint::default(),
            sender: Sender::default(),
            receiver: Receiver::new(window),
            outbox: None,
            backlog: None,
            rare: None,
            birth: Birth::at(now),
            active_at: now,
        }
    }

    /// Whether the layer above has said what the halves are for. It has for streams we opened.
    pub(crate) const fn is_accepted(&self) -> bool {
        self.flags.has(Flag::Known) || self.id > 0
    }

    /// Whether the opening frame has left, if it was ours to send.
    pub(crate) const fn is_announced(&self) -> bool {
        self.flags.has(Flag::Known) || self.id < 0
    }

    /// Whether data may still come that somebody here will read. Not before the peer knows of the stream: a grant that
    /// overtakes the opening names a stream that does not exist, and is ignored.
    pub(crate) const fn expects_data(&self) -> bool {
        self.flags.has(Flag::Known) && self.halves.recv && matches!(self.recv_state, RecvState::Open)
    }

    /// Whether nothing of it is needed any more. Late frames of a forgotten id are recognised by the id alone.
    pub(crate) fn is_over(&self) -> bool {
        self.flags.has(Flag::Released) && self.send_state == SendState::Ended
    }

    /// The error body that the peer ended its half with.
    pub(crate) fn peer_error(&self) -> Option<&Body> {
        self.rare.as_ref()?.error.as_ref()
    }

    /// What few streams ever have; made if this one had none.
    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Bytes that wait to be sent.
    #[inline]
    pub(crate) fn queued_bytes(&self) -> usize {
        self.outbox.as_ref().map_or(0, |outbox| outbox.queue.bytes())
    }

    /// Where frames to send are put.
    #[inline]
    pub(crate) fn queue(&mut self) -> &mut SendQueue {
        let hint = self.hint;
        let make = || Box::new(Outbox { queue: SendQueue::with_hint(hint), deficit: 0 });
        &mut self.outbox.get_or_insert_with(make).queue
    }

    /// What waits to be sent, if anything does.
    pub(crate) fn outbox(&mut self) -> Option<&mut Outbox> {
        self.outbox.as_deref_mut()
    }

    /// Gives the memory of an empty queue back.
    pub(crate) fn shed_queue(&mut self) {
        if let Some(outbox) = self.outbox.take_if(|outbox| outbox.queue.is_empty()) {
            self.hint = outbox.queue.hint();
        }
    }

    /// Throws away what waits to be sent; yields how much it was.
    pub(crate) fn drop_queue(&mut self) -> usize {
        self.outbox.take().map_or(0, |outbox| outbox.queue.bytes())
    }

    /// Whether everything that arrived was taken.
    #[inline]
    pub(crate) fn is_read_up(&self) -> bool {
        self.backlog.as_ref().is_none_or(|backlog| backlog.is_empty())
    }

    /// Where frames that arrived are put.
    #[inline]
    pub(crate) fn backlog(&mut self) -> &mut Backlog {
        self.backlog.get_or_insert_default()
    }

    /// What arrived and was not taken, if there is any.
    #[inline]
    pub(crate) fn unread(&mut self) -> Option<&mut Backlog> {
        self.backlog.as_deref_mut()
    }

    /// Bytes charged for what arrived and was not taken.
    pub(crate) fn unread_charge(&self) -> u64 {
        self.backlog.as_ref().map_or(0, |backlog| backlog.charge())
    }

    /// Gives the memory of an empty backlog back.
    pub(crate) fn shed_backlog(&mut self) {
        self.backlog.take_if(|backlog| backlog.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn an_idle_stream_is_small() {
        let bytes = size_of::<Option<Stream>>();
        assert!(
            bytes <= 96,
            "{bytes} bytes: whatever is added here, ten thousand idle streams of a peer pay for"
        );
    }

    #[test]
    fn a_stream_is_young_for_a_second() {
        // Near where the upper bits that are not kept change.
        for start in [0, 7, (1 << 42) - 1_000, 1 << 42] {
            let (now, at) = (Time::from_micros(start), Birth::at(Time::from_micros(start)));
            assert!(at.is_recent(now) && at.is_recent(now + Duration::from_millis(990)));
            assert!(!at.is_recent(now + Duration::from_millis(1_002)));
            assert!(!at.is_recent(now + Duration::from_secs(3_600 * 24 * 30)));
        }
    }

    #[test]
    fn a_flag_is_apart_from_the_others() {
        let mut flags = Flags::default();
        assert!(!flags.set(Flag::Known) && flags.set(Flag::Known));
        assert!(!flags.set(Flag::WritableTold) && !flags.has(Flag::Released));
        assert!(flags.clear(Flag::Known) && !flags.clear(Flag::Known) && flags.has(Flag::WritableTold));
    }
}
