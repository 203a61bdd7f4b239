//! Sequences of what can happen to an exchange of feeds.
#![no_main]

mod bodies;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::fuzz_notes::exchange_ops(input));
