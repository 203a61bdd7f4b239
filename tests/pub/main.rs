//! Pubs on threads of this process, and what they do with each other and with peers that lie.

mod blobs;
mod fakes;
mod feeds;
mod fetches;
mod methods;
mod rig;
