//! Messages of feeds against what the JavaScript peers make of them.

mod made;
mod sodium;
mod vectors;
