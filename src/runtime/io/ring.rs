//! The ring backend: an io_uring of our own, pumped by a task of the shard.
//!
//! The ring is single-issuer and defers its task work: the kernel moves no data and writes no
//! completion except within our own `io_uring_enter`. So one call per turn submits what was asked
//! for, receives for every socket that has something, and reports it, and between two turns the
//! thread is not interrupted.
//!
//! # No wake-up is lost
//!
//! While the pump works, the eventfd is disabled. Before it sleeps it (1) enables the eventfd,
//! (2) enters the kernel once more, and (3) sleeps only if that gave no completion and left
//! neither a submission, nor unfinished work, nor an overflow. Work that arrives for the ring
//! is put on a list first; if the list was empty then, the kernel signals the eventfd, provided
//! it reads it as enabled. Between our enabling and our reading of the list, and between the
//! kernel's putting and its reading of the flag, there is a full barrier, so at least one side
//! sees the other: either (2) runs the work, or the eventfd is signalled and stays readable until
//! we read it, however late glommio polls it. What (2) was too busy to run raises the task-run
//! flag, which (3) looks at. Whatever is asked for on this thread (a receive, a poll, a
//! cancellation) goes to `requests` and rings the doorbell, and the doorbell remembers a ring that
//! nobody waited for.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::atomic::{Ordering, fence};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_lite::future::yield_now;
use io_uring::{EnterFlags, IoUring, cqueue, squeue};
use slab::Slab;

use super::bufring::{BufRing, Shape};
use super::doorbell::Doorbell;
use super::line::{Line, Op};
use super::linger::Linger;
use super::request::{self, Kind, Tag};
use super::sys;
use super::waiter::End;

/// Submissions per enter call. More of them wait for the next turn.
const SUBMISSIONS: u32 = 512;
/// Completions per turn. More of them are kept by the kernel and cost a second turn.
const COMPLETIONS: u32 = 4096;

/// One shard's ring with its sockets.
pub(super) struct Ring {
    // The order matters: the ring is closed before its memory and its descriptors are given back.
    uring: RefCell<IoUring>,
    buffers: RefCell<BufRing>,
    lines: RefCell<Slab<Rc<Line>>>,
    requests: RefCell<VecDeque<squeue::Entry>>,
    /// Signalled by the kernel when it has work for a ring whose pump sleeps.
    event: OwnedFd,
    doorbell: Doorbell,
    linger: Linger,
    stopped: Cell<bool>,
    /// Whether a pump task exists that will look at `requests`.
    pumped: Cell<bool>,
}

impl Ring {
    pub(super) fn new(shape: Shape) -> io::Result<Self> {
        let uring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)?;
        let event = sys::eventfd()?;
        uring.submitter().register_eventfd(event.as_raw_fd())?;
        let buffers = BufRing::register(&uring, shape)?;
        let ring = Self {
            uring: RefCell::new(uring),
            buffers: RefCell::new(buffers),
            lines: RefCell::default(),
            requests: RefCell::default(),
            event,
            doorbell: Doorbell::default(),
            linger: Linger::default(),
            stopped: Cell::new(false),
            pumped: Cell::new(false),
        };
        ring.listen(false);
        ring.trial()?;
        Ok(ring)
    }

    /// Receives twice from one request and cancels it, because the kernel's version and feature
    /// bits do not tell whether it can.
    fn trial(&self) -> io::Result<()> {
        let (near, mut far) = UnixStream::pair()?;
        let line = self.add(near.into());
        self.arm(&line);
        let mut passed = true;
        for piece in [&b"one"[..], b"two"] {
            far.write_all(piece)?;
            self.turn(true)?;
            passed &= line.pop().is_some_and(|bytes| bytes == piece) && line.receive.get() == Op::Armed;
        }
        self.remove(&line);
        passed &= self.lines.borrow().is_empty();
        if passed { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
    }

    /// Runs until [`stop`](Self::stop).
    pub(super) async fn run(&self) {
        if self.pumped.replace(true) {
            return;
        }
        let _pumping = Pumping(self);
        while !self.stopped.get() {
            if let Err(error) = self.turn_or_sleep().await {
                // The kernel refuses the ring itself: no socket can go on.
                self.fail_all(error.raw_os_error().unwrap_or(libc::EIO));
                return;
            }
        }
    }

    /// Ends [`run`](Self::run) soon.
    pub(super) fn stop(&self) {
        self.stopped.set(true);
        self.doorbell.ring();
    }

    async fn turn_or_sleep(&self) -> io::Result<()> {
        self.doorbell.hush();
        if self.turn(false)? {
            yield_now().await;
            return Ok(());
        }
        if self.linger.look(|| self.has_work()).await {
            return Ok(());
        }
        self.listen(true);
        let came = self.turn(true);
        if matches!(came, Ok(false)) {
            self.doorbell.wait(self.event.as_fd()).await?;
        }
        self.listen(false);
        // Set back before the next turn looks, so a signal for what it does not find stays.
        sys::eventfd_drain(self.event.as_fd())?;
        if came? {
            yield_now().await;
        }
        Ok(())
    }

    /// Whether a turn would find something to do.
    fn has_work(&self) -> bool {
        let mut uring = self.uring.borrow_mut();
        let submissions = uring.submission();
        submissions.taskrun() || self.stopped.get() || !self.requests.borrow().is_empty()
    }

    /// Enables or disables the eventfd.
    fn listen(&self, on: bool) {
        let mut uring = self.uring.borrow_mut();
        let queue = uring.completion();
        if on {
            queue.enable_eventfd();
            // Orders the flag before the kernel's look at its list; see the module's comment.
            fence(Ordering::SeqCst);
        } else {
            queue.disable_eventfd();
        }
    }

    /// One round: submits, lets the kernel work, hands out what came, wakes. True if the caller
    /// should come again before it sleeps. With `enter` it goes to the kernel in any case.
    fn turn(&self, enter: bool) -> io::Result<bool> {
        let mut uring = self.uring.borrow_mut();
        self.submit_requests(&mut uring, enter)?;
        let mut woken = Vec::new();
        let mut came = false;
        let mut buffers = self.buffers.borrow_mut();
        for completion in uring.completion() {
            came = true;
            self.complete(&completion, &mut buffers, &mut woken);
        }
        if came || enter {
            buffers.refill();
        }
        let submissions = uring.submission();
        let more = submissions.taskrun() || submissions.cq_overflow() || !submissions.is_empty();
        drop(submissions);
        drop((uring, buffers));
        woken.into_iter().for_each(Waker::wake);
        Ok(came || more || !self.requests.borrow().is_empty())
    }

    fn submit_requests(&self, uring: &mut IoUring, enter: bool) -> io::Result<()> {
        let mut submissions = uring.submission();
        let mut requests = self.requests.borrow_mut();
        while let Some(request) = requests.pop_front() {
            // SAFETY: no request points at memory of ours: receives name the buffer group, which
            // stays registered as long as the ring, and polls and cancellations carry only
            // numbers. The descriptor is kept open by its line, see `Line`.
            if unsafe { submissions.push(&request) }.is_err() {
                requests.push_front(request);
                break;
            }
        }
        let count = submissions.len();
        let wanted = enter || count > 0 || submissions.taskrun() || submissions.cq_overflow();
        drop(submissions);
        if !wanted {
            return Ok(());
        }
        let flags = EnterFlags::GETEVENTS.bits();
        // SAFETY: `count` submissions are in the queue, nothing is waited for, and no argument
        // is passed.
        match unsafe { uring.submitter().enter::<libc::sigset_t>(count as u32, 0, flags, None) } {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                // Short of memory, completions to be drained first, or a signal: the next turn.
                Some(libc::EAGAIN | libc::EBUSY | libc::EINTR) => Ok(()),
                _ => Err(error),
            },
        }
    }

    fn complete(&self, completion: &cqueue::Entry, buffers: &mut BufRing, woken: &mut Vec<Waker>) {
        let tag = Tag::unpack(completion.user_data());
        let result = completion.result();
        let flags = completion.flags();
        // Before anything else, for the buffer's account must be kept whoever the bytes are for.
        if result == -libc::ENOBUFS {
            buffers.ran_out();
        }
        let bytes = cqueue::buffer_select(flags).map(|id| buffers.take(id, result.max(0) as usize));
        let Some(line) = self.lines.borrow().get(tag.slot).map(Rc::clone) else {
            return;
        };
        let op = line.op(tag.kind);
        if tag.cancel {
            // Only failures get here. Mostly the operation has just ended by itself, but one that
            // is between its submission and its first wait cannot be found either: ask again.
            if op.get() == Op::Ending {
                self.request(request::cancel(tag.kind, &line));
            }
            return;
        }
        if !cqueue::more(flags) {
            op.set(Op::Idle);
        }
        match tag.kind {
            Kind::Receive => self.received(&line, result, bytes, woken),
            Kind::Writable => woken.extend(line.writer.take()),
        }
        if line.closing.get() && line.is_quiet() {
            self.lines.borrow_mut().try_remove(tag.slot);
        }
    }

    fn received(&self, line: &Line, result: i32, bytes: Option<Bytes>, woken: &mut Vec<Waker>) {
        if line.closing.get() {
            return;
        }
        match result {
            1.. => match bytes {
                Some(bytes) => line.push(bytes),
                // Not to be mistaken for the end of the stream.
                None => line.end.set(End::Errno(libc::EIO)),
            },
            0 => line.end.set(End::Eof),
            errno if [-libc::ENOBUFS, -libc::ECANCELED].contains(&errno) => {}
            errno => line.end.set(End::Errno(-errno)),
        }
        if line.queued.get() > 0 || line.end.get() != End::Open {
            woken.extend(line.reader.take());
            if line.is_full() && line.receive.get() == Op::Armed {
                line.receive.set(Op::Ending);
                self.request(request::cancel(Kind::Receive, line));
            }
        } else if line.receive.get() == Op::Idle && line.reader.is_set() {
            // It ended (no buffers, or cancelled while full) under an owner who waits for data. By
            // the time this is submitted the ring is refilled with at least the buffers that
            // `BufRing` keeps from being held, so this cannot go round without progress.
            self.arm(line);
        }
    }

    fn arm(&self, line: &Line) {
        line.receive.set(Op::Armed);
        self.request(request::receive(line));
    }

    fn request(&self, request: squeue::Entry) {
        self.requests.borrow_mut().push_back(request);
        self.doorbell.ring();
    }

    fn fail_all(&self, errno: i32) {
        let mut woken = Vec::new();
        for (_, line) in self.lines.borrow().iter() {
            line.end.set(End::Errno(errno));
            line.receive.set(Op::Idle);
            line.writable.set(Op::Idle);
            woken.extend(line.reader.take());
            woken.extend(line.writer.take());
        }
        woken.into_iter().for_each(Waker::wake);
    }

    pub(super) fn add(&self, fd: OwnedFd) -> Rc<Line> {
        let mut lines = self.lines.borrow_mut();
        let entry = lines.vacant_entry();
        let line = Rc::new(Line::new(fd, entry.key()));
        entry.insert(Rc::clone(&line));
        line
    }

    /// Gives up the descriptor. It is closed now if the kernel has nothing of it, else as soon as
    /// the kernel has confirmed the end of what it has.
    pub(super) fn remove(&self, line: &Line) {
        line.closing.set(true);
        line.queue.take();
        line.reader.take();
        line.writer.take();
        if line.is_quiet() {
            self.lines.borrow_mut().try_remove(line.slot);
            return;
        }
        for kind in [Kind::Receive, Kind::Writable] {
            let op = line.op(kind);
            if op.get() == Op::Armed {
                op.set(Op::Ending);
                self.request(request::cancel(kind, line));
            }
        }
        if !self.pumped.get() {
            // Nobody else will submit it, and the peer waits for the end of the stream.
            let _ = self.turn(true);
        }
    }

    pub(super) fn poll_recv(&self, line: &Line, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        // There is no short cut by recv(2) when the queue is empty: it would overtake what the
        // armed receive has taken and not yet reported.
        if let Some(bytes) = line.pop() {
            return Poll::Ready(Ok(bytes));
        }
        if let Some(result) = line.end.get().result() {
            return Poll::Ready(result);
        }
        line.reader.set(cx);
        if line.receive.get() == Op::Idle {
            self.arm(line);
        }
        Poll::Pending
    }

    pub(super) fn poll_send(
        &self,
        line: &Line,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if line.writable.get() == Op::Idle {
            match sys::send(line.fd.as_fd(), slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
            line.writable.set(Op::Armed);
            self.request(request::writable(line));
        }
        line.writer.set(cx);
        Poll::Pending
    }

    /// Open descriptors, those included that wait for the kernel's last word.
    #[cfg(test)]
    pub(super) fn lines(&self) -> usize {
        self.lines.borrow().len()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.buffers.get_mut().unregister(self.uring.get_mut());
    }
}

/// Leaves the ring in order when the pump ends, even if its task is cancelled.
struct Pumping<'a>(&'a Ring);

impl Drop for Pumping<'_> {
    fn drop(&mut self) {
        self.0.doorbell.silence();
        self.0.listen(false);
        self.0.pumped.set(false);
    }
}
