//! Messages of feeds against what the JavaScript peers make of them.

mod command;
mod fuzz_body;
mod made;
#[path = "../peers/npm.rs"]
mod npm;
mod peers;
mod properties;
mod sodium;
mod vectors;
