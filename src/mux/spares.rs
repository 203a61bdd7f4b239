use bytes::{Bytes, BytesMut};
use std::{cell::RefCell, rc::Rc};

/// Room in each buffer: what a part of a send queue holds.
pub(super) const SPARE_BYTES: usize = 16 << 10;

/// Buffers kept at most: 1 MiB, which is what one session may have queued for its streams. Stops a burst from growing the
/// shard for good.
const SPARES_MAX: usize = 64;

/// Buffers whose frames have been written, kept for the next ones: without them a busy stream asks the allocator for fresh
/// pages all the time, and the kernel clears each page anew.
///
/// Shared by all sessions of a shard, so that a connection that has gone silent holds none. A clone is a handle to the same;
/// the default keeps nothing.
#[derive(Clone, Debug, Default)]
pub struct Spares(Option<Rc<RefCell<Vec<BytesMut>>>>);

impl Spares {
    /// An empty stock.
    #[must_use]
    pub fn new() -> Self {
        Self(Some(Rc::default()))
    }

    /// An empty buffer with room for a part, the one that was written last if there is any: it is in the cache.
    pub(super) fn take(&self) -> BytesMut {
        let spare = self.0.as_ref().and_then(|spares| spares.borrow_mut().pop());
        spare.unwrap_or_else(|| BytesMut::with_capacity(SPARE_BYTES))
    }

    /// Takes back what [`take`](Self::take) gave, unless somebody still reads it. Buffers of other sizes are let go.
    pub(super) fn give(&self, part: Bytes) {
        let Some(spares) = &self.0 else { return };
        let mut spares = spares.borrow_mut();
        if spares.len() >= SPARES_MAX {
            return;
        }
        if let Ok(mut buffer) = part.try_into_mut() {
            buffer.clear();
            // What was written in pieces begins further back now; this finds the room in front again. Asked for twice as much, it
            // tells the tail of a large body, all of which would be kept with it.
            if buffer.try_reclaim(SPARE_BYTES) && !buffer.try_reclaim(2 * SPARE_BYTES) {
                spares.push(buffer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Buf;

    #[test]
    fn a_buffer_comes_back_whole_even_if_it_was_written_in_pieces() {
        let spares = Spares::new();
        let mut buffer = spares.take();
        buffer.extend_from_slice(&[7; SPARE_BYTES - 1]);
        let place = buffer.as_ptr();
        let mut part = buffer.freeze();
        part.advance(5000);
        spares.give(part);
        let again = spares.take();
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        assert!(again.capacity() >= SPARE_BYTES);
    }

    #[test]
    fn what_is_shared_or_of_another_size_is_not_kept() {
        let spares = Spares::new();
        let shared = Bytes::from(vec![0; SPARE_BYTES]);
        spares.give(shared.clone());
        spares.give(Bytes::from(vec![0; 100]));
        spares.give(Bytes::from(vec![0; 8 * SPARE_BYTES]));
        spares.give(Bytes::from_static(&[0; SPARE_BYTES]));
        let mut large = Bytes::from(vec![0; 5 << 20]);
        let tail = large.split_off((5 << 20) - SPARE_BYTES);
        drop(large);
        spares.give(tail);
        assert_eq!(spares.0.as_ref().map(|kept| kept.borrow().len()), Some(0));
        drop(shared);
    }

    #[test]
    fn the_stock_is_bounded_and_the_default_keeps_nothing() {
        let (spares, none) = (Spares::new(), Spares::default());
        for _ in 0..2 * SPARES_MAX {
            spares.give(BytesMut::with_capacity(SPARE_BYTES).freeze());
            spares.give(Bytes::from(vec![0; SPARE_BYTES]));
            none.give(Bytes::from(vec![0; SPARE_BYTES]));
        }
        assert_eq!(spares.0.as_ref().map(|kept| kept.borrow().len()), Some(SPARES_MAX));
        assert!(none.0.is_none());
    }
}
