//! The ring of buffers from which the kernel picks one for each receive.
//!
//! A buffer goes round: *free* (ours), *published* (in the ring, the kernel may write to it), then
//! *held* by the slice cut from it, then free again. Each receive uses up a buffer, however little
//! came. Incremental consumption, with which the kernel goes on filling the buffer where the last
//! receive ended, was tried and dropped: it gained nothing for small messages, as these are copied
//! out and their buffers are back within the turn, and it took more time per byte in bulk.

use std::io;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use bytes::Bytes;
use io_uring::IoUring;
use io_uring::types::BufRingEntry;

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
    /// How many of them the kernel is given at a time, at least; see [`BufRing::adapt`].
    pub(crate) window: u16,
    /// Received pieces shorter than this are copied, so that they do not hold a whole buffer.
    pub(crate) copy_below: usize,
}

/// What came since the ring was last refilled.
#[derive(Default)]
struct Turn {
    pieces: usize,
    bytes: usize,
    ran_out: bool,
}

/// The ring as registered with one io_uring, which has to be kept alive beside it.
pub(super) struct BufRing {
    pool: Arc<Pool>,
    entries: Pages,
    shape: Shape,
    /// Where the next published buffer goes, counted without wrapping at the ring's size.
    tail: u16,
    /// Published buffers, as far as their completions have been seen.
    published: usize,
    /// The most buffers to have published, between `shape.window` and `shape.count`.
    window: usize,
    /// What the window is adapted by.
    turn: Turn,
    /// Buffers to publish, the most recently used last: it is taken first, being in the cache.
    free: Vec<u16>,
}

impl BufRing {
    /// Allocates the buffers, registers the ring and publishes them.
    pub(super) fn register(uring: &IoUring, shape: Shape) -> io::Result<Self> {
        assert!(shape.count.is_power_of_two());
        let pool = Pool::new(shape.count, shape.size as usize)?;
        let entries = Pages::new(usize::from(shape.count) * size_of::<BufRingEntry>())?;
        let address = entries.base().as_ptr() as u64;
        // SAFETY: the entries are a page-aligned mapping of the right size. It lives until
        // `unregister` or, if that fails, for ever.
        unsafe { uring.submitter().register_buf_ring_with_flags(address, shape.count, GROUP, 0)? };
        let mut ring = Self {
            pool,
            entries,
            shape,
            tail: 0,
            published: 0,
            window: shape.window.into(),
            turn: Turn::default(),
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

    /// Takes over buffer `id`, to which the kernel says that it has written `len` bytes.
    ///
    /// To be called once per completion that names a buffer.
    pub(super) fn take(&mut self, id: u16, len: usize) -> Bytes {
        // Slices that are held for long must not starve other connections: the last quarter of the
        // buffers is only ever copied from, and so comes back within the turn that used it up.
        let scarce = self.published + self.free.len() <= usize::from(self.shape.count).div_ceil(4);
        let bytes = if len < self.shape.copy_below || scarce {
            // SAFETY: the buffer is lent, the kernel reported these bytes as written, and it does
            // not write to a buffer that it has used up before that is published anew.
            unsafe { self.pool.copy(id, len) }
        } else {
            // SAFETY: as above, and it is published anew only when its last holder has let go.
            unsafe { self.pool.slice(id, len) }
        };
        self.turn.pieces += 1;
        self.turn.bytes += len;
        self.published -= 1;
        if self.pool.end_loan(id) {
            self.free.push(id);
        }
        bytes
    }

    /// A receive ended because no buffer was published.
    pub(super) fn ran_out(&mut self) {
        self.turn.ran_out = true;
    }

    /// Sizes the window to what came this turn.
    ///
    /// The ring hands out its buffers in turn, so all that are published pass through the cache. A
    /// bulk stream is received at 1.5 times the cost if they do not fit in there, and it loses
    /// little by running out of them, as few sockets have to be started anew. Small messages use
    /// up one buffer each but touch hardly any of it, so for them the more the better.
    fn adapt(&mut self) {
        let Turn { pieces, bytes, ran_out } = std::mem::take(&mut self.turn);
        let size = self.shape.size as usize;
        if ran_out && bytes < pieces * size / 4 {
            self.window = (self.window * 2).min(self.shape.count.into());
        } else if bytes > pieces * size / 2 {
            self.window = (self.window / 2).max(self.shape.window.into());
        }
    }

    /// Publishes buffers that nobody holds, up to the window.
    pub(super) fn refill(&mut self) {
        let free = &mut self.free;
        self.pool.collect(|id| free.push(id));
        self.adapt();
        let room = self.window.saturating_sub(self.published).min(self.free.len());
        if room == 0 {
            return;
        }
        for _ in 0..room {
            if let Some(id) = self.free.pop() {
                self.publish(id);
            }
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
