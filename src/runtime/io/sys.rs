//! Safe wrappers around the few system calls that the runtime makes by itself.
//!
//! Nothing here blocks and nothing here keeps state. Interrupted calls are repeated in here, so no
//! caller ever sees `EINTR`.

use std::io::{self, IoSlice};
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// The most slices that one `sendmsg` may carry (`UIO_MAXIOV`); more are left for the next call.
const SLICES_MAX: usize = 1024;

/// Turns the return value of a system call into a result, reading `errno` on failure.
pub(super) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn check_len(result: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Repeats `call` for as long as a signal interrupts it.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Accepts one waiting connection, non-blocking and close-on-exec; `None` when none waits.
///
/// A connection that its peer gave up before we took it (`ECONNABORTED`) is skipped: it says
/// nothing about the next one in line.
pub(crate) fn accept(listener: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    loop {
        // SAFETY: null address and length pointers are how accept4 is told to report no address.
        let result = check(unsafe {
            libc::accept4(
                listener.as_raw_fd(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC,
            )
        });
        match result {
            // SAFETY: accept4 just made this descriptor, so nobody else owns it.
            Ok(fd) => return Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) })),
            Err(error) => match error.raw_os_error() {
                Some(libc::EAGAIN) => return Ok(None),
                Some(libc::ECONNABORTED | libc::EINTR) => {}
                _ => return Err(error),
            },
        }
    }
}

/// Receives what is there into `room` without waiting; 0 is the end of the stream.
///
/// On `Ok(n)` the first `n` bytes of `room` are initialized.
pub(super) fn recv(fd: BorrowedFd<'_>, room: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
    uninterrupted(|| {
        // SAFETY: the pointer and the length describe `room`, which is borrowed mutably for the
        // whole call, and the kernel only writes to it.
        check_len(unsafe {
            libc::recv(fd.as_raw_fd(), room.as_mut_ptr().cast(), room.len(), libc::MSG_DONTWAIT)
        })
    })
}

/// Sends the slices in order, as much as the socket takes without waiting.
pub(super) fn send(fd: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    const FLAGS: libc::c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    let slices = &slices[..slices.len().min(SLICES_MAX)];
    if let [slice] = slices {
        return uninterrupted(|| {
            // SAFETY: the pointer and the length describe `slice`, borrowed for the whole call.
            check_len(unsafe { libc::send(fd.as_raw_fd(), slice.as_ptr().cast(), slice.len(), FLAGS) })
        });
    }
    // SAFETY: msghdr is plain integers and pointers, for which all zeros is a valid value.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = slices.as_ptr().cast_mut().cast();
    message.msg_iovlen = slices.len() as _;
    uninterrupted(|| {
        // SAFETY: IoSlice is documented to be an iovec on Unix, the slices are borrowed for the
        // whole call, and sendmsg writes neither to the array nor to what it points at.
        check_len(unsafe { libc::sendmsg(fd.as_raw_fd(), &message, FLAGS) })
    })
}

/// Ends our direction of the stream: the peer reads the end after what was sent before.
pub(super) fn shutdown_write(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no pointers are passed.
    check(unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_WR) }).map(drop)
}

/// Makes reads and writes on `fd` return instead of waiting.
pub(super) fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: F_GETFL takes no pointer.
    let flags = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    if flags & libc::O_NONBLOCK != 0 {
        return Ok(());
    }
    // SAFETY: F_SETFL takes an integer and no pointer.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) }).map(drop)
}

/// Whether `fd` is an internet socket rather than a Unix one.
pub(crate) fn is_inet(fd: BorrowedFd<'_>) -> bool {
    let domain = socket_option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN);
    matches!(domain, Ok(libc::AF_INET | libc::AF_INET6))
}

fn socket_option(fd: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut size = mem::size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `value` and `size` live across the call, and `size` is the size of `value`.
    check(unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut size) })?;
    Ok(value)
}

/// Acknowledges the next segments at once, for exchanges in which the peer waits for the answer.
pub(crate) fn set_quickack(fd: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the pointer and the size describe `on`, which lives across the call.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_QUICKACK,
            (&raw const on).cast(),
            mem::size_of_val(&on) as libc::socklen_t,
        )
    })
    .map(drop)
}

/// Chooses the congestion control of one TCP socket by its kernel name, such as `cubic`.
pub(crate) fn set_congestion(fd: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    // SAFETY: the pointer and the size describe `name`; the kernel copies it and needs no zero byte.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_CONGESTION,
            name.as_ptr().cast(),
            name.len() as libc::socklen_t,
        )
    })
    .map(drop)
}

/// Whether the other end of a Unix socket is a process of our user, or of root.
pub(crate) fn is_peer_owner(fd: BorrowedFd<'_>) -> bool {
    let mut cred = libc::ucred { pid: 0, uid: libc::uid_t::MAX, gid: 0 };
    let mut size = mem::size_of_val(&cred) as libc::socklen_t;
    // SAFETY: `cred` and `size` live across the call, and `size` is the size of `cred`.
    let asked = check(unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut cred).cast(),
            &raw mut size,
        )
    });
    // SAFETY: geteuid takes nothing and cannot fail.
    asked.is_ok() && (cred.uid == 0 || cred.uid == unsafe { libc::geteuid() })
}

/// The round-trip time that TCP has measured on this connection, if it has measured one.
///
/// A side that only receives has no smoothed time of its own; the receiver's estimate stands in.
pub(crate) fn tcp_rtt(fd: BorrowedFd<'_>) -> Option<Duration> {
    // SAFETY: tcp_info is plain integers, for which all zeros is a valid value. An older kernel
    // fills less of it, and what it leaves zero reads as "not measured".
    let mut info: libc::tcp_info = unsafe { mem::zeroed() };
    let mut size = mem::size_of_val(&info) as libc::socklen_t;
    // SAFETY: `info` and `size` live across the call, and `size` is the size of `info`.
    check(unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut size,
        )
    })
    .ok()?;
    let micros = if info.tcpi_rtt != 0 { info.tcpi_rtt } else { info.tcpi_rcv_rtt };
    (micros != 0).then(|| Duration::from_micros(micros.into()))
}

/// A new event counter, non-blocking and close-on-exec, at zero.
pub(crate) fn eventfd() -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed.
    let fd = check(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) })?;
    // SAFETY: eventfd just made this descriptor, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Adds one to the counter, which makes it readable. A full counter is readable already.
pub(crate) fn eventfd_signal(fd: BorrowedFd<'_>) -> io::Result<()> {
    let one: u64 = 1;
    let result = uninterrupted(|| {
        // SAFETY: the pointer and the size describe `one`, which lives across the call.
        check_len(unsafe { libc::write(fd.as_raw_fd(), (&raw const one).cast(), mem::size_of_val(&one)) })
    });
    match result {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(()),
    }
}

/// Sets the counter back to zero and returns what it was.
pub(crate) fn eventfd_drain(fd: BorrowedFd<'_>) -> io::Result<u64> {
    let mut count: u64 = 0;
    let result = uninterrupted(|| {
        // SAFETY: the pointer and the size describe `count`, which lives across the call.
        check_len(unsafe { libc::read(fd.as_raw_fd(), (&raw mut count).cast(), mem::size_of_val(&count)) })
    });
    match result {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(count),
    }
}
