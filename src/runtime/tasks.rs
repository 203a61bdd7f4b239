use crate::mux::IdMap;
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// Counts what is alive: each holder of a [`Live`] is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Census(Rc<Cell<usize>>);

impl Census {
    pub(crate) fn count(&self) -> usize {
        self.0.get()
    }

    pub(crate) fn enter(&self) -> Live {
        self.0.set(self.0.get() + 1);
        Live(self.clone())
    }
}

/// One of those that a [`Census`] counts, until dropped.
#[derive(Debug)]
pub(crate) struct Live(Census);

impl Drop for Live {
    fn drop(&mut self) {
        self.0.0.set(self.0.0.get() - 1);
    }
}

/// What a handler does, ready to be polled.
pub type Work = Pin<Box<dyn Future<Output = ()>>>;

struct Slot {
    /// Out of its slot while it is being polled.
    work: Option<Work>,
    /// Wakes the task that polls it, which ends when it finds the slot gone.
    waker: Waker,
    _live: Live,
}

/// The handlers of one connection that are at work, by the id of what they answer.
///
/// The futures are kept here rather than in their tasks, so that cancelling one drops it at once: glommio drops a
/// cancelled task when its turn comes, and never if the executor ends first.
#[derive(Default)]
pub(crate) struct Tasks {
    slots: RefCell<IdMap<Slot>>,
}

impl Tasks {
    /// Runs `work` until it ends or is cancelled. It is polled at once; only if it has to wait does it become a task.
    /// A panic is caught, since glommio would end the whole shard over it, and `panicked` is called.
    pub(crate) fn start(self: &Rc<Self>, id: i32, live: Live, mut work: Work, panicked: impl Fn() + 'static) {
        match step(&mut work, &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(true) => return,
            Poll::Ready(false) => return panicked(),
            Poll::Pending => {}
        }
        let slot = Slot { work: Some(work), waker: Waker::noop().clone(), _live: live };
        self.slots.borrow_mut().insert(id, slot);
        let tasks = Rc::clone(self);
        let task = glommio::spawn_local(poll_fn(move |cx| {
            let step = tasks.step(id, cx);
            if matches!(step, Poll::Ready(false)) {
                panicked();
            }
            step.map(|_| ())
        }));
        task.detach();
    }

    /// Polls the work in a slot; ready with whether it ended well once it is over or was cancelled.
    fn step(&self, id: i32, cx: &mut Context<'_>) -> Poll<bool> {
        let taken = self.slots.borrow_mut().get_mut(&id).and_then(|slot| slot.work.take());
        let Some(mut work) = taken else { return Poll::Ready(true) };
        let polled = step(&mut work, cx);
        let mut slots = self.slots.borrow_mut();
        if polled.is_ready() {
            let slot = slots.remove(&id);
            drop(slots);
            drop((slot, work));
            return polled;
        }
        match slots.get_mut(&id) {
            Some(slot) => {
                if !slot.waker.will_wake(cx.waker()) {
                    slot.waker = cx.waker().clone();
                }
                slot.work = Some(work);
                Poll::Pending
            }
            // Cancelled by its own doing while it was being polled.
            None => {
                drop(slots);
                Poll::Ready(true)
            }
        }
    }

    pub(crate) fn is_running(&self, id: i32) -> bool {
        self.slots.borrow().contains_key(&id)
    }

    /// Drops the future at work for `id`, if there is one.
    pub(crate) fn cancel(&self, id: i32) {
        let slot = self.slots.borrow_mut().remove(&id);
        if let Some(slot) = slot {
            slot.waker.wake_by_ref();
        }
    }

    /// Drops all futures at work.
    pub(crate) fn cancel_all(&self) {
        let ids: Vec<i32> = self.slots.borrow().keys().copied().collect();
        for id in ids {
            self.cancel(id);
        }
    }
}

/// Polls once; ready with `false` when it panicked.
fn step(work: &mut Work, cx: &mut Context<'_>) -> Poll<bool> {
    // Whatever state a panic leaves behind is dropped with the connection.
    match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(polled) => polled.map(|()| true),
        Err(_) => Poll::Ready(false),
    }
}
