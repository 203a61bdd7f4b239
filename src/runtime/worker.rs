use super::{Error, Mesh, Result, answer::answer};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
};

type Job = Box<dyn FnOnce() + Send>;

/// A thread for work that blocks, such as that of a store. Jobs are done one after the other, in the order in which they were given. There is
/// no bound on how many wait: each has somebody who waits for it. glommio's own blocking thread is no place for them: dialling
/// keeps that one busy for seconds.
pub struct Worker(mpsc::Sender<Job>);

impl Worker {
    /// Starts the thread, which ends after its last job when this is dropped.
    ///
    /// # Errors
    /// [`Error::Io`] when the system has no thread to give.
    pub fn start(name: &str) -> Result<Self> {
        let (sender, jobs) = mpsc::channel::<Job>();
        let work = move || {
            for job in jobs {
                if catch_unwind(AssertUnwindSafe(job)).is_err() {
                    tracing::error!("work that blocks panicked");
                }
            }
        };
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(Error::io("cannot start a thread"))?;
        Ok(Self(sender))
    }

    /// Has a job done, from shard `from` of the mesh; the job is on its way when this returns.
    ///
    /// # Panics
    /// The future, if the job panics.
    pub fn run<S: 'static, R: Send + 'static, J: FnOnce() -> R + Send + 'static>(
        &self,
        (mesh, from): (&Mesh<S>, usize),
        job: J,
    ) -> impl Future<Output = R> + use<S, R, J> {
        let (giver, answer) = answer();
        let mesh = mesh.clone();
        // The thread is there for as long as we are.
        let _ = self.0.send(Box::new(move || giver.give(job(), &mesh, from)));
        answer
    }
}
