//! Messages of feeds: the input as one, as the content of one, and as edits of a valid one.
#![no_main]

#[path = "../../tests/message/fuzz_body.rs"]
mod fuzz_body;

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz_body::message_bytes(input));
