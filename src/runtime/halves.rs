use super::{Connection, RecvError, SendError};
use crate::{
    mux::{Halves, Outgoing, Received, Sent, StreamKey, error_body},
    wire::Body,
};
use std::{
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll},
};

/// What the two halves of a stream share: when the last one goes, the stream's slot is given back.
#[derive(Debug)]
pub(crate) struct Owner {
    connection: Connection,
    key: StreamKey,
    halves: Halves,
}

impl Owner {
    pub(crate) fn halves(
        connection: &Connection,
        key: StreamKey,
        halves: Halves,
    ) -> (SendStream, RecvStream) {
        let owner = Rc::new(Self { connection: connection.clone(), key, halves });
        let send = SendStream { owner: Rc::clone(&owner), is_ended: false };
        (send, RecvStream { owner, is_ended: false })
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let inner = &self.connection.0;
        inner.wakers.borrow_mut().clear(self.key);
        inner.session.borrow_mut().release(self.key);
        inner.notify();
    }
}

/// Our half of a stream: bodies to the peer. Dropping it before [`finish`](Self::finish) tells the peer that
/// the stream was given up.
#[derive(Debug)]
pub struct SendStream {
    owner: Rc<Owner>,
    is_ended: bool,
}

impl SendStream {
    /// Sends a body, when the peer's credit and our own budgets allow; until then it waits. Waiting *is* the back pressure:
    /// there is nothing else to do.
    ///
    /// # Errors
    /// [`SendError`] when this body cannot be sent, or the stream is over.
    #[inline]
    pub async fn send<'a>(&mut self, body: impl Into<Outgoing<'a>>) -> Result<(), SendError> {
        let body = body.into();
        poll_fn(|cx| self.poll_send(cx, &body)).await
    }

    /// The step of [`send`](Self::send): pending leaves the body untaken.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    #[inline]
    pub fn poll_send(&mut self, cx: &mut Context<'_>, body: &Outgoing<'_>) -> Poll<Result<(), SendError>> {
        let inner = &self.owner.connection.0;
        let sent = inner.session.borrow_mut().send(self.owner.key, body);
        inner.notify();
        match sent {
            Ok(Sent::Queued) => Poll::Ready(Ok(())),
            Ok(Sent::Blocked) => {
                inner.wakers.borrow_mut().set_send(self.owner.key, cx.waker());
                Poll::Pending
            }
            Err(refused) => Poll::Ready(Err(SendError(refused))),
        }
    }

    /// Ends our half cleanly, behind what was sent.
    pub fn finish(&mut self) {
        self.is_ended = true;
        let inner = &self.owner.connection.0;
        inner.session.borrow_mut().finish(self.owner.key);
        inner.notify();
    }

    /// Ends our half with an error body, behind what was sent.
    pub fn fail(&mut self, error: &Body) {
        self.is_ended = true;
        let inner = &self.owner.connection.0;
        inner.session.borrow_mut().fail(self.owner.key, error);
        inner.notify();
    }

    /// The connection the stream belongs to.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.owner.connection
    }
}

impl Drop for SendStream {
    fn drop(&mut self) {
        if self.is_ended || !self.owner.halves.send {
            return;
        }
        let inner = &self.owner.connection.0;
        inner.session.borrow_mut().cancel(self.owner.key, Some(error_body("the stream was given up")));
        inner.notify();
    }
}

/// The peer's half of a stream: bodies from the peer. Dropping it tells the peer to stop, if nothing else is left
/// to the stream.
#[derive(Debug)]
pub struct RecvStream {
    owner: Rc<Owner>,
    is_ended: bool,
}

impl RecvStream {
    /// The next body, `None` at a clean end. Asking for more is what earns the peer credit.
    ///
    /// # Errors
    /// [`RecvError`] when the peer ended with an error or the session was lost; nothing follows it.
    #[inline]
    pub async fn next(&mut self) -> Option<Result<Body, RecvError>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The step of [`next`](Self::next).
    #[inline]
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Body, RecvError>>> {
        if self.is_ended {
            return Poll::Ready(None);
        }
        let inner = &self.owner.connection.0;
        let mut session = inner.session.borrow_mut();
        let before = (session.is_paused(), session.next_timeout());
        let received = session.recv(self.owner.key);
        // The driver sleeps by what it knew: a grant to write, reading to go on with, a timer to set are news to it.
        let is_news = session.wants_transmit() || before != (session.is_paused(), session.next_timeout());
        drop(session);
        if is_news {
            inner.notify();
        }
        match received {
            Received::Body(body) => return Poll::Ready(Some(Ok(body))),
            Received::Pending => {
                inner.wakers.borrow_mut().set_recv(self.owner.key, cx.waker());
                return Poll::Pending;
            }
            _ => self.is_ended = true,
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
        &self.owner.connection
    }

    /// The stream, to ask the session about.
    #[must_use]
    pub fn key(&self) -> StreamKey {
        self.owner.key
    }
}

impl Drop for RecvStream {
    fn drop(&mut self) {
        if self.is_ended {
            return;
        }
        let inner = &self.owner.connection.0;
        let mut session = inner.session.borrow_mut();
        if self.owner.halves.send {
            session.discard(self.owner.key);
        } else {
            session.cancel(self.owner.key, None);
        }
        drop(session);
        inner.notify();
    }
}
