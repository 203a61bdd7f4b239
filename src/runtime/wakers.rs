use crate::mux::StreamKey;
use std::task::Waker;

/// Who waits for what on which stream: one task for each half. Kept beside the session's slab, by the same index.
#[derive(Debug, Default)]
pub(crate) struct Wakers {
    slots: Vec<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    send: Option<Waker>,
    recv: Option<Waker>,
}

impl Wakers {
    fn slot(&mut self, key: StreamKey) -> &mut Slot {
        if self.slots.len() <= key.index() {
            self.slots.resize_with(key.index() + 1, Slot::default);
        }
        &mut self.slots[key.index()]
    }

    pub(crate) fn set_send(&mut self, key: StreamKey, waker: &Waker) {
        set(&mut self.slot(key).send, waker);
    }

    pub(crate) fn set_recv(&mut self, key: StreamKey, waker: &Waker) {
        set(&mut self.slot(key).recv, waker);
    }

    pub(crate) fn take_send(&mut self, key: StreamKey) -> Option<Waker> {
        self.slots.get_mut(key.index())?.send.take()
    }

    pub(crate) fn take_recv(&mut self, key: StreamKey) -> Option<Waker> {
        self.slots.get_mut(key.index())?.recv.take()
    }

    /// Everybody who waits, for whatever reason.
    pub(crate) fn take_all(&mut self) -> Vec<Waker> {
        self.slots.drain(..).flat_map(|slot| [slot.send, slot.recv]).flatten().collect()
    }

    /// Forgets a stream that is gone, so that its successor in the slot wakes nobody else's task.
    pub(crate) fn clear(&mut self, key: StreamKey) {
        if let Some(slot) = self.slots.get_mut(key.index()) {
            *slot = Slot::default();
        }
    }
}

fn set(slot: &mut Option<Waker>, waker: &Waker) {
    if !slot.as_ref().is_some_and(|old| old.will_wake(waker)) {
        *slot = Some(waker.clone());
    }
}
