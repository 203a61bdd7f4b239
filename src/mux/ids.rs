/// Ids that may still arrive out of order: go-muxrpc takes ids under a lock and writes after releasing it.
const WINDOW: u32 = 256;
const WORDS: usize = (WINDOW / 64) as usize;

/// Which of the peer's ids have been used, in constant space.
///
/// muxrpc cannot tell the first frame of a stream from a late frame of a closed one. All known peers number upward,
/// so a high-water mark tells most of it, and a bit for each of the last 256 ids tells the rest. Id 1 stands apart: it
/// may open late, as the control stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeenIds {
    /// Highest id seen.
    mark: u32,
    /// Bit `n` of the ring is id `n` modulo the window, for ids in `mark - WINDOW < id <= mark`.
    recent: [u64; WORDS],
    one: bool,
}

impl SeenIds {
    /// Notes an id (positive, as its opener counts); says whether it was new.
    pub(crate) fn insert(&mut self, id: i32) -> bool {
        let Ok(id) = u32::try_from(id) else { return false };
        match id {
            0 => false,
            1 => !std::mem::replace(&mut self.one, true),
            _ if id > self.mark => {
                self.advance(id);
                self.set(id);
                true
            }
            _ if self.mark - id >= WINDOW || self.is_set(id) => false,
            _ => {
                self.set(id);
                true
            }
        }
    }

    /// Clears the bits of ids that enter the window.
    fn advance(&mut self, id: u32) {
        if id - self.mark >= WINDOW {
            self.recent = [0; WORDS];
        } else {
            for passed in self.mark + 1..=id {
                let (word, bit) = Self::place(passed);
                self.recent[word] &= !bit;
            }
        }
        self.mark = id;
    }

    const fn place(id: u32) -> (usize, u64) {
        let slot = id % WINDOW;
        ((slot / 64) as usize, 1 << (slot % 64))
    }

    const fn is_set(&self, id: u32) -> bool {
        let (word, bit) = Self::place(id);
        self.recent[word] & bit != 0
    }

    const fn set(&mut self, id: u32) {
        let (word, bit) = Self::place(id);
        self.recent[word] |= bit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_id_is_new_once_in_any_near_order() {
        let mut seen = SeenIds::default();
        for base in (2..100_000).step_by(7) {
            for id in [base + 3, base + 1, base + 6, base, base + 5, base + 2, base + 4] {
                assert!(seen.insert(id), "{id}");
            }
            assert!(!seen.insert(base));
        }
    }

    #[test]
    fn an_id_far_behind_the_mark_is_not_new() {
        let mut seen = SeenIds::default();
        assert!(seen.insert(1_000_000));
        assert!(!seen.insert(2));
        assert!(seen.insert(1_000_000 - 255));
        assert!(!seen.insert(1_000_000 - 256));
        assert!(seen.insert(i32::MAX));
        assert!(!seen.insert(1_000_000));
    }

    #[test]
    fn id_one_may_come_late_and_once() {
        let mut seen = SeenIds::default();
        assert!(seen.insert(5000));
        assert!(seen.insert(1));
        assert!(!seen.insert(1));
        assert!(!seen.insert(0));
        assert!(!seen.insert(-4));
    }
}
