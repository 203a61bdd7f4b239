//! The bodies of all targets, which the ordinary tests run as well.
#![allow(dead_code, reason = "each target runs one of them")]

#[path = "../../tests/it/fuzz_bodies.rs"]
pub(crate) mod fuzz_bodies;
#[cfg(feature = "ssb")]
#[path = "../../tests/it/fuzz_notes.rs"]
pub(crate) mod fuzz_notes;
#[path = "../../tests/it/fuzz_secret.rs"]
pub(crate) mod fuzz_secret;
#[path = "../../tests/it/ops.rs"]
mod ops;
#[path = "../../tests/it/pair.rs"]
mod pair;
