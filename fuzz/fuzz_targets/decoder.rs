//! Arbitrary bytes, arbitrarily cut, into the decoder.
#![no_main]

mod bodies;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::fuzz_bodies::decoder_bytes(input));
