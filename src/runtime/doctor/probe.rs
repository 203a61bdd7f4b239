//! Asks the machine. Nothing here judges, and the only thing changed is soft limits, which go up to the hard
//! ones.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::{fs, io};

use super::facts::{Confinement, Congestion, Kernel, Limit, Ring};

const ENTRIES: u32 = 8;
const SETUP_SINGLE_ISSUER: u32 = 1 << 12;
const SETUP_DEFER_TASKRUN: u32 = 1 << 13;
const REGISTER_PROBE: u32 = 8;
const OP_RECV: usize = 27;
const OP_SUPPORTED: u16 = 1;

/// `struct io_uring_params`, as words: 2 is the flags, 5 the features, and the ring offsets start at 10.
#[repr(C, align(8))]
#[derive(Default)]
struct Params([u32; 30]);

/// `struct io_uring_probe` with room for every operation code.
#[repr(C)]
struct Probe {
    last_op: u8,
    ops_len: u8,
    reserved: [u16; 7],
    ops: [ProbeOp; 256],
}

/// `struct io_uring_probe_op`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct ProbeOp {
    op: u8,
    reserved: u8,
    flags: u16,
    reserved_more: u32,
}

/// Sets up a small ring, enters it with nothing to do, asks what it supports, and closes it.
///
/// All three system calls are made because a seccomp filter may block any of them.
pub(super) fn ring() -> Ring {
    let opened = open_ring(0).and_then(|(ring, features)| {
        enter(ring.as_raw_fd()).map_err(refused("io_uring_enter"))?;
        let receives = receives(ring.as_raw_fd()).map_err(refused("io_uring_register"))?;
        Ok(Ring::Open { features, receives })
    });
    opened.unwrap_or_else(|refusal| refusal)
}

/// Whether the kernel has multishot receives with deferred task work; `None` where no ring can be set up at
/// all.
///
/// The setup flags are what can be asked for: they came one release (6.1) after multishot receives (6.0).
pub(super) fn multishot_receive() -> Option<bool> {
    match open_ring(SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN) {
        Ok(_) => Some(true),
        Err(Ring::Refused { errno: libc::EINVAL, .. }) => Some(false),
        Err(_) => None,
    }
}

fn open_ring(flags: u32) -> Result<(OwnedFd, u32), Ring> {
    let mut params = Params::default();
    params.0[2] = flags;
    // SAFETY: the kernel reads and writes the 120 bytes of `io_uring_params`, which is what `Params` holds.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, ENTRIES, &raw mut params) };
    let fd = checked(fd).map_err(refused("io_uring_setup"))?;
    // SAFETY: the call has just returned this descriptor, so nobody else owns it.
    let ring = unsafe { OwnedFd::from_raw_fd(fd) };
    Ok((ring, params.0[5]))
}

fn enter(ring: RawFd) -> io::Result<()> {
    let no_signals = std::ptr::null::<libc::sigset_t>();
    // SAFETY: nothing is submitted and nothing waited for, and the null signal mask is not read.
    let entered = unsafe { libc::syscall(libc::SYS_io_uring_enter, ring, 0, 0, 0, no_signals, 0_usize) };
    checked(entered).map(drop)
}

fn receives(ring: RawFd) -> io::Result<bool> {
    let mut probe = Probe { last_op: 0, ops_len: 0, reserved: [0; 7], ops: [ProbeOp::default(); 256] };
    // SAFETY: the kernel writes the header and at most as many operations as the last argument says, which
    // fit.
    let asked =
        unsafe { libc::syscall(libc::SYS_io_uring_register, ring, REGISTER_PROBE, &raw mut probe, 256) };
    checked(asked)?;
    let listed = OP_RECV <= probe.last_op.into() && OP_RECV < probe.ops_len.into();
    Ok(listed && probe.ops[OP_RECV].flags & OP_SUPPORTED != 0)
}

fn checked(answer: libc::c_long) -> io::Result<RawFd> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer as RawFd) }
}

fn refused(call: &'static str) -> impl Fn(io::Error) -> Ring {
    move |error| Ring::Refused { call, errno: error.raw_os_error().unwrap_or(0) }
}

/// The limits that are looked after.
#[derive(Clone, Copy, Debug)]
pub(super) enum Resource {
    LockedMemory,
    OpenFiles,
}

/// Raises the soft limit of this process to the hard one and tells both; a refused raise shows in the soft
/// value.
pub(super) fn raise_limit(resource: Resource) -> io::Result<Limit> {
    let resource = match resource {
        Resource::LockedMemory => libc::RLIMIT_MEMLOCK,
        Resource::OpenFiles => libc::RLIMIT_NOFILE,
    };
    let mut found = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one `rlimit`.
    if unsafe { libc::getrlimit(resource, &raw mut found) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut limit = Limit { before: found.rlim_cur, soft: found.rlim_cur, hard: found.rlim_max };
    if limit.soft < limit.hard {
        let raised = libc::rlimit { rlim_cur: limit.hard, rlim_max: limit.hard };
        // SAFETY: the kernel reads one `rlimit`; a higher soft limit invalidates nothing in this process.
        if unsafe { libc::setrlimit(resource, &raw const raised) } == 0 {
            limit.soft = limit.hard;
        }
    }
    Ok(limit)
}

pub(super) fn confinement() -> Confinement {
    Confinement::parse(&read("/proc/thread-self/status"), &read("/proc/sys/kernel/io_uring_disabled"))
}

pub(super) fn kernel() -> Kernel {
    Kernel::parse(&read("/proc/sys/kernel/osrelease"))
}

pub(super) fn congestion() -> Congestion {
    Congestion {
        current: read("/proc/sys/net/ipv4/tcp_congestion_control").trim().to_owned(),
        available: read("/proc/sys/net/ipv4/tcp_available_congestion_control"),
    }
}

/// A missing file reads as empty: each reader says what that means.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
