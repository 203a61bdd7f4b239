//! Servers and clients of this crate over loopback: handlers, faults and ends; every transport; strangers, forgers and those who
//! fall silent; and keys. What a session does with odd bytes is
//! tested without sockets in `it` and `sim`; real JavaScript peers are in `peers`.

mod authorise;
mod bounds;
mod boxes;
mod calls;
mod ends;
mod faults;
mod handshakes;
mod keys;
mod observed;
mod raw;
mod rig;
mod transports;
mod wakes;
mod websockets;
