//! Epidemic broadcast trees: networks of them, simulated, and the JavaScript they must understand.

mod js;
mod net;
mod network;
#[path = "../peers/npm.rs"]
mod npm;
mod random;
