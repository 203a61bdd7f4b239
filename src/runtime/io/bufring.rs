//! The ring of buffers from which the kernel picks one for each receive.
//!
//! A buffer goes round: *free* (ours), *published* (in the ring, the kernel may write to it), then
//! *held* by the slices cut from it, then free again. With incremental consumption (Linux 6.12) the
//! kernel goes on filling the buffer at the head from where the last receive ended, whichever
//! socket that was for, so that a buffer large enough for bulk does not go to waste on a 64-byte
//! message. Without it, each receive uses up a buffer.

use std::io;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use bytes::Bytes;
use io_uring::IoUring;
use io_uring::types::{BufRingEntry, IOU_PBUF_RING_INC};

use super::pages::Pages;
use super::pool::Pool;

/// The buffer group under which the ring is registered; there is only one.
pub(super) const GROUP: u16 = 0;

/// How the receive memory of a shard is cut up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Number of buffers, a power of two.
    pub(crate) count: u16,
    /// Bytes per buffer.
    pub(crate) size: u32,
    /// Received pieces shorter than this are copied, so that they do not hold a whole buffer.
    pub(crate) copy_below: usize,
    /// Whether the kernel is asked to fill buffers piece by piece.
    pub(crate) incremental: bool,
}

/// The ring as registered with one io_uring, which has to be kept alive beside it.
pub(super) struct BufRing {
    pool: Arc<Pool>,
    entries: Pages,
    shape: Shape,
    /// Where the next published buffer goes, counted without wrapping at the ring's size.
    tail: u16,
    /// How much of each buffer the kernel has filled since it was published.
    filled: Box<[u32]>,
    /// Published buffers, as far as their completions have been seen.
    published: usize,
    /// Buffers to publish, the most recently used last: it is taken first, being in the cache.
    free: Vec<u16>,
}

impl BufRing {
    /// Allocates the buffers, registers the ring and publishes all of them.
    pub(super) fn register(uring: &IoUring, shape: Shape) -> io::Result<Self> {
        assert!(shape.count.is_power_of_two());
        let entries = Pages::new(usize::from(shape.count) * size_of::<BufRingEntry>())?;
        let flags = if shape.incremental { IOU_PBUF_RING_INC as u16 } else { 0 };
        let address = entries.base().as_ptr() as u64;
        // SAFETY: the entries are a page-aligned mapping of the right size. It lives until
        // `unregister` or, if that fails, for ever.
        unsafe { uring.submitter().register_buf_ring_with_flags(address, shape.count, GROUP, flags)? };
        let mut ring = Self {
            pool: Pool::new(shape.count, shape.size as usize)?,
            entries,
            shape,
            tail: 0,
            filled: vec![0; shape.count.into()].into(),
            published: 0,
            free: (0..shape.count).rev().collect(),
        };
        ring.refill();
        Ok(ring)
    }

    /// Takes the ring away from the kernel, which must happen before this value is dropped.
    ///
    /// On return no receive can write to the buffers any more: the kernel writes only from within
    /// our own `io_uring_enter`, into a buffer that it picks at that moment from a registered ring.
    pub(super) fn unregister(&mut self, uring: &IoUring) {
        if uring.submitter().unregister_buf_ring(GROUP).is_err() {
            // Never seen; but memory that the kernel might still use is better lost than reused.
            std::mem::forget(Arc::clone(&self.pool));
            if let Ok(fresh) = Pages::new(1) {
                std::mem::forget(std::mem::replace(&mut self.entries, fresh));
            }
        }
    }

    /// The next `len` bytes that the kernel says it wrote to buffer `id`.
    ///
    /// Has to be called once per completion and in their order, for with incremental consumption
    /// the kernel does not say where in the buffer it wrote: it is where the last piece ended.
    pub(super) fn take(&mut self, id: u16, len: usize) -> Bytes {
        let offset = self.filled[usize::from(id)] as usize;
        let used_up = if self.shape.incremental { offset + len == self.pool.size() } else { true };
        // Slices that are held for long must not starve other connections: the last quarter of the
        // buffers is only ever copied from, and so comes back within the turn that emptied it.
        let scarce = self.published + self.free.len() <= usize::from(self.shape.count).div_ceil(4);
        let bytes = if len == 0 {
            Bytes::new()
        } else if len < self.shape.copy_below || scarce {
            // SAFETY: the buffer is lent and the kernel reported this range as filled; it goes on
            // writing behind it, and at the range itself only after `publish`.
            unsafe { self.pool.copy(id, offset, len) }
        } else {
            // SAFETY: as above; `publish` is reached only through the last holder's return.
            unsafe { self.pool.slice(id, offset, len) }
        };
        if !used_up {
            self.filled[usize::from(id)] = (offset + len) as u32;
        } else if len > 0 || !self.shape.incremental {
            self.filled[usize::from(id)] = 0;
            self.published -= 1;
            if self.pool.end_loan(id) {
                self.free.push(id);
            }
        }
        bytes
    }

    /// Publishes every buffer that nobody holds any more.
    pub(super) fn refill(&mut self) {
        let free = &mut self.free;
        self.pool.collect(|id| free.push(id));
        if self.free.is_empty() {
            return;
        }
        while let Some(id) = self.free.pop() {
            self.publish(id);
        }
        let base: *const BufRingEntry = self.entries.base().cast().as_ptr();
        // SAFETY: `base` is the first entry of the ring, and the tail lies inside it, aligned for
        // u16 as a field of that type. Both sides access it atomically once it is registered.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(base).cast_mut()) };
        // Release: the kernel must see the entries before it sees the tail that covers them.
        tail.store(self.tail, Ordering::Release);
    }

    fn publish(&mut self, id: u16) {
        let index = usize::from(self.tail & (self.shape.count - 1));
        let base: NonNull<BufRingEntry> = self.entries.base().cast();
        // SAFETY: `index` is below the number of entries by the mask, and the mapping is zeroed,
        // which is a valid entry. The kernel looks at an entry only within our own enter call and
        // only below the tail, so nobody else touches this one now. The setters leave the bytes
        // of the tail, which overlaps the first entry, alone.
        let entry = unsafe { base.add(index).as_mut() };
        entry.set_addr(self.pool.address(id));
        entry.set_len(self.shape.size);
        entry.set_bid(id);
        self.pool.lend(id);
        self.tail = self.tail.wrapping_add(1);
        self.published += 1;
    }
}
