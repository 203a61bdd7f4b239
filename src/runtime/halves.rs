use super::{Connection, RecvError, SendError, tasks::Job, wakers::Half};
use crate::{
    mux::{Halves, Outgoing, Received, Sent, Session, StreamKey, error_body},
    wire::Body,
};
use std::{
    future::poll_fn,
    task::{Context, Poll, Waker},
};

/// One holder of half a stream. When both are gone, the stream's slot is given back. What the two have to know of each other stands
/// in the connection's [`Wakers`](super::wakers::Wakers): halves are held by the ten thousand, so they are small.
#[derive(Debug)]
struct Holder {
    connection: Connection,
    key: StreamKey,
}

impl Holder {
    fn wait(&self, half: Half, waker: &Waker) {
        let inner = &self.connection.0;
        let mut wakers = inner.wakers.borrow_mut();
        if inner.tasks.is_at_work(Job::stream(self.key), waker) {
            wakers.wait_handler(self.key, half);
        } else {
            wakers.wait(self.key, half, waker);
        }
    }

    /// Does what the end of a half asks of the session, and gives the slot back with the second half.
    fn let_go(&self, half: Half, end: impl FnOnce(&mut Session, bool)) {
        let inner = &self.connection.0;
        let mut wakers = inner.wakers.borrow_mut();
        let mut session = inner.session.borrow_mut();
        if !wakers.is_over(self.key, half) {
            end(&mut session, wakers.carries_ours(self.key));
        }
        if wakers.let_go(self.key, half) {
            session.release(self.key);
        }
        drop((wakers, session));
        inner.notify();
    }
}

/// The two halves of a stream that has just been opened or accepted.
pub(crate) fn stream_halves(
    connection: &Connection,
    key: StreamKey,
    halves: Halves,
) -> (SendStream, RecvStream) {
    connection.0.wakers.borrow_mut().hold(key, halves);
    let holder = || Holder { connection: connection.clone(), key };
    (SendStream(holder()), RecvStream(holder()))
}

/// Our half of a stream: bodies to the peer. Dropping it before [`finish`](Self::finish) tells the peer that
/// the stream was given up.
#[derive(Debug)]
pub struct SendStream(Holder);

impl SendStream {
    /// Sends a body, when the peer's credit and our own budgets allow; until then it waits. Waiting *is* the back pressure:
    /// there is nothing else to do.
    ///
    /// # Errors
    /// [`SendError`] when this body cannot be sent, or the stream is over.
    // No `async fn`: that would keep the body twice, as it was given and as it goes out, in the future of every handler that
    // ever sends.
    #[inline]
    pub fn send<'a>(&mut self, body: impl Into<Outgoing<'a>>) -> impl Future<Output = Result<(), SendError>> {
        let body = body.into();
        poll_fn(move |cx| self.poll_send(cx, &body))
    }

    /// The step of [`send`](Self::send): pending leaves the body untaken.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    #[inline]
    pub fn poll_send(&mut self, cx: &mut Context<'_>, body: &Outgoing<'_>) -> Poll<Result<(), SendError>> {
        let inner = &self.0.connection.0;
        let sent = inner.session.borrow_mut().send(self.0.key, body);
        inner.notify();
        match sent {
            Ok(Sent::Queued) => Poll::Ready(Ok(())),
            Ok(Sent::Blocked) => {
                self.0.wait(Half::Send, cx.waker());
                Poll::Pending
            }
            Err(refused) => Poll::Ready(Err(SendError(refused))),
        }
    }

    /// Waits until a body would be taken: for who has it made only then, as out of a file.
    ///
    /// # Errors
    /// [`SendError`] when the stream is over.
    pub fn ready(&mut self) -> impl Future<Output = Result<(), SendError>> {
        poll_fn(|cx| {
            let inner = &self.0.connection.0;
            let sent = inner.session.borrow_mut().may_send(self.0.key);
            match sent {
                Ok(Sent::Queued) => Poll::Ready(Ok(())),
                Ok(Sent::Blocked) => {
                    inner.notify();
                    self.0.wait(Half::Send, cx.waker());
                    Poll::Pending
                }
                Err(refused) => Poll::Ready(Err(SendError(refused))),
            }
        })
    }

    /// Ends our half cleanly, behind what was sent.
    pub fn finish(&mut self) {
        let inner = &self.0.connection.0;
        inner.wakers.borrow_mut().set_over(self.0.key, Half::Send);
        inner.session.borrow_mut().finish(self.0.key);
        inner.notify();
    }

    /// Ends our half with an error body, behind what was sent.
    pub fn fail(&mut self, error: &Body) {
        let inner = &self.0.connection.0;
        inner.wakers.borrow_mut().set_over(self.0.key, Half::Send);
        inner.session.borrow_mut().fail(self.0.key, error);
        inner.notify();
    }

    /// The connection the stream belongs to.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.0.connection
    }

    /// The stream, to ask the session about.
    #[must_use]
    pub const fn key(&self) -> StreamKey {
        self.0.key
    }
}

impl Drop for SendStream {
    fn drop(&mut self) {
        let key = self.0.key;
        self.0.let_go(Half::Send, |session, carries_ours| {
            if carries_ours {
                session.cancel(key, Some(error_body("the stream was given up")));
            }
        });
    }
}

/// The peer's half of a stream: bodies from the peer. Dropping it tells the peer to stop, if nothing else is left
/// to the stream.
#[derive(Debug)]
pub struct RecvStream(Holder);

impl RecvStream {
    /// The next body, `None` at a clean end. Asking for more is what earns the peer credit.
    ///
    /// # Errors
    /// [`RecvError`] when the peer ended with an error or the session was lost; nothing follows it.
    #[expect(
        clippy::should_implement_trait,
        reason = "the name that streams of futures have, and no iterator's"
    )]
    #[inline]
    pub fn next(&mut self) -> impl Future<Output = Option<Result<Body, RecvError>>> {
        poll_fn(|cx| self.poll_next(cx))
    }

    /// The step of [`next`](Self::next).
    #[inline]
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Body, RecvError>>> {
        let inner = &self.0.connection.0;
        let mut session = inner.session.borrow_mut();
        let before = session.recv_terms();
        let body = session.recv_body(self.0.key);
        // The driver sleeps by what it knew: a grant to write, reading to go on with, a timer to set are news to it.
        let is_news = session.wants_grants() || before != session.recv_terms();
        if let Some(body) = body {
            drop(session);
            if is_news {
                inner.notify();
            }
            return Poll::Ready(Some(Ok(body)));
        }
        let received = session.recv_end(self.0.key);
        drop(session);
        match received {
            _ if inner.wakers.borrow().is_over(self.0.key, Half::Recv) => return Poll::Ready(None),
            Received::Pending => {
                self.0.wait(Half::Recv, cx.waker());
                return Poll::Pending;
            }
            _ => inner.wakers.borrow_mut().set_over(self.0.key, Half::Recv),
        }
        Poll::Ready(match received {
            Received::Error(body) => Some(Err(RecvError::Peer(body))),
            Received::Closed(error) => Some(Err(RecvError::Session(error))),
            _ => None,
        })
    }

    /// The connection the stream belongs to.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.0.connection
    }

    /// The stream, to ask the session about.
    #[must_use]
    pub fn key(&self) -> StreamKey {
        self.0.key
    }
}

impl Drop for RecvStream {
    fn drop(&mut self) {
        let key = self.0.key;
        self.0.let_go(Half::Recv, |session, carries_ours| {
            if carries_ours {
                session.discard(key);
            } else {
                session.cancel(key, None);
            }
        });
    }
}
