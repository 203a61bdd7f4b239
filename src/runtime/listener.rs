use super::{
    Error, Peer, Result, Shard, Shutdown,
    admission::{Rates, source},
    io::{Watch, sys},
    mailbox::{Accepted, Mailbox},
};
use crate::secret::{Auth, Endpoint, Transport};
use glommio::timer::sleep;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::{
    cell::RefCell,
    future::poll_fn,
    net::{SocketAddr, ToSocketAddrs},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use std::{fs::Permissions, os::unix::fs::PermissionsExt};

/// Connections the kernel keeps for us while we are busy.
const BACKLOG: i32 = 4096;
/// Accepts in one go before others get their turn.
const ACCEPTS_PER_TURN: usize = 64;

/// What stands between a socket and the box-stream or the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrap {
    Nothing,
    Ws,
    Wss,
}

/// How connections of a listener are received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Door {
    pub(crate) wrap: Wrap,
    /// Whether peers shake hands.
    pub(crate) is_secret: bool,
}

/// A bound socket, not yet served.
pub(crate) struct Listener {
    fd: OwnedFd,
    is_tcp: bool,
    door: Door,
    /// Removed when the listener goes.
    path: Option<PathBuf>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Listener {
    /// Binds; yields the address with the port that was chosen.
    pub(crate) fn bind(endpoint: &Endpoint) -> Result<(Self, Endpoint)> {
        let mut bound = endpoint.clone();
        let is_secret = match &endpoint.auth {
            Auth::None | Auth::NoAuth => false,
            Auth::Shs { .. } => true,
            _ => return Err(cannot_listen(endpoint)),
        };
        let (wrap, host, port) = match &mut bound.transport {
            Transport::Unix(path) => {
                let door = Door { wrap: Wrap::Nothing, is_secret };
                return Self::bind_unix(path, door).map(|listener| (listener, bound));
            }
            Transport::Net { host, port } => (Wrap::Nothing, host, port),
            // Any web page may dial a WebSocket here: without a handshake only where that was asked for in so many words.
            Transport::Ws { .. } | Transport::Wss { .. } if endpoint.auth == Auth::None => {
                return Err(cannot_listen(endpoint));
            }
            Transport::Ws { host, port, .. } => (Wrap::Ws, host, port),
            Transport::Wss { host, port, .. } => (Wrap::Wss, host, port),
            _ => return Err(cannot_listen(endpoint)),
        };
        let listener;
        (listener, *port) = Self::bind_net(host, *port, Door { wrap, is_secret })?;
        Ok((listener, bound))
    }

    pub(crate) const fn door(&self) -> Door {
        self.door
    }

    fn bind_net(host: &str, port: u16, door: Door) -> Result<(Self, u16)> {
        let what = format!("cannot listen on {host}:{port}");
        let resolved = (host, port).to_socket_addrs().map_err(Error::io(&what))?;
        let mut failure = std::io::Error::other("the name has no address");
        for address in resolved {
            match listen_tcp(address) {
                Ok((socket, port)) => {
                    return Ok((Self { fd: socket.into(), is_tcp: true, door, path: None }, port));
                }
                Err(error) => failure = error,
            }
        }
        Err(Error::io(what)(failure))
    }

    fn bind_unix(path: &Path, door: Door) -> Result<Self> {
        let bind = || {
            let address = SockAddr::unix(path)?;
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            if let Err(error) = socket.bind(&address) {
                // A socket nobody listens on is left over from a server that died.
                let is_stale = Socket::new(Domain::UNIX, Type::STREAM, None)?.connect(&address).is_err();
                if error.kind() != std::io::ErrorKind::AddrInUse || !is_stale {
                    return Err(error);
                }
                std::fs::remove_file(path)?;
                socket.bind(&address)?;
            }
            // Full permissions go with it: nobody but the owner gets in.
            std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
            socket.listen(BACKLOG)?;
            Ok(socket)
        };
        let socket = bind().map_err(Error::io(format!("cannot listen on unix:{}", path.display())))?;
        Ok(Self { fd: socket.into(), is_tcp: false, door, path: Some(path.to_owned()) })
    }

    /// Accepts until shutdown, giving each connection to the shard that has the fewest.
    pub(crate) async fn run(
        self,
        shard: Shard,
        rates: Rc<RefCell<Rates>>,
        mailboxes: Arc<[Mailbox]>,
        shutdown: Shutdown,
        congestion: Option<String>,
    ) {
        let watched = self.fd.try_clone().and_then(|fd| shard.hub().watch(fd));
        let mut watch = match watched {
            Ok(watch) => watch,
            Err(error) => return tracing::error!(%error, "cannot wait for connections"),
        };
        while !shutdown.is_asked() {
            if let Err(error) = poll_fn(|cx| watch.poll_readable(cx)).await {
                tracing::error!(%error, "cannot wait for connections");
                return;
            }
            if let Err(error) =
                self.accept_some(&mut watch, (&shard, &rates), &mailboxes, congestion.as_deref())
            {
                // Out of descriptors or memory: the connection stays in the queue, and others may close meanwhile.
                tracing::warn!(%error, "cannot accept");
                sleep(Duration::from_millis(100)).await;
            }
            glommio::yield_if_needed().await;
        }
    }

    fn accept_some(
        &self,
        watch: &mut Watch,
        (shard, rates): (&Shard, &RefCell<Rates>),
        mailboxes: &[Mailbox],
        congestion: Option<&str>,
    ) -> std::io::Result<()> {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(fd) = sys::accept(watch.fd())? else {
                watch.clear_ready();
                return Ok(());
            };
            let address = peer_address(&fd);
            let source = source(address.map(|address| address.ip()));
            if !rates.borrow_mut().admit(source, shard.clock().now()) {
                shard.tally("connection_rate_exceeded");
                continue;
            }
            if self.is_tcp {
                prepare_tcp(&fd, congestion);
            }
            let peer = peer_of(&fd, address);
            let Some(mailbox) = mailboxes.iter().min_by_key(|mailbox| mailbox.load()) else { return Ok(()) };
            mailbox.push(Accepted { fd, peer, source, door: self.door });
        }
        Ok(())
    }
}

fn listen_tcp(address: SocketAddr) -> std::io::Result<(Socket, u16)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let port = socket.local_addr()?.as_socket().map_or_else(|| address.port(), |bound| bound.port());
    Ok((socket, port))
}

/// Options of a TCP connection. None of them is worth refusing a connection over.
pub(crate) fn prepare_tcp(fd: &OwnedFd, congestion: Option<&str>) {
    let _ = socket2::SockRef::from(fd).set_tcp_nodelay(true);
    // A peer that vanished without a word gives its place back in the end.
    let _ = socket2::SockRef::from(fd).set_keepalive(true);
    if let Some(name) = congestion
        && let Err(error) = sys::set_congestion(fd.as_fd(), name)
    {
        tracing::warn!(%error, name, "cannot set the congestion control");
    }
}

/// Where a connection comes from; `None` for a Unix socket.
pub(crate) fn peer_address(fd: &OwnedFd) -> Option<SocketAddr> {
    socket2::SockRef::from(fd).peer_addr().ok()?.as_socket()
}

/// What is known of a peer before it has said anything.
pub(crate) fn peer_of(fd: &OwnedFd, address: Option<SocketAddr>) -> Peer {
    let is_owner = address.is_none() && sys::is_peer_owner(fd.as_fd());
    let address = address.map_or_else(|| "unix".to_owned(), |address| address.to_string());
    Peer { address, key: None, is_owner }
}

fn cannot_listen(endpoint: &Endpoint) -> Error {
    Error::Options(format!("cannot listen on {endpoint}: use net:, ws: or wss: with ~shs, or unix:"))
}
