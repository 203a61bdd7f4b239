use super::{
    Outgoing,
    spares::{SPARE_BYTES, Spares},
};
use crate::wire::{HEADER_BYTES, Header};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// From this length on a body is sent from where it lies; shorter ones are copied behind their header, which costs
/// less than another entry in the list handed to the kernel.
pub const GATHER_BYTES_MIN: usize = 8 << 10;

/// Small frames are gathered into parts of about this size: what one turn of the round robin moves.
const PART_BYTES: usize = SPARE_BYTES;

/// Room for small frames once there are two of them; doubles as they come.
const TAIL_BYTES_MIN: usize = 256;

/// Whole frames, sent without another frame in between: small ones, and behind them at most one large body whose header
/// is the last of the small bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Part {
    pub(crate) small: Bytes,
    pub(crate) large: Bytes,
}

impl Part {
    pub(crate) const fn len(&self) -> usize {
        self.small.len() + self.large.len()
    }
}

/// Length of the last part of a queue that is gone, as a power of two: the next one is likely to need as much. A byte, since
/// every idle stream keeps one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SizeHint(u8);

impl SizeHint {
    fn of(bytes: u32) -> Self {
        // A power has at most 32 digits.
        Self(u8::try_from(u32::BITS - bytes.leading_zeros()).unwrap_or(0))
    }

    /// At least the length it was made of, and less than twice that.
    fn bytes(self) -> u32 {
        1_u32.checked_shl(self.0.into()).unwrap_or(u32::MAX) - 1
    }
}

/// Frames of one stream (or of all replies) in the order they will be sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct SendQueue {
    parts: VecDeque<Part>,
    tail: BytesMut,
    bytes: usize,
    /// Length of the last sealed tail: the next one is likely to need as much.
    hint: u32,
}

impl SendQueue {
    pub(crate) fn with_hint(hint: SizeHint) -> Self {
        Self { hint: hint.bytes(), ..Self::default() }
    }

    pub(crate) fn hint(&self) -> SizeHint {
        SizeHint::of(self.hint)
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Appends a frame. The caller has checked the length, so that it fits the header.
    #[inline]
    pub(crate) fn push(&mut self, header: Header, body: &Outgoing<'_>, spares: &Spares) {
        let data = body.as_slice();
        let gathered = body.shared().filter(|bytes| bytes.len() >= GATHER_BYTES_MIN);
        let room = HEADER_BYTES + if gathered.is_some() { 0 } else { data.len() };
        if self.tail.capacity() - self.tail.len() < room {
            self.grow(room, spares);
        }
        self.tail.extend_from_slice(&header.encode());
        self.bytes += HEADER_BYTES + data.len();
        match gathered {
            Some(bytes) => self.seal(bytes.clone()),
            None => {
                self.tail.extend_from_slice(data);
                if self.tail.len() >= PART_BYTES {
                    self.seal(Bytes::new());
                }
            }
        }
    }

    #[cold]
    fn grow(&mut self, room: usize, spares: &Spares) {
        if !self.tail.is_empty() && self.tail.len() + room > PART_BYTES {
            // A part that is nearly full goes as it is: to make it larger would copy all that is in it.
            self.seal(Bytes::new());
        }
        // A first frame alone gets what it needs: the opening of a stream is often all that is ever sent on it.
        let wanted = if self.tail.is_empty() {
            (self.hint as usize).min(PART_BYTES)
        } else {
            self.tail.len().max(TAIL_BYTES_MIN)
        };
        let wanted = room.max(wanted);
        if self.tail.is_empty() && (PART_BYTES / 2..=PART_BYTES).contains(&wanted) {
            self.tail = spares.take();
        } else {
            self.tail.reserve(wanted);
        }
    }

    fn seal(&mut self, large: Bytes) {
        let small = self.take_tail();
        self.parts.push_back(Part { small, large });
    }

    fn take_tail(&mut self) -> Bytes {
        self.hint = u32::try_from(self.tail.len()).unwrap_or(0);
        std::mem::take(&mut self.tail).freeze()
    }

    /// Length of the part that [`pop`](Self::pop) would yield.
    pub(crate) fn front_bytes(&self) -> Option<usize> {
        match self.parts.front() {
            Some(part) => Some(part.len()),
            None => Some(self.tail.len()).filter(|len| *len > 0),
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Part> {
        let part = match self.parts.pop_front() {
            Some(part) => part,
            None if self.tail.is_empty() => return None,
            // A part that was never in line needs no memory for the line.
            None => Part { small: self.take_tail(), large: Bytes::new() },
        };
        self.bytes -= part.len();
        if self.bytes == 0 {
            // An idle stream holds no memory of its busy days.
            self.parts = VecDeque::new();
        }
        Some(part)
    }
}
