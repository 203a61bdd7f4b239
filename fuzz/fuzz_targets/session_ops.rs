//! Sequences of operations on two linked sessions, against an oracle.
#![no_main]

mod bodies;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::fuzz_bodies::session_ops(input));
