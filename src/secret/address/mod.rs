//! Multiserver addresses: where a peer is reached, and how the line to it is secured.
//!
//! An address is alternatives joined by `;`, each a transport and what is laid over it, joined by `~`; each of those is a
//! name and its data, joined by `:`; `!` escapes `! : ; ~` (npm `multiserver-address` 1.0.1 and `multiserver` 3.8.2).

mod error;
mod parse;
mod protocol;
mod seed;
#[cfg(test)]
mod tests;

pub use self::{error::AddressError, protocol::Protocol, seed::Seed};

use super::PublicKey;
use protocol::{escape_all, escape_but_colons};
use std::{fmt, path::PathBuf};
use zeroize::Zeroizing;

/// Bytes of an address's text. Stops a peer or an invite from making us keep or print pages of it.
pub const ADDRESS_BYTES_MAX: usize = 4096;

/// Alternatives of an address. Stops one address from costing many dials.
pub const ALTERNATIVES_MAX: usize = 16;

const WS_PORT: u16 = 80;
const WSS_PORT: u16 = 443;

/// Where a peer is reached: one or more alternatives, in order of preference.
///
/// Reads multiserver's form, and two shorthands for plain lines: `HOST:PORT` (that is `net:HOST:PORT`) and `unix:/PATH`.
/// Alternatives over transports that are not known here are kept and print as they were read.
///
/// [`Display`](fmt::Display) prints what can be read again, an invite's seed included; [`Debug`] hides seeds.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address(Vec<Endpoint>);

/// One alternative of an [`Address`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// How bytes get there.
    pub transport: Transport,
    /// How the line is secured.
    pub auth: Auth,
}

/// How bytes get to a peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// TCP, `net:HOST:PORT`.
    Net {
        /// A name or an IP address. IPv6 without brackets, with a `%zone` or none; it is read as `net:[::1]:8008`,
        /// `net:::1:8008` and `net:!:!:1:8008`, and printed as the second: JavaScript prints that, and takes brackets for
        /// a part of the name.
        host: String,
        /// The port; 0 lets the system choose when listening.
        port: u16,
    },
    /// A WebSocket, `ws://HOST[:PORT][/PATH]`.
    Ws {
        /// A name or an IP address, IPv6 without brackets (in text it has them).
        host: String,
        /// The port, 80 where the text has none.
        port: u16,
        /// Path and query, from the first `/` on.
        path: Option<String>,
    },
    /// A WebSocket over TLS, `wss://HOST[:PORT][/PATH]`.
    Wss {
        /// A name or an IP address, IPv6 without brackets (in text it has them).
        host: String,
        /// The port, 443 where the text has none.
        port: u16,
        /// Path and query, from the first `/` on.
        path: Option<String>,
    },
    /// A Unix socket, `unix:/PATH`. A path that is no UTF-8 does not print faithfully.
    Unix(PathBuf),
    /// A Tor onion service, `onion:HOST:PORT`.
    Onion {
        /// The service's name, with `.onion`.
        host: String,
        /// The port.
        port: u16,
    },
    /// Through a room, `tunnel:PORTAL:TARGET`.
    Tunnel {
        /// The room.
        portal: PublicKey,
        /// The peer behind it.
        target: PublicKey,
    },
    /// One not known here, kept as it was read. A name and a single number without a transform is never read as
    /// this, but as `HOST:PORT`.
    Other {
        /// Its name: two or more of `a-z`, `0-9` and `-`, a letter first.
        name: String,
        /// Its data, unescaped.
        data: Vec<String>,
    },
}

/// How a line is secured.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Auth {
    /// Not at all: no transform.
    None,
    /// `~noauth`: not at all, and the peer counts as ourselves (on a Unix socket only its owner gets there).
    NoAuth,
    /// `~shs`: secret-handshake, then box-stream.
    Shs {
        /// Whom to reach. Absent where we listen, as in `net:127.0.0.1:8008~shs`.
        key: Option<PublicKey>,
        /// Of an invite: dial with the key pair of this seed. Printed only after a key.
        seed: Option<Seed>,
    },
    /// Other transforms than exactly one of those, kept as they were read.
    Other(Vec<Protocol>),
}

impl Address {
    /// An address of these alternatives; `None` when there is none of them, or more than [`ALTERNATIVES_MAX`].
    #[must_use]
    pub fn new(endpoints: Vec<Endpoint>) -> Option<Self> {
        (1..=ALTERNATIVES_MAX).contains(&endpoints.len()).then_some(Self(endpoints))
    }

    /// The alternatives, best first; never empty.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.0
    }

    /// The alternatives, best first; never empty.
    #[must_use]
    pub fn into_endpoints(self) -> Vec<Endpoint> {
        self.0
    }
}

impl From<Endpoint> for Address {
    fn from(endpoint: Endpoint) -> Self {
        Self(vec![endpoint])
    }
}

/// A plain line.
impl From<Transport> for Endpoint {
    fn from(transport: Transport) -> Self {
        Self { transport, auth: Auth::None }
    }
}

impl Endpoint {
    /// The peer's key, where secret-handshake shall prove it.
    #[must_use]
    pub const fn key(&self) -> Option<PublicKey> {
        match &self.auth {
            Auth::Shs { key, .. } => *key,
            _ => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, endpoint) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { ";" })?;
            endpoint.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.transport, self.auth)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net { host, port } => write!(f, "net:{}:{port}", escape_but_colons(host)),
            Self::Onion { host, port } => write!(f, "onion:{}:{port}", escape_but_colons(host)),
            Self::Ws { host, port, path } => write_url(f, "ws", host, (*port, WS_PORT), path.as_deref()),
            Self::Wss { host, port, path } => write_url(f, "wss", host, (*port, WSS_PORT), path.as_deref()),
            Self::Unix(path) => write!(f, "unix:{}", escape_but_colons(&path.to_string_lossy())),
            Self::Tunnel { portal, target } => write!(f, "tunnel:{portal}:{target}"),
            Self::Other { name, data } => {
                f.write_str(name)?;
                data.iter().try_for_each(|data| write!(f, ":{}", escape_all(data)))
            }
        }
    }
}

/// As the ws plugin of `multiserver` prints it: a default port is left out.
fn write_url(
    f: &mut fmt::Formatter<'_>,
    scheme: &str,
    host: &str,
    (port, default_port): (u16, u16),
    path: Option<&str>,
) -> fmt::Result {
    let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
    write!(f, "{scheme}://{open}{}{close}", escape_but_colons(host))?;
    if port != default_port {
        write!(f, ":{port}")?;
    }
    let Some(path) = path else { return Ok(()) };
    // Whoever forgot the slash means a path, not a longer host.
    let slash = if path.starts_with('/') { "" } else { "/" };
    write!(f, "{slash}{}", escape_but_colons(path))
}

/// The transforms with the `~` before each; nothing for a plain line.
impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::NoAuth => f.write_str("~noauth"),
            Self::Shs { key: None, .. } => f.write_str("~shs"),
            Self::Shs { key: Some(key), seed: None } => write!(f, "~shs:{}", key.to_base64()),
            Self::Shs { key: Some(key), seed: Some(seed) } => {
                let seed: Zeroizing<String> = seed.to_base64();
                write!(f, "~shs:{}:{}", key.to_base64(), *seed)
            }
            Self::Other(protocols) => protocols.iter().try_for_each(|protocol| write!(f, "~{protocol}")),
        }
    }
}
