use super::{
    Connection, Service,
    clock::Clock,
    connection::Close,
    io::sys,
    link::{self, Link},
    wakers::Half,
};
use crate::{
    mux::{Event, Output, SessionError, Time},
    wire::Decoder,
};
use bytes::Bytes;
use glommio::timer::Timer;
use std::{
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

/// Bytes read in one turn before others get theirs.
const READ_BYTES_PER_TURN: usize = 512 << 10;
/// Bytes written in one turn before others get theirs.
const WRITE_BYTES_PER_TURN: usize = 1 << 20;
/// Bytes taken from the session at a time. What is taken can no longer be overtaken by grants.
const TRANSMIT_BYTES: usize = 256 << 10;
/// Slices given to one system call.
const SLICES_MAX: usize = 64;
/// Frames, or runs of frames, handed to the session before those they concern are told.
const FRAMES_PER_STEP: usize = 16;
/// Replies gathered before they are written ahead of the turn's end.
const EARLY_WRITE_BYTES: usize = 1 << 10;
/// How long the last words of a session may take to leave, and its handlers to read what has arrived.
const LINGER: Duration = Duration::from_secs(1);
/// How often the kernel is asked for the round trip, at the most.
const RTT_EVERY: Duration = Duration::from_millis(100);

/// The task that joins a socket and a session. One turn: take time, read, tell whom it concerns, let them run, write.
///
/// Reading and writing are independent: a write that has to wait never keeps the turn from reading grants.
pub(crate) struct Driver {
    connection: Connection,
    service: Rc<dyn Service>,
    clock: Clock,
    link: Link,
    is_tcp: bool,
    decoder: Decoder,
    output: Output,
    timer: Option<(Time, Timer)>,
    /// Tasks were woken and have had their turn.
    has_yielded: bool,
    /// Tasks were woken in this turn and have not run yet.
    has_woken: bool,
    /// Nothing more can be read.
    is_eof: bool,
    /// When the connection is closed whatever is left.
    deadline: Option<Time>,
    rtt_at: Time,
}

/// Whether a step leaves work that needs no event from outside.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Waits,
    HasMore,
}

impl Driver {
    pub(crate) fn new(connection: Connection, service: Rc<dyn Service>, link: Link) -> Self {
        let body_bytes_max = connection.inspect(|session| session.limits().body_bytes_max);
        Self {
            clock: connection.shard().clock(),
            connection,
            service,
            is_tcp: sys::is_inet(link.fd()),
            link,
            decoder: Decoder::new(body_bytes_max),
            output: Output::default(),
            timer: None,
            has_yielded: false,
            has_woken: false,
            is_eof: false,
            deadline: None,
            rtt_at: Time::default(),
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.connection.0.begin_turn(cx.waker());
        self.has_woken = false;
        let now = self.clock.now();
        self.settle(now);
        let read = self.read(cx, now);
        self.dispatch();
        if self.has_woken && !self.has_yielded {
            // Let them run first: what they send and consume then leaves in one write.
            self.has_yielded = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.has_yielded = false;
        let was_paused = self.connection.inspect(|session| session.is_paused());
        let written = self.write(cx, now);
        self.dispatch();
        if self.is_over(now) && self.says_goodbye(cx, now) {
            return Poll::Ready(());
        }
        self.connection.0.end_turn();
        let has_more = self.connection.inspect(|session| {
            // While reading was paused nobody was asked to wake us for new bytes.
            let may_read = was_paused && !session.is_paused();
            may_read || session.is_work_next() || (self.output.is_empty() && session.wants_transmit())
        });
        if has_more || read == Flow::HasMore || written == Flow::HasMore {
            cx.waker().wake_by_ref();
        }
        self.arm_timer(cx, now);
        Poll::Pending
    }

    /// What is due before anything is read.
    fn settle(&mut self, now: Time) {
        self.output.cool();
        let inner = &self.connection.0;
        let mut session = inner.session.borrow_mut();
        session.settle();
        // An error is kept by the session, and found at the end of the turn.
        if session.handle_timeout(now) == Err(SessionError::Idle) {
            inner.session_idle();
        }
        match inner.close.get() {
            Close::No => {}
            Close::Drain => session.drain(),
            Close::Goodbye => session.goodbye(),
            Close::Abort => session.handle_closed(SessionError::Closed),
        }
        if self.is_tcp && now >= self.rtt_at {
            self.rtt_at = now + RTT_EVERY;
            if let Some(rtt) = sys::tcp_rtt(self.link.fd()) {
                session.handle_rtt(rtt);
            }
        }
    }

    fn read(&mut self, cx: &mut Context<'_>, now: Time) -> Flow {
        let mut bytes = 0;
        while !self.is_eof && !self.connection.inspect(|session| session.is_paused()) {
            let chunk = match self.link.poll_recv(cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(chunk)) if !chunk.is_empty() => chunk,
                Poll::Ready(end) => {
                    self.is_eof = true;
                    let error = end.map_or_else(|error| self.failure(&error), |_| SessionError::Truncated);
                    self.connection.0.session.borrow_mut().handle_closed(error);
                    break;
                }
            };
            bytes += chunk.len();
            self.feed(chunk, cx, now);
            if bytes >= READ_BYTES_PER_TURN {
                return Flow::HasMore;
            }
        }
        if bytes == 0 {
            self.link.settle();
        }
        if bytes > 0 && self.is_tcp && (self.decoder.has_partial() || self.link.has_partial()) {
            // JavaScript writes a header and its body apart, and Nagle holds the body until the header is acknowledged:
            // say so now rather than after the delayed-acknowledgement timer's 40 ms.
            let _ = sys::set_quickack(self.link.fd());
        }
        Flow::Waits
    }

    /// Hands a chunk to the session, a few frames at a time.
    ///
    /// Replies that come out of it leave as soon as there are enough of them for a write of their own: while we answer the rest
    /// of a batch, the peer is at work on the first part, instead of both waiting for each other in turn.
    fn feed(&mut self, chunk: Bytes, cx: &mut Context<'_>, now: Time) {
        self.decoder.push(chunk);
        while self.feed_some(now) {
            self.dispatch();
            if self.connection.inspect(|session| session.interactive_bytes()) >= EARLY_WRITE_BYTES {
                self.write(cx, now);
            }
        }
    }

    /// Hands over frames until some are done; says whether there may be more.
    fn feed_some(&mut self, now: Time) -> bool {
        let mut session = self.connection.0.session.borrow_mut();
        for _ in 0..FRAMES_PER_STEP {
            match self.decoder.next_item() {
                Ok(Some(item)) => {
                    if session.handle_item(now, item).is_err() {
                        // The session knows why; what follows is for nobody.
                        self.is_eof = true;
                        return false;
                    }
                }
                Ok(None) => return false,
                Err(error) => {
                    session.handle_closed(error.into());
                    self.is_eof = true;
                    return false;
                }
            }
        }
        true
    }

    /// Tells everybody what the session has to say.
    ///
    /// New calls wait until the tasks that were woken have run: a caller may ask about a stream right behind its end (muxrpc 8
    /// calls back when it has written, not when it was heard), and means the stream as it ended.
    fn dispatch(&mut self) {
        let inner = &self.connection.0;
        loop {
            if self.has_woken && inner.session.borrow().is_work_next() {
                return;
            }
            let event = inner.session.borrow_mut().poll_event();
            let waker = match event {
                None => return,
                Some(Event::Readable(key)) => {
                    self.has_woken |= inner.wake(key, Half::Recv);
                    None
                }
                Some(Event::Writable(key)) => {
                    self.has_woken |= inner.wake(key, Half::Send);
                    None
                }
                Some(Event::Reply(id, reply)) => inner.requests.borrow_mut().answer(id, reply),
                Some(Event::RequestsWritable) => {
                    let queue = inner.requests.borrow_mut().take_queue();
                    self.has_woken |= !queue.is_empty();
                    queue.into_iter().for_each(std::task::Waker::wake);
                    None
                }
                Some(Event::Opened(key, body)) => {
                    self.service.handle_opened(&self.connection, key, body);
                    None
                }
                Some(Event::Request(request, body)) => {
                    self.service.handle_request(&self.connection, request, body);
                    None
                }
                Some(Event::Aborted(key, _)) => {
                    // Ours have an owner who will find out; theirs have a handler, whose work is for nobody now.
                    if key.id() < 0 {
                        inner.cancel(key);
                    }
                    None
                }
            };
            if let Some(waker) = waker {
                self.has_woken = true;
                waker.wake();
            }
        }
    }

    fn write(&mut self, cx: &mut Context<'_>, now: Time) -> Flow {
        let mut bytes = 0;
        if !self.link.is_flushed()
            && let Poll::Ready(Err(error)) = self.link.poll_flush(cx)
        {
            self.fail_writing(&error);
            return Flow::Waits;
        }
        loop {
            if self.output.is_empty() {
                let mut session = self.connection.0.session.borrow_mut();
                if !session.wants_transmit() {
                    return Flow::Waits;
                }
                if bytes >= WRITE_BYTES_PER_TURN {
                    return Flow::HasMore;
                }
                session.poll_transmit(now, &mut self.output, TRANSMIT_BYTES);
                if self.output.is_empty() {
                    return Flow::Waits;
                }
            }
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let count = self.output.slices(&mut slices);
            match self.link.poll_send(cx, &slices[..count]) {
                Poll::Pending => return Flow::Waits,
                Poll::Ready(Ok(sent)) => {
                    bytes += sent;
                    self.output.advance(sent);
                }
                Poll::Ready(Err(error)) => {
                    self.fail_writing(&error);
                    return Flow::Waits;
                }
            }
        }
    }

    fn fail_writing(&mut self, error: &io::Error) {
        self.is_eof = true;
        self.output = Output::default();
        self.link.give_up();
        let error = self.failure(error);
        self.connection.0.session.borrow_mut().handle_closed(error);
    }

    /// What an error of the link is to the session; one that a peer caused is counted.
    fn failure(&mut self, error: &io::Error) -> SessionError {
        if let Some(name) = link::name_of(error) {
            // Whoever is at the other end now learns nothing from us.
            self.link.give_up();
            self.connection.shard().tally(name);
        }
        SessionError::Transport(error.to_string())
    }

    /// Says goodbye in the layers below the session; whether that is done or given up.
    fn says_goodbye(&mut self, cx: &mut Context<'_>, now: Time) -> bool {
        let closed = self.link.poll_close(cx);
        closed.is_ready() || self.deadline.is_some_and(|deadline| now >= deadline)
    }

    /// Whether the connection is to be closed now.
    fn is_over(&mut self, now: Time) -> bool {
        let session = self.connection.0.session.borrow();
        let is_dead = session.error().is_some();
        // A peer that does not read keeps goodbye from being said; it has as long as one that does not answer it.
        let is_closing = self.connection.0.close.get() >= Close::Goodbye;
        if !is_dead && !is_closing && !session.is_goodbye_said() {
            return false;
        }
        let is_flushed = self.output.is_empty() && self.link.is_flushed() && !session.wants_transmit();
        let is_idle = session.streams_open() == 0;
        // After our goodbye the peer's is awaited; after its, what it sent may still be read.
        let waits_for_peer = !is_dead && !self.is_eof;
        let deadline = *self.deadline.get_or_insert(now + LINGER);
        let is_aborted = self.connection.0.close.get() == Close::Abort;
        drop(session);
        let is_lost = is_dead && (self.is_eof && !self.has_readers() || is_aborted);
        (is_flushed && (is_idle && !waits_for_peer || is_lost)) || now >= deadline
    }

    /// Whether somebody may still read what arrived before the end.
    fn has_readers(&self) -> bool {
        self.connection.inspect(|session| session.received_bytes() > 0)
    }

    fn arm_timer(&mut self, cx: &mut Context<'_>, now: Time) {
        let next = self.connection.inspect(|session| session.next_timeout());
        let Some(at) = [next, self.deadline].into_iter().flatten().min() else {
            self.timer = None;
            return;
        };
        let is_set = self.timer.as_ref().is_some_and(|(set, _)| *set <= at && *set > now);
        if !is_set {
            self.timer = Some((at, Timer::new(at.since(now))));
        }
        if let Some((_, timer)) = &mut self.timer
            && Pin::new(timer).poll(cx).is_ready()
        {
            self.timer = None;
            cx.waker().wake_by_ref();
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.turn(cx)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.connection.0.finish();
        // The peer is told that no more comes, even while a clone of the descriptor is alive somewhere.
        let _ = self.link.shutdown_write();
    }
}
