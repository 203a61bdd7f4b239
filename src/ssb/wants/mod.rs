//! Which blobs are wanted, by whom, and who is asked for them, as npm `ssb-blobs` 2 has it.
//!
//! [`Wants`] is a pure machine: it reads and writes the frames of `blobs.createWants`, and decides what is fetched from whom. Each side
//! calls that method on the other; what we say goes out on the call the peer made. Knows nothing of files or calls.
//!
//! Contract: a blob is fetched from one peer at a time, and only when it is wanted here or by a peer near enough; what is kept of a peer is
//! bounded by [`WantsLimits`].

mod frame;
mod limits;
mod machine;
mod peer;

pub use self::{
    frame::{FrameError, asked},
    limits::WantsLimits,
    machine::{Fetch, Wants},
};

#[cfg(test)]
mod tests;
