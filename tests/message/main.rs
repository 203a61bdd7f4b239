//! Messages of feeds against what the JavaScript peers make of them.

#[path = "../peers/npm.rs"]
mod npm;
mod made;
mod peers;
mod sodium;
mod vectors;
