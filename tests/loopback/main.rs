//! Servers and clients of this crate over loopback: handlers, faults and ends; and keys. What a session does with odd bytes is
//! tested without sockets in `it` and `sim`; real JavaScript peers are in `peers`.

mod bounds;
mod calls;
mod ends;
mod faults;
mod keys;
mod rig;
