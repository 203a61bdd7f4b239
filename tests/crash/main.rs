//! What the stores hold after a crash. A child appends and deletes, and says over a pipe what it is about to do and what it has been told
//! is done; it is killed at a random moment, and the store is opened again. `PUSH_MUX_CRASH_ROUNDS` sets how often (20).

mod full;
mod kill;
mod made;
mod torn;

/// How many rounds a test that repeats itself runs.
fn rounds() -> u32 {
    std::env::var("PUSH_MUX_CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(20)
}

#[expect(clippy::disallowed_methods, reason = "a disk works in real time")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// A small generator of numbers: the tests need variety, not quality.
struct Random(u64);

impl Random {
    /// Another sequence in each run; the seed is printed for who looks for the reason of a failure.
    fn new() -> Self {
        use std::hash::{BuildHasher, RandomState};
        let seed = RandomState::new().hash_one(0) | 1;
        println!("seed {seed:#x}");
        Self(seed)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
