//! Arbitrary bytes, arbitrarily cut, into either role of a handshake at each of its stages.
#![no_main]

mod bodies;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::fuzz_secret::handshake_bytes(input));
