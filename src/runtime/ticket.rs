//! Wakers of handlers, for whatever a handler waits on that is not the framework's.

use super::tasks::Job;
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering, fence},
    },
    task::{Wake, Waker},
};

/// Jobs that were woken through their tickets, from whatever thread, and the task to tell.
#[derive(Debug, Default)]
pub(super) struct Bell(Mutex<Rung>);

#[derive(Debug, Default)]
struct Rung {
    /// Each ticket at most once.
    jobs: Vec<Job>,
    runner: Option<Waker>,
}

impl Bell {
    fn lock(&self) -> MutexGuard<'_, Rung> {
        // Nothing under the lock leaves it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The jobs that were rung for; from now on `runner` is told of others.
    pub(super) fn answer(&self, runner: &Waker) -> Vec<Job> {
        let mut rung = self.lock();
        if !rung.runner.as_ref().is_some_and(|old| old.will_wake(runner)) {
            rung.runner = Some(runner.clone());
        }
        std::mem::take(&mut rung.jobs)
    }

    /// Nobody will answer any more.
    pub(super) fn close(&self) {
        let runner = self.lock().runner.take();
        drop(runner);
    }

    fn ring(&self, job: Job) {
        let mut rung = self.lock();
        rung.jobs.push(job);
        let runner = rung.runner.clone();
        drop(rung);
        if let Some(runner) = runner {
            runner.wake();
        }
    }
}

/// What stands behind the waker of one job at a time.
#[derive(Debug)]
struct Holder {
    /// The job's two halves, as one number.
    job: AtomicU64,
    is_rung: AtomicBool,
    bell: Arc<Bell>,
}

impl Wake for Holder {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_rung.swap(true, Ordering::AcqRel) {
            self.bell.ring(unpack(self.job.load(Ordering::Relaxed)));
        }
    }
}

const fn pack(job: Job) -> u64 {
    (job.index as u64) << 32 | job.id.cast_unsigned() as u64
}

const fn unpack(number: u64) -> Job {
    // The upper and the lower half, each of which fits.
    Job { index: (number >> 32) as u32, id: (number as u32).cast_signed() }
}

/// A waker that can be given to one job after the other, as long as nobody keeps a clone.
#[derive(Debug)]
pub(super) struct Ticket {
    holder: Arc<Holder>,
    waker: Waker,
}

impl Ticket {
    pub(super) fn new(bell: &Arc<Bell>) -> Self {
        let (job, is_rung) = (AtomicU64::new(0), AtomicBool::new(false));
        let holder = Arc::new(Holder { job, is_rung, bell: Arc::clone(bell) });
        Self { waker: Waker::from(Arc::clone(&holder)), holder }
    }

    /// To be called before each poll, so that it is heard if it is woken from then on.
    pub(super) fn assign(&self, job: Job) {
        self.holder.job.store(pack(job), Ordering::Relaxed);
        // Not a store: what somebody did before it found this set, and so rang nobody, must be seen by the poll that follows.
        self.holder.is_rung.swap(false, Ordering::AcqRel);
    }

    pub(super) const fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Whether somebody has a clone of the waker.
    pub(super) fn is_held(&self) -> bool {
        // One for the holder, one for the waker.
        let is_held = Arc::strong_count(&self.holder) > 2;
        // Whoever let go last has done with the job that it may have read, before the next one is assigned.
        fence(Ordering::Acquire);
        is_held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOBS: [Job; 3] =
        [Job { index: 0, id: -1 }, Job { index: u32::MAX, id: i32::MIN }, Job { index: 7, id: i32::MAX }];

    #[test]
    fn a_ticket_rings_once_for_the_job_it_was_assigned() {
        let bell = Arc::new(Bell::default());
        let ticket = Ticket::new(&bell);
        for job in JOBS {
            ticket.assign(job);
            ticket.waker().wake_by_ref();
            ticket.waker().wake_by_ref();
            assert_eq!(bell.answer(Waker::noop()), [job]);
        }
        assert_eq!(bell.answer(Waker::noop()), []);
    }

    #[test]
    fn a_ticket_is_held_as_long_as_a_clone_lives() {
        let ticket = Ticket::new(&Arc::default());
        assert!(!ticket.is_held());
        let clone = ticket.waker().clone();
        assert!(ticket.is_held());
        std::thread::spawn(move || clone.wake()).join().unwrap();
        assert!(!ticket.is_held());
    }
}
