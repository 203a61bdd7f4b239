use crate::secret::PublicKey;
use std::any::Any;
use std::rc::Rc;

/// Who is at the other end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// The transport address, for people to read.
    pub address: String,
    /// The identity that a handshake proved; `None` without one.
    pub key: Option<PublicKey>,
    /// Whether the peer is a process of the user we run as (or of root), by a Unix socket.
    pub is_owner: bool,
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.key {
            Some(key) => write!(f, "{key} at {}", self.address),
            None => f.write_str(&self.address),
        }
    }
}

/// What a service wants to know of its decision to talk to a peer; see [`Connection::granted`](super::Connection::granted).
pub type Grant = Rc<dyn Any>;
