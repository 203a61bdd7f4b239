use super::{Error, Result, Shard, answer::answer, io::sys};
use std::{
    collections::VecDeque,
    future::poll_fn,
    os::fd::{AsFd, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
};

/// What one shard gives another to do, with that shard's state.
type Errand<S> = Box<dyn FnOnce(&Rc<S>) + Send>;

/// How shards with state of type `S` give each other work. What crosses is a closure; the state itself never leaves its shard.
/// Errands from one shard to another are run in the order in which they were given.
///
/// An errand costs an allocation, a lock that is hardly ever waited for, and a signal if the other shard's list was empty; so
/// what is many (messages, notes) travels in batches. Lists have no bound of their own: each errand stands for something that its
/// sender counts (messages without a verdict, a call that waits), or for a batch that has been stored.
pub struct Mesh<S>(Arc<[Post<S>]>);

struct Post<S> {
    errands: Mutex<VecDeque<Errand<S>>>,
    bell: OwnedFd,
}

/// Errands run before other tasks of the shard get their turn.
const ERRANDS_A_TURN: usize = 64;

impl<S> Clone for Mesh<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: 'static> Mesh<S> {
    /// A mesh for as many shards.
    ///
    /// # Errors
    /// [`Error::Io`] when the event counters cannot be made.
    pub fn new(shards: usize) -> Result<Self> {
        let make = |_| {
            let bell = sys::eventfd().map_err(Error::io("cannot make an event counter"))?;
            Ok(Post { errands: Mutex::default(), bell })
        };
        (0..shards).map(make).collect::<Result<Arc<[_]>>>().map(Self)
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.0.len()
    }

    /// Runs from now on what others give this shard to do.
    ///
    /// # Errors
    /// [`Error::Io`] when the event counter cannot be waited for.
    pub fn join(&self, shard: &Shard, state: Rc<S>) -> Result<()> {
        let (mesh, index) = (self.clone(), shard.index());
        let bell = mesh.0[index].bell.try_clone().and_then(|bell| shard.hub().watch(bell));
        let mut bell = bell.map_err(Error::io("cannot wait for other shards"))?;
        shard.spawn(async move {
            while poll_fn(|cx| bell.poll_readable(cx)).await.is_ok() {
                // Emptied before the list is looked at, so that what comes after rings again.
                let _ = sys::eventfd_drain(bell.fd());
                bell.clear_ready();
                while mesh.run_some(index, &state) {
                    glommio::executor().yield_if_needed().await;
                }
            }
        });
        Ok(())
    }

    /// Runs a turn's worth; says whether there may be more.
    fn run_some(&self, index: usize, state: &Rc<S>) -> bool {
        let errands: Vec<_> = {
            let mut list = self.0[index].errands.lock().unwrap_or_else(PoisonError::into_inner);
            let count = list.len().min(ERRANDS_A_TURN);
            list.drain(..count).collect()
        };
        let is_full = errands.len() == ERRANDS_A_TURN;
        for errand in errands {
            if catch_unwind(AssertUnwindSafe(|| errand(state))).is_err() {
                tracing::error!("what another shard asked for panicked");
            }
        }
        is_full
    }

    /// Gives shard `to` something to do. For ourselves too it is done later, never before this returns.
    ///
    /// # Panics
    /// If there is no such shard.
    pub fn tell(&self, to: usize, errand: impl FnOnce(&Rc<S>) + Send + 'static) {
        let post = &self.0[to];
        let mut errands = post.errands.lock().unwrap_or_else(PoisonError::into_inner);
        let was_empty = errands.is_empty();
        errands.push_back(Box::new(errand));
        drop(errands);
        if was_empty {
            // A full counter is a bell that rings already.
            let _ = sys::eventfd_signal(post.bell.as_fd());
        }
    }

    /// Gives every shard something to do.
    pub fn tell_all(&self, errand: impl Fn(&Rc<S>) + Clone + Send + 'static) {
        (0..self.shards()).for_each(|to| self.tell(to, errand.clone()));
    }

    /// Asks shard `to`, and waits for what it says. To be called on shard `from`. Never answered once `to` has ended.
    ///
    /// # Panics
    /// As [`tell`](Self::tell).
    pub async fn ask<R: Send + 'static>(
        &self,
        (from, to): (usize, usize),
        question: impl FnOnce(&Rc<S>) -> R + Send + 'static,
    ) -> R {
        let (giver, answer) = answer();
        let mesh = self.clone();
        self.tell(to, move |state| giver.give(question(state), &mesh, from));
        answer.await
    }

    /// As [`ask`](Self::ask), of something that takes the other shard a while.
    ///
    /// # Panics
    /// As [`tell`](Self::tell).
    pub async fn ask_later<R: Send + 'static, F: Future<Output = R> + 'static>(
        &self,
        (from, to): (usize, usize),
        question: impl FnOnce(Rc<S>) -> F + Send + 'static,
    ) -> R {
        let (giver, answer) = answer();
        let mesh = self.clone();
        self.tell(to, move |state| {
            let work = question(Rc::clone(state));
            glommio::spawn_local(async move { giver.give(work.await, &mesh, from) }).detach();
        });
        answer.await
    }
}
