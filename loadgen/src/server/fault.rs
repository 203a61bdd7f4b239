//! A server that is wrong on purpose, to see that its clients notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

/// One message to be spoiled, on whichever stream asks first.
#[derive(Clone, Debug)]
pub(crate) struct Fault(Arc<AtomicBool>);

impl Fault {
    /// A message to spoil, or none.
    pub(crate) fn new(is_due: bool) -> Self {
        Self(Arc::new(AtomicBool::new(is_due)))
    }

    /// Whether the caller is to spoil its first message.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// The same bytes, except for the last bit of the last one.
pub(crate) fn spoiled(body: &[u8]) -> Bytes {
    let mut body = body.to_vec();
    if let Some(last) = body.last_mut() {
        *last ^= 1;
    }
    body.into()
}
