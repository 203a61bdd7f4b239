//! What the lines of both backends have in common: who waits, and how it ended.

use std::cell::Cell;
use std::io;
use std::task::{Context, Waker};

use bytes::Bytes;

/// How a stream ended, once it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Open,
    Eof,
    Errno(i32),
}

impl End {
    /// What a reader with nothing left to read gets to see, now and each time it asks again.
    pub(super) fn result(self) -> Option<io::Result<Bytes>> {
        match self {
            Self::Open => None,
            Self::Eof => Some(Ok(Bytes::new())),
            Self::Errno(errno) => Some(Err(io::Error::from_raw_os_error(errno))),
        }
    }
}

/// One waiting task. Replacing or waking never happens under a borrow, so whatever the old waker's
/// drop sets off may come back to the hub.
#[derive(Default)]
pub(super) struct Waiter(Cell<Option<Waker>>);

impl Waiter {
    pub(super) fn set(&self, cx: &Context<'_>) {
        let waker = match self.0.take() {
            Some(waker) if waker.will_wake(cx.waker()) => waker,
            _ => cx.waker().clone(),
        };
        self.0.set(Some(waker));
    }

    pub(super) fn take(&self) -> Option<Waker> {
        self.0.take()
    }

    /// Whether somebody waits.
    pub(super) fn is_set(&self) -> bool {
        let waker = self.0.take();
        let set = waker.is_some();
        self.0.set(waker);
        set
    }
}
