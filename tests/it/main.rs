//! Tests of the layers, in one binary.

mod control;
mod credit;
mod deadlock;
mod fairness;
mod flow;
mod frames;
mod fuzz_bodies;
mod fuzzed;
mod limits;
mod mutual;
mod ops;
mod pair;
mod peer;
mod requests;
mod shutdown;
mod streams;
mod tidy;
mod wire;
