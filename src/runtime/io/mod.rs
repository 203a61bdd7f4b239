//! How the sockets of one shard wait and move their bytes.
//!
//! Each shard owns a [`Hub`]. A socket is attached to it once; from then on its owner polls
//! [`Socket::poll_recv`] and [`Socket::poll_send`], and the hub's pump, one task of the shard,
//! learns from the kernel what can go on and wakes the owners. The executor itself waits for one
//! descriptor only, which stands for all of them.
//!
//! There are two backends, see [`Backend`]. With the ring, data arrives with the news of it: the
//! kernel receives into buffers of its choice, and what the owner gets is a slice of such a
//! buffer, which goes back to the kernel when the last slice of it is dropped, on any thread. With
//! epoll the news comes first, and the owner's poll reads. Sending is a direct `sendmsg` in both,
//! as that measured no slower than sending through the ring.
//!
//! **Invariants.** Nothing here blocks the thread. Nothing here is `Send` but the slices. A slot
//! or a descriptor number is given to nobody else while the kernel may still speak of its last
//! owner. All `unsafe` of the crate is in this folder.
//!
//! The pump and the tasks it wakes should share a task queue: the pump looks for more as soon as
//! all that it woke have run once.

#![allow(dead_code, reason = "a self-contained piece; the shard uses a part of it")]

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

mod bufring;
mod choice;
mod doorbell;
mod epoll;
mod epoll_set;
mod heartbeat;
mod line;
mod linger;
mod pages;
mod pool;
mod readiness;
mod request;
mod ring;
mod socket;
pub(crate) mod sys;
mod waiter;
mod watch;

#[cfg(test)]
mod tests;

pub(crate) use bufring::Shape;
#[allow(unused_imports, unreachable_pub, reason = "what is exported is the runtime's decision")]
pub use choice::{Backend, BackendChoice, UnknownBackend};
pub(crate) use socket::Socket;
pub(crate) use watch::Watch;

/// What a shard receives into: 4 MiB, of which a bulk stream goes round in 512 KiB.
const SHAPE: Shape = Shape { count: 64, size: 64 << 10, window: 8, copy_below: 2 << 10 };

#[derive(Clone)]
enum Driver {
    Ring(Rc<ring::Ring>),
    Epoll(Rc<epoll::Epoll>),
}

/// The sockets of one shard. A clone is another handle to the same hub.
#[derive(Clone)]
pub(crate) struct Hub(Driver);

impl Hub {
    /// A hub for the executor of this thread.
    pub(crate) fn new(choice: BackendChoice) -> io::Result<Self> {
        match choice {
            BackendChoice::Epoll => Ok(Self(Driver::Epoll(Rc::new(epoll::Epoll::new()?)))),
            BackendChoice::Ring => Self::with_shape(SHAPE),
            BackendChoice::Auto => {
                Self::new(BackendChoice::Ring).or_else(|_| Self::new(BackendChoice::Epoll))
            }
        }
    }

    /// A hub on the ring that receives into buffers of the given shape.
    pub(crate) fn with_shape(shape: Shape) -> io::Result<Self> {
        Ok(Self(Driver::Ring(Rc::new(ring::Ring::new(shape)?))))
    }

    /// The backend that was chosen.
    pub(crate) fn backend(&self) -> Backend {
        match &self.0 {
            Driver::Ring(_) => Backend::Ring,
            Driver::Epoll(_) => Backend::Epoll,
        }
    }

    /// The pump, without which no socket of the hub is ever woken. To be spawned once, inside the
    /// executor; returns soon after [`stop`](Self::stop). A second one returns at once.
    ///
    /// It also keeps timers going that get the executor up should it forget its tasks.
    pub(crate) async fn run(&self) {
        let heartbeat = glommio::spawn_local(heartbeat::heartbeat());
        match &self.0 {
            Driver::Ring(ring) => ring.run().await,
            Driver::Epoll(epoll) => epoll.run().await,
        }
        heartbeat.cancel().await;
    }

    /// Ends the pump. Sockets may still be dropped after it, but no longer wait.
    pub(crate) fn stop(&self) {
        match &self.0 {
            Driver::Ring(ring) => ring.stop(),
            Driver::Epoll(epoll) => epoll.stop(),
        }
    }

    /// Takes over a connected stream socket, TCP or Unix, and makes it non-blocking.
    pub(crate) fn attach(&self, fd: OwnedFd) -> io::Result<Socket> {
        sys::set_nonblocking(fd.as_fd())?;
        Ok(match &self.0 {
            Driver::Ring(ring) => Socket::on_ring(ring, fd),
            Driver::Epoll(epoll) => Socket::on_epoll(epoll, fd)?,
        })
    }

    /// Takes over a descriptor to wait for, and makes it non-blocking.
    pub(crate) fn watch(&self, fd: OwnedFd) -> io::Result<Watch> {
        sys::set_nonblocking(fd.as_fd())?;
        Ok(Watch::new(fd))
    }

    /// Sockets that are open in this hub.
    #[cfg(test)]
    fn lines(&self) -> usize {
        match &self.0 {
            Driver::Ring(ring) => ring.lines(),
            Driver::Epoll(epoll) => epoll.lines(),
        }
    }
}
