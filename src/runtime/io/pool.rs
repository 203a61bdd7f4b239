//! The memory that the kernel receives into, and who still holds a piece of it.
//!
//! A pool is a row of equal buffers. Each has a count of holders: one for the time that the kernel
//! may write to it, and one for the [`Bytes`] handed out. The last to let go sets the buffer's
//! bit in `returned`, from whatever thread it is on; the shard's pump collects the bits each turn
//! and gives those buffers to the kernel again. So a slice may be dropped on another thread, and
//! may outlive the hub: the slice keeps the pool alive, and a bit that nobody collects does no harm.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bytes::Bytes;

use super::pages::Pages;

/// Receive buffers shared by the hub and by the slices cut from them.
pub(super) struct Pool {
    pages: Pages,
    size: usize,
    /// Holders per buffer: the kernel's turn counts one, each slice one.
    holders: Box<[AtomicU32]>,
    /// One bit per buffer that has no holder and waits to be collected.
    returned: Box<[AtomicU64]>,
}

impl Pool {
    pub(super) fn new(count: u16, size: usize) -> io::Result<Arc<Self>> {
        let count = usize::from(count);
        Ok(Arc::new(Self {
            pages: Pages::new(count * size)?,
            size,
            holders: (0..count).map(|_| AtomicU32::new(0)).collect(),
            returned: (0..count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
        }))
    }

    /// Bytes per buffer.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The address to tell the kernel for buffer `id`.
    pub(super) fn address(&self, id: u16) -> u64 {
        self.pointer(id) as u64
    }

    fn pointer(&self, id: u16) -> *mut u8 {
        assert!(usize::from(id) < self.holders.len());
        // SAFETY: by the assertion the buffer lies inside the mapping.
        unsafe { self.pages.base().as_ptr().add(usize::from(id) * self.size) }
    }

    /// Counts the kernel as the holder of a buffer that nobody holds.
    pub(super) fn lend(&self, id: u16) {
        // Relaxed: whoever let go last was seen through `returned` or through `end_loan`.
        let before = self.holders[usize::from(id)].swap(1, Ordering::Relaxed);
        debug_assert_eq!(before, 0, "a buffer was lent while it was held");
    }

    /// The kernel is done with the buffer. True if no slice holds it either; if false, it comes
    /// back through [`collect`](Self::collect).
    pub(super) fn end_loan(&self, id: u16) -> bool {
        self.let_go(id)
    }

    fn let_go(&self, id: u16) -> bool {
        // Release: what this holder read happens before the next owner writes. Acquire: the last
        // holder passes on what all earlier ones did.
        self.holders[usize::from(id)].fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Copies the first `len` bytes of a lent buffer.
    ///
    /// # Safety
    ///
    /// As for [`slice`](Self::slice), for the time of this call.
    pub(super) unsafe fn copy(&self, id: u16, len: usize) -> Bytes {
        assert!(len <= self.size);
        // SAFETY: inside the mapping by the assertion, and nobody writes there by the contract.
        Bytes::copy_from_slice(unsafe { std::slice::from_raw_parts(self.pointer(id), len) })
    }

    /// Hands out the first `len` bytes of a lent buffer without copying.
    ///
    /// # Safety
    ///
    /// The buffer is lent, and the kernel has used it up: it will not write there before the loan
    /// has ended and the buffer was lent anew.
    pub(super) unsafe fn slice(self: &Arc<Self>, id: u16, len: usize) -> Bytes {
        assert!(len <= self.size);
        // Relaxed: the kernel's hold keeps the count above zero meanwhile.
        self.holders[usize::from(id)].fetch_add(1, Ordering::Relaxed);
        Bytes::from_owner(Slice { pool: Arc::clone(self), id, len })
    }

    /// Calls `take` for each buffer that has lost its last holder since the last call.
    pub(super) fn collect(&self, mut take: impl FnMut(u16)) {
        for (word, bits) in self.returned.iter().enumerate() {
            // The plain load first: usually nothing came back, and a swap would own the cache line.
            if bits.load(Ordering::Relaxed) == 0 {
                continue;
            }
            // Acquire: pairs with the Release in `Slice::drop`.
            let mut set = bits.swap(0, Ordering::Acquire);
            while set != 0 {
                take((word * 64) as u16 + set.trailing_zeros() as u16);
                set &= set - 1;
            }
        }
    }
}

/// One holder of a piece of a buffer; the owner behind a [`Bytes`].
struct Slice {
    pool: Arc<Pool>,
    id: u16,
    len: usize,
}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `Pool::slice` checked that the range is inside the buffer, and its caller that
        // nobody writes there until the buffer is lent anew, which needs all holders gone, this
        // one included. The mapping was zeroed, so each byte is initialized.
        unsafe { std::slice::from_raw_parts(self.pool.pointer(self.id), self.len) }
    }
}

impl Drop for Slice {
    fn drop(&mut self) {
        if self.pool.let_go(self.id) {
            let id = usize::from(self.id);
            self.pool.returned[id / 64].fetch_or(1 << (id % 64), Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collected(pool: &Pool) -> Vec<u16> {
        let mut ids = Vec::new();
        pool.collect(|id| ids.push(id));
        ids
    }

    #[test]
    fn buffer_comes_back_once_after_its_last_slice() {
        let pool = Pool::new(70, 4096).unwrap();
        pool.lend(69);
        // SAFETY: no kernel knows this pool, so nobody writes to it.
        let (first, second) = unsafe { (pool.slice(69, 10), pool.slice(69, 4096)) };
        assert!(!pool.end_loan(69));
        drop(first);
        assert!(collected(&pool).is_empty());
        drop(second.clone());
        drop(second);
        assert_eq!(collected(&pool), [69]);
        assert!(collected(&pool).is_empty());
    }

    #[test]
    fn loan_without_slices_ends_at_once() {
        let pool = Pool::new(1, 4096).unwrap();
        pool.lend(0);
        assert!(pool.end_loan(0));
        assert!(collected(&pool).is_empty());
    }

    #[test]
    fn slices_may_be_dropped_on_other_threads_and_outlive_the_pool_handle() {
        let pool = Pool::new(2, 4096).unwrap();
        pool.lend(1);
        // SAFETY: no kernel knows this pool, so nobody writes to it.
        let slice = unsafe { pool.slice(1, 200) };
        pool.end_loan(1);
        drop(pool);
        let sum = std::thread::spawn(move || slice.iter().map(|byte| usize::from(*byte)).sum::<usize>());
        assert_eq!(sum.join().unwrap(), 0);
    }

    #[test]
    #[should_panic(expected = "len <= self.size")]
    fn slice_beyond_the_buffer_is_refused() {
        let pool = Pool::new(2, 4096).unwrap();
        pool.lend(0);
        // SAFETY: no kernel knows this pool, so nobody writes to it.
        drop(unsafe { pool.slice(0, 4097) });
    }
}
