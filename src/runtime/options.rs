use super::{BackendChoice, Blocklist, Credentials, HandshakeLimits, TlsAcceptor, TlsConnector};
use crate::mux::{Config, ControlMode, Credit};
use std::time::Duration;

/// How a server runs.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Shards wanted; `None` takes one per CPU that the process may use.
    pub shards: Option<usize>,
    /// How sockets wait.
    pub backend: BackendChoice,
    /// What each session is made with.
    pub session: Config,
    /// Who we are to peers that shake hands; addresses with `~shs` need it.
    pub credentials: Option<Credentials>,
    /// The certificate of `wss` listeners.
    pub tls: Option<TlsAcceptor>,
    /// What keeps strangers from taking places.
    pub handshake: HandshakeLimits,
    /// Identities refused.
    pub blocklist: Blocklist,
    /// Congestion control of TCP connections; `None` leaves the system's.
    pub congestion: Option<String>,
    /// Connections per shard (10,000). Stops a flood of connects from taking all memory; above it they are closed at once.
    pub connections_max: usize,
    /// Received and unread bytes of all connections of a shard (256 MiB). Stops many slow readers from doing together what
    /// each alone may not: at 70 % windows stop growing, at 85 % new streams are refused.
    pub receive_bytes_max: u64,
    /// How long a shutdown waits for work at hand (10 s).
    pub drain_max: Duration,
    /// Whether SIGINT and SIGTERM shut the server down (yes).
    pub handles_signals: bool,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            shards: None,
            backend: BackendChoice::Auto,
            session: Config::default(),
            credentials: None,
            tls: None,
            handshake: HandshakeLimits::default(),
            blocklist: Blocklist::default(),
            congestion: None,
            connections_max: 10_000,
            receive_bytes_max: 256 << 20,
            drain_max: Duration::from_secs(10),
            handles_signals: true,
        }
    }
}

/// How a connection is dialled.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// What the session is made with.
    pub session: Config,
    /// Congestion control; `None` leaves the system's.
    pub congestion: Option<String>,
    /// How long dialling may take, and the handshake after it; `None` is 10 s each.
    pub timeout: Option<Duration>,
    /// Who we are to peers that shake hands; `None` is somebody new each time.
    pub credentials: Option<Credentials>,
    /// The SOCKS5 proxy that `onion:` addresses are dialled through; `None` is Tor's default, `127.0.0.1:9050`.
    pub socks5: Option<String>,
    /// Whom `wss` addresses trust; `None` is whom the system trusts.
    pub tls: Option<TlsConnector>,
}

impl ConnectOptions {
    /// Options with this window and use of the control stream.
    #[must_use]
    pub fn new(credit: Credit, control: ControlMode) -> Self {
        Self { session: Config { credit, control, ..Config::default() }, ..Self::default() }
    }
}
