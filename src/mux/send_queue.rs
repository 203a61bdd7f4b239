use super::Outgoing;
use crate::wire::{HEADER_BYTES, Header};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// From this length on a body is sent from where it lies; shorter ones are copied behind their header, which costs
/// less than another entry in the list handed to the kernel.
pub const GATHER_BYTES_MIN: usize = 8 << 10;

/// Small frames are gathered into parts of about this size: what one turn of the round robin moves.
const PART_BYTES: usize = 16 << 10;

/// First room for small frames; doubles as they come.
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
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Appends a frame. The caller has checked the length, so that it fits the header.
    #[inline]
    pub(crate) fn push(&mut self, header: Header, body: &Outgoing<'_>) {
        let data = body.as_slice();
        let gathered = body.shared().filter(|bytes| bytes.len() >= GATHER_BYTES_MIN);
        let room = HEADER_BYTES + if gathered.is_some() { 0 } else { data.len() };
        if self.tail.capacity() - self.tail.len() < room {
            self.grow(room);
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
    fn grow(&mut self, room: usize) {
        let wanted =
            if self.tail.is_empty() { (self.hint as usize).min(PART_BYTES) } else { self.tail.len() };
        self.tail.reserve(room.max(wanted).max(TAIL_BYTES_MIN));
    }

    fn seal(&mut self, large: Bytes) {
        self.hint = u32::try_from(self.tail.len()).unwrap_or(0);
        let small = std::mem::take(&mut self.tail).freeze();
        self.parts.push_back(Part { small, large });
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
            None => {
                self.seal(Bytes::new());
                self.parts.pop_front()?
            }
        };
        self.bytes -= part.len();
        if self.bytes == 0 {
            // An idle stream holds no memory of its busy days.
            self.parts = VecDeque::new();
        }
        Some(part)
    }

    /// Throws everything away; yields how much it was.
    pub(crate) fn clear(&mut self) -> usize {
        std::mem::take(self).bytes
    }
}
