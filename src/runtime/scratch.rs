use bytes::BytesMut;
use std::{cell::RefCell, rc::Rc};

/// Room for one turn's wrapped output: 64 segments of the session's 256 KiB and what they cost.
const OUT_BYTES: usize = (256 << 10) + (4 << 10);
/// Buffers kept for later.
const SPARE_MAX: usize = 8;
/// Plaintext is opened into blocks of this size, shared by the connections of a shard.
const BLOCK_BYTES: usize = 256 << 10;
/// Blocks that are looked at for one nobody reads from any more.
const BLOCKS: usize = 8;

/// Buffers that the links of a shard lend each other: an idle connection holds none. A clone is a handle to the same.
#[derive(Clone, Default)]
pub(crate) struct Scratch(Rc<RefCell<Buffers>>);

#[derive(Default)]
struct Buffers {
    out: Vec<BytesMut>,
    blocks: Vec<BytesMut>,
    /// The block in use.
    at: usize,
}

impl Scratch {
    /// An empty buffer to wrap output in.
    pub(crate) fn take(&self) -> BytesMut {
        self.0.borrow_mut().out.pop().unwrap_or_else(|| BytesMut::with_capacity(OUT_BYTES))
    }

    /// Takes a buffer back.
    pub(crate) fn give(&self, mut buffer: BytesMut) {
        let mut buffers = self.0.borrow_mut();
        if buffer.capacity() >= OUT_BYTES && buffers.out.len() < SPARE_MAX {
            buffer.clear();
            buffers.out.push(buffer);
        }
    }

    /// Runs `fill` on a block with room for `bytes` more; it appends, and splits off what it wants to keep.
    pub(crate) fn with_block<T>(&self, bytes: usize, fill: impl FnOnce(&mut BytesMut) -> T) -> T {
        let mut buffers = self.0.borrow_mut();
        let at = buffers.find(bytes);
        fill(&mut buffers.blocks[at])
    }
}

impl Buffers {
    /// The current block while it has room, then one that nobody reads from any more, then a new one.
    fn find(&mut self, bytes: usize) -> usize {
        if self.blocks.get(self.at).is_some_and(|block| block.capacity() - block.len() >= bytes) {
            return self.at;
        }
        for step in 1..=self.blocks.len() {
            let at = (self.at + step) % self.blocks.len();
            if self.blocks[at].try_reclaim(bytes.max(BLOCK_BYTES)) {
                self.at = at;
                return at;
            }
        }
        let block = BytesMut::with_capacity(bytes.max(BLOCK_BYTES));
        if self.blocks.len() < BLOCKS {
            self.blocks.push(block);
            self.at = self.blocks.len() - 1;
        } else {
            self.at = (self.at + 1) % BLOCKS;
            self.blocks[self.at] = block;
        }
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_used_again_once_nobody_reads_from_them() {
        let scratch = Scratch::default();
        let fill = |bytes: usize| {
            scratch.with_block(bytes, |block| {
                block.extend_from_slice(&vec![7; bytes]);
                block.split().freeze()
            })
        };
        let mut kept = Vec::new();
        for round in 0..40 {
            kept.push(fill(100 << 10));
            if round % 3 == 2 {
                kept.clear();
            }
        }
        assert!(scratch.0.borrow().blocks.len() <= 3, "{}", scratch.0.borrow().blocks.len());
        assert!(fill(1 << 20).iter().all(|byte| *byte == 7));
    }

    #[test]
    fn buffers_come_back_empty() {
        let scratch = Scratch::default();
        let mut buffer = scratch.take();
        buffer.extend_from_slice(b"left");
        let place = buffer.as_ptr();
        scratch.give(buffer);
        let again = scratch.take();
        assert!(again.is_empty());
        assert_eq!(again.as_ptr(), place);
    }
}
