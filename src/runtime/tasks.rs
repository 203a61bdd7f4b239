//! Handlers at work, and the one task of a connection that polls them.
//!
//! Ten thousand handlers may wait on one connection, nearly all of them for their own stream. A glommio task for each, with a
//! waker kept wherever it waits, would cost more than the futures themselves. So a connection has one task that polls
//! those of its handlers that are ready, and a handler is given a waker for the time of a poll only: if all it did
//! with it is to wait for its own stream, a bit beside that stream says so, and the waker serves the next one.

use super::ticket::{Bell, Ticket};
use crate::mux::StreamKey;
use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, RawWakerVTable, Waker},
};

/// Counts what is alive: each holder of a [`Live`] is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Census(Rc<Cell<usize>>);

impl Census {
    pub(crate) fn count(&self) -> usize {
        self.0.get()
    }

    pub(crate) fn enter(&self) -> Live {
        self.add();
        Live(self.clone())
    }

    fn add(&self) {
        self.0.set(self.0.get() + 1);
    }

    fn remove(&self, count: usize) {
        self.0.set(self.0.get() - count);
    }
}

/// One of those that a [`Census`] counts, until dropped.
#[derive(Debug)]
pub(crate) struct Live(Census);

impl Drop for Live {
    fn drop(&mut self) {
        self.0.remove(1);
    }
}

/// What a handler does, ready to be polled.
pub type Work = Pin<Box<dyn Future<Output = ()>>>;

/// What a handler answers: a stream, by its slot and id, or a request, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Job {
    /// The slot, or [`REQUEST`].
    pub(super) index: u32,
    pub(super) id: i32,
}

/// Stands for the slot of a request, which has none. No stream has it: the session's slots end before.
const REQUEST: u32 = u32::MAX;

impl Job {
    pub(crate) fn stream(key: StreamKey) -> Self {
        Self { index: u32::try_from(key.index()).unwrap_or(REQUEST), id: key.id() }
    }

    pub(crate) const fn request(id: i32) -> Self {
        Self { index: REQUEST, id }
    }
}

/// A place of a handler.
struct Slot {
    /// Of what is answered; 0 if the place is free.
    id: i32,
    /// Out of its slot while it is being polled.
    work: Option<Work>,
}

/// A job and the identity of a waker.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Current {
    job: Job,
    data: *const (),
    vtable: *const RawWakerVTable,
}

impl Current {
    fn new(job: Job, waker: &Waker) -> Self {
        Self { job, data: waker.data(), vtable: waker.vtable() }
    }
}

/// The handlers of one connection that are at work.
///
/// The futures are kept here rather than in tasks of their own also so that cancelling one drops it at once: glommio drops a
/// cancelled task when its turn comes, and never if the executor ends first.
pub(crate) struct Tasks {
    /// Those of streams, by the streams' slots.
    streams: RefCell<Vec<Slot>>,
    /// Those of requests, and of streams whose slot another's handler has not left yet.
    others: RefCell<HashMap<Job, Option<Work>>>,
    /// Those to poll next.
    ready: RefCell<VecDeque<Job>>,
    /// The task that polls them.
    runner: RefCell<Option<Waker>>,
    is_runner_woken: Cell<bool>,
    has_runner: Cell<bool>,
    /// No handler will be started or polled any more.
    is_closed: Cell<bool>,
    /// The handler being polled, and what it is polled with.
    current: Cell<Option<Current>>,
    /// A waker that nobody holds.
    spare: Cell<Option<Ticket>>,
    /// Wakers that somebody besides the framework holds.
    held: RefCell<HashMap<Job, Ticket>>,
    bell: Arc<Bell>,
    /// Counts the handlers of the shard.
    census: Census,
    count: Cell<usize>,
}

impl Tasks {
    pub(crate) fn new(census: Census) -> Self {
        Self {
            streams: RefCell::default(),
            others: RefCell::default(),
            ready: RefCell::default(),
            runner: RefCell::default(),
            is_runner_woken: Cell::new(false),
            has_runner: Cell::new(false),
            is_closed: Cell::new(false),
            current: Cell::new(None),
            spare: Cell::new(None),
            held: RefCell::default(),
            bell: Arc::default(),
            census,
            count: Cell::new(0),
        }
    }

    /// Runs `work` until it ends or is cancelled. It is polled at once; only if it has to wait is it kept.
    /// A panic is caught, since glommio would end the whole shard over it, and `panicked` is called.
    pub(crate) fn start(self: &Rc<Self>, job: Job, mut work: Work, panicked: impl Fn() + 'static) {
        if self.is_closed.get() {
            return;
        }
        match self.poll(job, &mut work) {
            Poll::Ready(true) => return,
            Poll::Ready(false) => return panicked(),
            Poll::Pending => {}
        }
        self.keep(job, work);
        if !self.has_runner.replace(true) {
            let tasks = Rc::clone(self);
            glommio::spawn_local(poll_fn(move |cx| tasks.run(cx, &panicked))).detach();
        }
    }

    /// Gives a handler that has begun a place.
    fn keep(&self, job: Job, work: Work) {
        self.count.set(self.count.get() + 1);
        self.census.add();
        if job.index != REQUEST {
            let (index, mut streams) = (job.index as usize, self.streams.borrow_mut());
            if streams.len() <= index {
                streams.resize_with(index + 1, || Slot { id: 0, work: None });
            }
            let slot = &mut streams[index];
            if slot.id == 0 {
                *slot = Slot { id: job.id, work: Some(work) };
                return;
            }
        }
        self.others.borrow_mut().insert(job, Some(work));
    }

    /// Does something with a handler's place, if it has one.
    fn with_place<T>(&self, job: Job, act: impl FnOnce(&mut Option<Work>) -> T) -> Option<T> {
        if let Some(slot) = self.streams.borrow_mut().get_mut(job.index as usize)
            && slot.id == job.id
        {
            return Some(act(&mut slot.work));
        }
        self.others.borrow_mut().get_mut(&job).map(act)
    }

    /// Takes a handler's place away; yields what stood there, which is nothing while it is being polled.
    fn leave(&self, job: Job) -> Option<Work> {
        self.held.borrow_mut().remove(&job);
        let work = match self.streams.borrow_mut().get_mut(job.index as usize) {
            Some(slot) if slot.id == job.id => {
                slot.id = 0;
                slot.work.take()
            }
            _ => self.others.borrow_mut().remove(&job)?,
        };
        self.count.set(self.count.get() - 1);
        self.census.remove(1);
        work
    }

    /// One turn of the task that polls handlers: all that are ready when it begins, so that a driver that lets them run
    /// finds them done.
    fn run(&self, cx: &mut Context<'_>, panicked: &impl Fn()) -> Poll<()> {
        if self.is_closed.get() {
            return Poll::Ready(());
        }
        self.is_runner_woken.set(false);
        let rung = self.bell.answer(cx.waker());
        let count = {
            let mut ready = self.ready.borrow_mut();
            ready.extend(rung);
            ready.len()
        };
        for _ in 0..count {
            let Some(job) = self.ready.borrow_mut().pop_front() else { break };
            if self.step(job) {
                panicked();
            }
        }
        let mut runner = self.runner.borrow_mut();
        if !runner.as_ref().is_some_and(|old| old.will_wake(cx.waker())) {
            *runner = Some(cx.waker().clone());
        }
        if !self.ready.borrow().is_empty() || self.is_closed.get() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Polls a handler, if it is still there; says whether it panicked.
    fn step(&self, job: Job) -> bool {
        let Some(mut work) = self.with_place(job, Option::take).flatten() else { return false };
        let polled = self.poll(job, &mut work);
        if let Poll::Ready(is_well) = polled {
            self.leave(job);
            drop(work);
            return !is_well;
        }
        let mut work = Some(work);
        self.with_place(job, |place| *place = work.take());
        // Cancelled by its own doing while it was being polled, if it is dropped here.
        drop(work);
        false
    }

    /// Polls once; ready with `false` when it panicked.
    fn poll(&self, job: Job, work: &mut Work) -> Poll<bool> {
        let held = if self.held.borrow().is_empty() { None } else { self.held.borrow_mut().remove(&job) };
        let ticket = held.or_else(|| self.spare.take()).unwrap_or_else(|| Ticket::new(&self.bell));
        ticket.assign(job);
        let before = self.current.replace(Some(Current::new(job, ticket.waker())));
        let mut cx = Context::from_waker(ticket.waker());
        // Whatever state a panic leaves behind is dropped with the connection.
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(&mut cx)));
        self.current.set(before);
        if !ticket.is_held() {
            self.spare.set(Some(ticket));
        } else if matches!(polled, Ok(Poll::Pending)) {
            self.held.borrow_mut().insert(job, ticket);
        }
        polled.map_or(Poll::Ready(false), |polled| polled.map(|()| true))
    }

    /// Whether `waker` is the one that the handler of a job is being polled with: then [`wake`](Self::wake) does instead of it.
    #[inline]
    pub(crate) fn is_at_work(&self, job: Job, waker: &Waker) -> bool {
        self.current.get() == Some(Current::new(job, waker))
    }

    /// Has a handler polled again.
    #[inline]
    pub(crate) fn wake(&self, job: Job) {
        self.ready.borrow_mut().push_back(job);
        self.wake_runner();
    }

    fn wake_runner(&self) {
        if !self.is_runner_woken.replace(true)
            && let Some(runner) = &*self.runner.borrow()
        {
            runner.wake_by_ref();
        }
    }

    pub(crate) fn is_running(&self, job: Job) -> bool {
        self.with_place(job, |_| ()).is_some()
    }

    /// Drops the future at work for a job, if there is one.
    pub(crate) fn cancel(&self, job: Job) {
        let work = self.leave(job);
        drop(work);
    }

    /// Drops all futures at work, for good.
    pub(crate) fn cancel_all(&self) {
        self.is_closed.set(true);
        let streams = self
            .streams
            .borrow()
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.id != 0)
            .map(|(index, slot)| Job { index: u32::try_from(index).unwrap_or(REQUEST), id: slot.id })
            .collect::<Vec<_>>();
        let others: Vec<Job> = self.others.borrow().keys().copied().collect();
        streams.into_iter().chain(others).for_each(|job| self.cancel(job));
        self.wake_runner();
        self.bell.close();
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.census.remove(self.count.get());
    }
}
