//! What the ring asks of the kernel, and the tag by which it recognises the answer.

use std::os::fd::AsRawFd;

use io_uring::squeue::{Entry, Flags};
use io_uring::{opcode, types};

use super::bufring::GROUP;
use super::line::Line;

/// The kind of an operation, kept in the top byte of its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Receive = 0,
    Writable = 1,
}

/// What a completion is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) kind: Kind,
    /// The completion is that of the cancellation, not of the operation itself.
    pub(super) cancel: bool,
    pub(super) slot: usize,
}

const KIND_SHIFT: u32 = 56;
const CANCEL: u64 = 1 << 63;

impl Tag {
    fn pack(self) -> u64 {
        let cancel = if self.cancel { CANCEL } else { 0 };
        cancel | (self.kind as u64) << KIND_SHIFT | self.slot as u64
    }

    pub(super) fn unpack(bits: u64) -> Self {
        let kind = match (bits & !CANCEL) >> KIND_SHIFT {
            0 => Kind::Receive,
            _ => Kind::Writable,
        };
        Self { kind, cancel: bits & CANCEL != 0, slot: (bits & ((1 << KIND_SHIFT) - 1)) as usize }
    }
}

fn tag(kind: Kind, line: &Line) -> u64 {
    Tag { kind, cancel: false, slot: line.slot }.pack()
}

fn fd_of(line: &Line) -> types::Fd {
    types::Fd(line.fd.as_raw_fd())
}

/// Receive again and again, each time into a buffer that the kernel picks.
pub(super) fn receive(line: &Line) -> Entry {
    opcode::RecvMulti::new(fd_of(line), GROUP).build().user_data(tag(Kind::Receive, line))
}

/// Say once that there is room to send, or that sending will fail.
pub(super) fn writable(line: &Line) -> Entry {
    let events = (libc::POLLOUT | libc::POLLERR | libc::POLLHUP) as u32;
    opcode::PollAdd::new(fd_of(line), events).build().user_data(tag(Kind::Writable, line))
}

/// End an operation, which then completes for the last time. The cancellation itself completes
/// only if it fails.
pub(super) fn cancel(kind: Kind, line: &Line) -> Entry {
    opcode::AsyncCancel::new(tag(kind, line))
        .build()
        .flags(Flags::SKIP_SUCCESS)
        .user_data(Tag { kind, cancel: true, slot: line.slot }.pack())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_as_they_are_written() {
        for kind in [Kind::Receive, Kind::Writable] {
            for cancel in [false, true] {
                for slot in [0, 1, 0xffff_ffff_ffff] {
                    let tag = Tag { kind, cancel, slot };
                    assert_eq!(Tag::unpack(tag.pack()), tag);
                }
            }
        }
    }
}
