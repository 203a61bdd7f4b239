use super::{send_queue::Part, spares::Spares};
use bytes::{Buf, Bytes, BytesMut};
use std::{collections::VecDeque, io::IoSlice};

/// Parts up to this length are copied together; longer ones are handed to the kernel from where they lie.
const COPY_BYTES_MAX: usize = 2 << 10;

/// Bytes on their way to the socket: what [`Session::poll_transmit`](super::Session::poll_transmit) fills and a driver
/// empties. Order is kept.
#[derive(Debug, Default, Clone)]
pub struct Output {
    parts: VecDeque<Bytes>,
    small: BytesMut,
    len: usize,
    /// Bytes copied since the memory for them was last looked at.
    copied: usize,
    /// The most memory that one piece of them took since.
    room: usize,
    /// Where parts go that have been written.
    spares: Spares,
}

/// Memory for copies that an empty output may keep.
const ROOM_BYTES_KEPT: usize = 16 << 10;

impl Output {
    /// Gives memory back that a burst asked for and little has been copied into since this was last called. To be called once a
    /// turn.
    pub fn cool(&mut self) {
        let copied = std::mem::take(&mut self.copied);
        if self.is_empty() && self.room > ROOM_BYTES_KEPT && copied < self.room / 4 {
            self.small = BytesMut::new();
            self.room = 0;
        }
    }

    /// Bytes not yet taken.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn reuse(&mut self, spares: &Spares) {
        self.spares.clone_from(spares);
    }

    /// Appends bytes by copying.
    pub(crate) fn copy(&mut self, bytes: &[u8]) {
        self.small.extend_from_slice(bytes);
        self.len += bytes.len();
        self.copied += bytes.len();
    }

    pub(crate) fn push(&mut self, part: Part) {
        for bytes in [part.small, part.large] {
            if bytes.len() <= COPY_BYTES_MAX {
                self.copy(&bytes);
            } else {
                self.seal();
                self.len += bytes.len();
                self.parts.push_back(bytes);
            }
        }
    }

    fn seal(&mut self) {
        if !self.small.is_empty() {
            self.room = self.room.max(self.small.capacity());
            self.parts.push_back(self.small.split().freeze());
        }
    }

    /// The bytes from the first on, as many slices as fit; yields how many were set.
    pub fn slices<'a>(&'a mut self, slices: &mut [IoSlice<'a>]) -> usize {
        self.seal();
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(&self.parts) {
            *slice = IoSlice::new(part);
            count += 1;
        }
        count
    }

    /// Forgets the first `bytes`, which have been written.
    pub fn advance(&mut self, mut bytes: usize) {
        debug_assert!(bytes <= self.len, "no more is written than there was");
        self.len = self.len.saturating_sub(bytes);
        while bytes > 0 {
            let Some(front) = self.parts.front_mut() else { return };
            if bytes < front.len() {
                front.advance(bytes);
                return;
            }
            bytes -= front.len();
            self.parts.pop_front().into_iter().for_each(|part| self.spares.give(part));
        }
    }

    /// Takes everything as one piece; for links that are not sockets.
    pub fn take(&mut self) -> Bytes {
        self.seal();
        self.len = 0;
        if self.parts.len() == 1 {
            return self.parts.pop_front().unwrap_or_default();
        }
        let mut joined = BytesMut::new();
        for part in self.parts.drain(..) {
            joined.extend_from_slice(&part);
        }
        joined.freeze()
    }
}
