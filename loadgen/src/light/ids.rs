//! From the id of a stream or call to the slot that it is kept in.

use std::collections::HashMap;

/// A map for ids that are given out in order and mostly come back in order: a ring, and a map for what the ring cannot hold.
#[derive(Debug)]
pub(super) struct Ids {
    ring: Vec<(i32, u32)>,
    overflow: HashMap<i32, u32>,
}

/// Entries of the smallest ring.
const RING_MIN: usize = 256;

/// An id that nothing ever has.
const NONE: i32 = 0;

/// Tells the slots of calls from those of streams.
const CALL_BIT: u32 = 1 << 31;

impl Ids {
    /// What to insert for a call that is kept in that slot.
    pub(super) fn call(slot: usize) -> u32 {
        // More calls in flight than that no memory holds.
        CALL_BIT | u32::try_from(slot).unwrap_or(u32::MAX)
    }

    /// The slot of a call; nothing for a stream's.
    pub(super) const fn of_call(slot: u32) -> Option<usize> {
        if slot & CALL_BIT == 0 { None } else { Some((slot ^ CALL_BIT) as usize) }
    }

    /// A map that is fast while about so many ids are in use.
    pub(super) fn new(expected: usize) -> Self {
        let ring = (expected.saturating_mul(4)).next_power_of_two().max(RING_MIN);
        Self { ring: vec![(NONE, 0); ring], overflow: HashMap::new() }
    }

    fn place(&mut self, id: i32) -> Option<&mut (i32, u32)> {
        let at = id.unsigned_abs() as usize & (self.ring.len() - 1);
        self.ring.get_mut(at)
    }

    pub(super) fn insert(&mut self, id: i32, slot: u32) {
        match self.place(id) {
            Some(entry) if entry.0 == NONE => *entry = (id, slot),
            _ => {
                self.overflow.insert(id, slot);
            }
        }
    }

    #[inline]
    pub(super) fn get(&mut self, id: i32) -> Option<u32> {
        match self.place(id) {
            Some(&mut (found, slot)) if found == id => return Some(slot),
            _ => {}
        }
        if self.overflow.is_empty() { None } else { self.overflow.get(&id).copied() }
    }

    pub(super) fn remove(&mut self, id: i32) -> Option<u32> {
        match self.place(id) {
            Some(entry) if entry.0 == id => Some(std::mem::replace(entry, (NONE, 0)).1),
            _ => self.overflow.remove(&id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_whatever_their_distance() {
        let mut ids = Ids::new(1);
        let far = i32::try_from(RING_MIN).expect("small") * 3 + 5;
        ids.insert(5, 50);
        ids.insert(far, 51);
        ids.insert(6, 52);
        assert_eq!((ids.get(5), ids.get(far), ids.get(6), ids.get(7)), (Some(50), Some(51), Some(52), None));
        assert_eq!((ids.remove(5), ids.remove(5), ids.remove(far)), (Some(50), None, Some(51)));
        assert_eq!((ids.get(6), ids.get(far)), (Some(52), None));
    }
}
