use super::{
    Error, Grant, Peer, RecvStream, Result, SendError, SendStream, Shard,
    halves::stream_halves,
    requests::{Reply, Requests},
    tasks::{Job, Tasks, Work},
    wakers::{Half, Waiter, Wakers},
};
use crate::{
    mux::{Counters, Halves, InboundRequest, Outgoing, Session, SessionError, StreamKey},
    wire::Body,
};
use std::{
    any::{Any, TypeId},
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt,
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
};

/// A connection and its session, as handlers and callers see it. Clones are handles to the same; they do not keep it
/// open.
#[derive(Clone)]
pub struct Connection(pub(crate) Rc<Inner>);

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("peer", &self.0.peer).finish_non_exhaustive()
    }
}

pub(crate) struct Inner {
    pub(crate) session: RefCell<Session>,
    pub(crate) wakers: RefCell<Wakers>,
    pub(crate) requests: RefCell<Requests>,
    pub(crate) tasks: Rc<Tasks>,
    driver: RefCell<Option<Waker>>,
    /// The driver knows already that there is work.
    is_notified: Cell<bool>,
    /// Somebody asked for the end.
    pub(crate) close: Cell<Close>,
    closed_wakers: RefCell<Vec<Waker>>,
    is_closed: Cell<bool>,
    state: RefCell<HashMap<TypeId, Rc<dyn Any>>>,
    shard: Shard,
    peer: Peer,
    grant: Grant,
}

/// How far a connection is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Close {
    No,
    /// After the work at hand.
    Drain,
    /// Now, with goodbye.
    Goodbye,
    /// Now, without a word more than is queued.
    Abort,
}

impl Connection {
    pub(crate) fn new(session: Session, shard: Shard, peer: Peer, grant: Grant) -> Self {
        Self(Rc::new(Inner {
            session: RefCell::new(session),
            wakers: RefCell::default(),
            requests: RefCell::default(),
            tasks: Rc::new(Tasks::new(shard.handlers().clone())),
            driver: RefCell::new(None),
            is_notified: Cell::new(false),
            close: Cell::new(Close::No),
            closed_wakers: RefCell::default(),
            is_closed: Cell::new(false),
            state: RefCell::default(),
            shard,
            peer,
            grant,
        }))
    }

    /// The shard the connection lives on.
    #[must_use]
    pub fn shard(&self) -> &Shard {
        &self.0.shard
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// What [`Service::authorise`](super::Service::authorise) granted the peer, if it is a `T`.
    #[must_use]
    pub fn granted<T: 'static>(&self) -> Option<&T> {
        self.0.grant.downcast_ref()
    }

    /// What happened in the session so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.0.session.borrow().counters().clone()
    }

    /// Runs a question on the session.
    pub fn inspect<T>(&self, ask: impl FnOnce(&Session) -> T) -> T {
        ask(&self.0.session.borrow())
    }

    /// State of the connection of type `T`, made by `T::default()` at the first call and dropped with the connection.
    #[must_use]
    pub fn state<T: Default + 'static>(&self) -> Rc<T> {
        let mut state = self.0.state.borrow_mut();
        let entry = state.entry(TypeId::of::<T>()).or_insert_with(|| Rc::new(T::default()));
        Rc::clone(entry).downcast().unwrap_or_else(|_| unreachable!("entries are filed under their own type"))
    }

    /// Opens a stream; the halves are the caller's to hold. The opening body says what is wanted.
    ///
    /// # Errors
    /// [`SendError`] when the opening cannot be sent.
    pub fn open<'a>(
        &self,
        halves: Halves,
        opening: impl Into<Outgoing<'a>>,
    ) -> Result<(SendStream, RecvStream), SendError> {
        let key = self.0.session.borrow_mut().open(halves, &opening.into())?;
        self.0.notify();
        Ok(stream_halves(self, key, halves))
    }

    /// Waits until few enough openings of streams wait to be sent. [`open`](Self::open) does not wait by itself.
    pub async fn openable(&self) {
        poll_fn(|cx| {
            if self.0.session.borrow_mut().may_open() {
                return Poll::Ready(());
            }
            self.0.requests.borrow_mut().wait_for_place(cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// Sends a request and waits for its reply: a body, or the peer's error body. Dropping the future forgets the reply.
    ///
    /// # Errors
    /// [`SendError`] when the request cannot be sent or the session ends first.
    pub async fn request<'a>(&self, body: impl Into<Outgoing<'a>>) -> Result<Reply, SendError> {
        let body = body.into();
        let id = poll_fn(|cx| {
            let sent = self.0.session.borrow_mut().request(&body);
            match sent {
                Ok(Some(id)) => Poll::Ready(Ok(id)),
                Ok(None) => {
                    self.0.requests.borrow_mut().wait_for_place(cx.waker());
                    Poll::Pending
                }
                Err(refused) => Poll::Ready(Err(SendError(refused))),
            }
        })
        .await?;
        self.0.requests.borrow_mut().insert(id);
        let _forget = Forget { connection: self, id };
        self.0.notify();
        let reply = poll_fn(|cx| self.0.requests.borrow_mut().poll(id, cx.waker())).await;
        reply.map_err(|error| SendError(crate::mux::RefusedSend::Session(error)))
    }

    /// Takes a stream of the peer's and serves it with what `serve` makes of its halves. The future is dropped when the peer
    /// aborts, or when the session is lost.
    pub fn accept(&self, key: StreamKey, halves: Halves, serve: impl FnOnce(SendStream, RecvStream) -> Work) {
        self.0.session.borrow_mut().accept(key, halves);
        let (send, recv) = stream_halves(self, key, halves);
        self.start(Job::stream(key), serve(send, recv));
    }

    /// Refuses a stream of the peer's.
    pub fn refuse(&self, key: StreamKey, error: &Body) {
        let mut session = self.0.session.borrow_mut();
        session.cancel(key, Some(error.clone()));
        session.release(key);
        drop(session);
        self.0.notify();
    }

    /// Whether a request of this id is being answered: a peer that uses an id twice would take the first one's place.
    #[must_use]
    pub fn is_answering(&self, request: &InboundRequest) -> bool {
        self.0.tasks.is_running(Job::request(request.id()))
    }

    /// Runs what answers a request. The future is dropped when the session is lost.
    pub fn serve_request(&self, request: &InboundRequest, work: impl Future<Output = ()> + 'static) {
        self.start(Job::request(request.id()), Box::pin(work));
    }

    fn start(&self, job: Job, work: Work) {
        let inner = Rc::clone(&self.0);
        self.0.tasks.start(job, work, move || {
            tracing::error!(peer = %inner.peer, "a handler panicked: its connection is closed");
            inner.fail(SessionError::Panicked);
        });
    }

    /// Answers a request.
    pub fn reply<'a>(&self, request: InboundRequest, body: impl Into<Outgoing<'a>>) {
        // A body that cannot be sent has been answered with an error.
        let _ = self.0.session.borrow_mut().reply(request, &body.into());
        self.0.notify();
    }

    /// Answers a request with an error body.
    pub fn reply_error(&self, request: InboundRequest, error: &Body) {
        self.0.session.borrow_mut().reply_error(request, error);
        self.0.notify();
    }

    /// Opens our control stream, if the peer has not made us do so already. Only toward peers that are known to take it.
    pub fn offer_control(&self) {
        self.0.session.borrow_mut().offer_control();
        self.0.notify();
    }

    /// Takes no new work, and says goodbye when the work at hand is done.
    pub fn drain(&self) {
        self.0.close(Close::Drain);
    }

    /// Ends all streams, says goodbye and closes.
    pub fn close(&self) {
        self.0.close(Close::Goodbye);
    }

    pub(crate) fn abort(&self) {
        self.0.close(Close::Abort);
    }

    /// Waits until the connection is closed; yields why.
    pub async fn closed(&self) -> SessionError {
        poll_fn(|cx| {
            if self.0.is_closed.get() {
                return Poll::Ready(());
            }
            let mut waiting = self.0.closed_wakers.borrow_mut();
            if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
        self.inspect(|session| session.error().cloned()).unwrap_or(SessionError::Closed)
    }
}

/// Forgets a request whose caller goes away.
struct Forget<'a> {
    connection: &'a Connection,
    id: i32,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        let inner = &self.connection.0;
        if inner.requests.borrow_mut().forget(self.id) {
            inner.session.borrow_mut().forget_request(self.id);
            inner.notify();
        }
    }
}

impl Inner {
    /// Tells the driver that there is something to do, once.
    #[inline]
    pub(crate) fn notify(&self) {
        if !self.is_notified.replace(true)
            && let Some(waker) = &*self.driver.borrow()
        {
            waker.wake_by_ref();
        }
    }

    /// Wakes who waits on half a stream; says whether somebody did.
    pub(crate) fn wake(&self, key: StreamKey, half: Half) -> bool {
        let waiter = self.wakers.borrow_mut().take(key, half);
        match waiter {
            None => return false,
            Some(Waiter::Handler) => self.tasks.wake(Job::stream(key)),
            Some(Waiter::Other(waker)) => waker.wake(),
        }
        true
    }

    /// The peer gave a stream of its own up: nobody needs what its handler does.
    pub(crate) fn cancel(&self, key: StreamKey) {
        self.tasks.cancel(Job::stream(key));
    }

    /// The driver begins a turn.
    pub(crate) fn begin_turn(&self, waker: &Waker) {
        // Whatever is asked for during the turn is seen before it ends.
        self.is_notified.set(true);
        let mut driver = self.driver.borrow_mut();
        if !driver.as_ref().is_some_and(|old| old.will_wake(waker)) {
            *driver = Some(waker.clone());
        }
    }

    pub(crate) fn end_turn(&self) {
        self.is_notified.set(false);
    }

    fn close(&self, how: Close) {
        self.close.set(self.close.get().max(how));
        // Even in the middle of a turn, which has looked at this already.
        self.is_notified.set(false);
        self.notify();
    }

    /// The peer was silent for too long.
    pub(crate) fn session_idle(&self) {
        self.shard.tally("session_idle");
    }

    pub(crate) fn fail(&self, error: SessionError) {
        self.session.borrow_mut().handle_closed(error);
        self.close(Close::Abort);
    }

    /// The driver is done: nobody shall wait any longer.
    pub(crate) fn finish(&self) {
        self.session.borrow_mut().handle_closed(SessionError::Closed);
        let error = self.session.borrow().error().cloned().unwrap_or(SessionError::Closed);
        let waiting = self.requests.borrow_mut().close(&error);
        waiting.into_iter().for_each(Waker::wake);
        self.tasks.cancel_all();
        let waiting = self.wakers.borrow_mut().take_all();
        waiting.into_iter().for_each(Waker::wake);
        // Out of the borrow first: what is dropped may ask for state again.
        drop(self.state.take());
        self.is_closed.set(true);
        self.closed_wakers.take().into_iter().for_each(Waker::wake);
    }
}

impl From<SessionError> for SendError {
    fn from(error: SessionError) -> Self {
        Self(crate::mux::RefusedSend::Session(error))
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Self::Runtime(error.to_string())
    }
}
