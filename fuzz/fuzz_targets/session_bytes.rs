//! Arbitrary bytes into a session, with time passing and an application that reads some of it.
#![no_main]

mod bodies;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::fuzz_bodies::session_bytes(input));
