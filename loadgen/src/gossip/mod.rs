//! Signed feeds on their way through a pub: peers that bring them, peers that fetch them, and whether what comes out is what
//! went in.
//!
//! [`mod@conduct`] and [`mod@follow`] are runs, led by a [`conductor`]; a [`crew`] has the peers of one core. A [`shelf`] holds what the authors have
//! published so far; [`push`] brings it to the pub and [`pull`] fetches it, each in both ways of replicating; a [`replica`]
//! compares, byte for byte. The [`board`] is what crews and conductor tell each other. A [`site`] is the pub, ours or another.

mod board;
mod conduct;
mod conductor;
mod crew;
mod follow;
mod notes;
mod pace;
mod pull;
mod push;
mod replica;
mod shelf;
mod site;

pub(crate) use self::conduct::conduct;
pub(crate) use self::follow::follow;
