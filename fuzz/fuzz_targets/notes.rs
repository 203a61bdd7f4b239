//! Arbitrary bytes as what a peer says of feeds and blobs.
#![no_main]

mod bodies;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::fuzz_notes::notes_bytes(input));
