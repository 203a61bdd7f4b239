//! Signed feeds on their way through a pub: peers that bring them, peers that fetch them, and whether what comes out is what
//! went in.
//!
//! [`mod@conduct`] leads a run through its phases; a [`crew`] has the peers of one core. A [`shelf`] holds what the authors have
//! published so far; [`push`] brings it to the pub and [`pull`] fetches it, each in both ways of replicating; a [`replica`]
//! compares, byte for byte. The [`board`] is what crews and conductor tell each other. A [`site`] is the pub, ours or another.

mod board;
mod conduct;
mod crew;
mod notes;
mod pull;
mod push;
mod replica;
mod shelf;
mod site;

pub(crate) use self::conduct::conduct;
