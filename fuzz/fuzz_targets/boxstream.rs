//! A box-stream written, cut and damaged as the input says, and the input itself as a stream.
#![no_main]

mod bodies;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::fuzz_secret::boxstream_bytes(input));
