use super::{Body, BodyKind, HEADER_BYTES, Header, Headline};
use bytes::{Buf, Bytes};

/// One or more whole data frames of one stream that stood next to each other in one chunk, still in wire form.
///
/// A stream's backlog is kept as runs: an unread frame then costs the bytes it cost the peer's credit, and a burst of
/// small frames costs one queue entry, not one each.
#[derive(Clone, Debug)]
pub struct Run {
    /// The id as the peer counts.
    pub id: i32,
    /// Headers and bodies. Every header in it has passed [`Header::decode`].
    pub wire: Bytes,
}

impl Run {
    /// Credit units of all frames in the run.
    #[must_use]
    pub fn cost(&self) -> u64 {
        self.wire.len() as u64
    }

    /// Cuts the first frame's body off, without copying. `None` when the run is empty.
    #[inline]
    pub fn pop(&mut self) -> Option<Body> {
        let (kind, body_bytes) = self.front()?;
        Some(Body { kind, bytes: self.cut(body_bytes) })
    }

    /// How the first frame's body is to be read, and how long it is.
    #[inline]
    pub(crate) fn front(&self) -> Option<(BodyKind, usize)> {
        let head = self.wire.first_chunk::<HEADER_BYTES>()?;
        // The limit was enforced when the run was cut from its chunk.
        let Ok(Headline::Frame(header)) = Header::decode(head, u32::MAX) else { return None };
        let body_bytes = header.body_bytes as usize;
        (self.wire.len() >= HEADER_BYTES + body_bytes).then_some((header.kind, body_bytes))
    }

    /// Cuts off the first frame, of which [`front`](Self::front) has told the length; yields its body.
    #[inline]
    pub(crate) fn cut(&mut self, body_bytes: usize) -> Bytes {
        self.wire.advance(HEADER_BYTES);
        self.wire.split_to(body_bytes)
    }
}
