//! Page-aligned memory that the kernel may write to behind the compiler's back.

use std::io;
use std::ptr::NonNull;

/// An anonymous, zeroed mapping, unmapped on drop.
///
/// It hands out no references, only its address: who makes references into it proves that nobody
/// (the kernel included) writes there for as long as they live.
pub(super) struct Pages {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread, and this type never reads or writes
// through its address.
unsafe impl Send for Pages {}
// SAFETY: as above; a shared `Pages` gives away nothing but its address.
unsafe impl Sync for Pages {}

impl Pages {
    pub(super) fn new(len: usize) -> io::Result<Self> {
        // SAFETY: an anonymous private mapping at an address that the kernel chooses touches no
        // memory that is in use.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { base, len })
    }

    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: `base` and `len` are those of a mapping that only this value owns. Whoever made
        // references or told the kernel about it had to keep this value alive.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}
