//! One direction of a connection: bytes with latency, a bounded amount of them, and pauses.

use crate::random::Random;
use std::collections::VecDeque;

#[derive(Clone, Debug)]
pub(crate) struct Line {
    latency: u64,
    capacity: usize,
    /// When each piece arrives, and how far it was read.
    pieces: VecDeque<(u64, Vec<u8>)>,
    held: usize,
    /// Nothing moves before this time.
    paused_until: u64,
    pauses: bool,
}

impl Line {
    pub(crate) fn new(random: &mut Random) -> Self {
        Self {
            latency: random.spread(1, 400_000),
            capacity: usize::try_from(random.spread(1000, 256 << 10)).expect("small"),
            pieces: VecDeque::new(),
            held: 0,
            paused_until: 0,
            pauses: random.one_in(3),
        }
    }

    pub(crate) fn with(latency: u64, capacity: usize) -> Self {
        Self { latency, capacity, pieces: VecDeque::new(), held: 0, paused_until: 0, pauses: false }
    }

    pub(crate) const fn latency(&self) -> u64 {
        self.latency
    }

    /// Bytes that a write would take now; often not all there is room for.
    pub(crate) fn room(&mut self, now: u64, random: &mut Random) -> usize {
        if self.pauses && random.one_in(400) {
            self.paused_until = now + random.spread(1000, 8_000_000);
        }
        let room = self.capacity.saturating_sub(self.held);
        if self.paused_until > now {
            0
        } else if random.one_in(3) {
            random.size(room + 1)
        } else {
            room
        }
    }

    pub(crate) fn write(&mut self, now: u64, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.held += bytes.len();
            self.pieces.push_back((now + self.latency, bytes.to_vec()));
        }
    }

    /// What has arrived, or the first of it.
    pub(crate) fn read(&mut self, now: u64, random: &mut Random) -> Vec<u8> {
        let mut read = Vec::new();
        while let Some((at, piece)) = self.pieces.front_mut() {
            if *at > now {
                break;
            }
            let part = if random.one_in(4) { random.size(piece.len()) + 1 } else { piece.len() };
            read.extend(piece.drain(..part));
            if piece.is_empty() {
                self.pieces.pop_front();
            }
            if random.one_in(8) {
                break;
            }
        }
        self.held -= read.len();
        read
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// When something happens here next.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.pieces.front().map(|(at, _)| (*at).max(self.paused_until))
    }

    /// The pause that a writer waits for, if there is one.
    pub(crate) fn pause_ends(&self, now: u64) -> Option<u64> {
        Some(self.paused_until).filter(|at| *at > now)
    }
}
