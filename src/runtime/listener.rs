use super::{
    Address, Error, Result, Shutdown,
    io::{Hub, Watch, sys},
    mailbox::{Accepted, Mailbox},
};
use glommio::timer::sleep;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::{
    future::poll_fn,
    net::{SocketAddr, ToSocketAddrs},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Connections the kernel keeps for us while we are busy.
const BACKLOG: i32 = 4096;
/// Accepts in one go before others get their turn.
const ACCEPTS_PER_TURN: usize = 64;

/// A bound socket, not yet served.
pub(crate) struct Listener {
    fd: OwnedFd,
    is_tcp: bool,
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
    pub(crate) fn bind(address: &Address) -> Result<(Self, Address)> {
        match address {
            Address::Net { host, port } => Self::bind_net(host, *port),
            Address::Unix(path) => Self::bind_unix(path).map(|listener| (listener, address.clone())),
        }
    }

    fn bind_net(host: &str, port: u16) -> Result<(Self, Address)> {
        let what = format!("cannot listen on {host}:{port}");
        let resolved = (host, port).to_socket_addrs().map_err(Error::io(&what))?;
        let mut failure = std::io::Error::other("the name has no address");
        for address in resolved {
            match listen_tcp(address) {
                Ok((socket, port)) => {
                    let listener = Self { fd: socket.into(), is_tcp: true, path: None };
                    return Ok((listener, Address::Net { host: host.to_owned(), port }));
                }
                Err(error) => failure = error,
            }
        }
        Err(Error::io(what)(failure))
    }

    fn bind_unix(path: &Path) -> Result<Self> {
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
            socket.listen(BACKLOG)?;
            Ok(socket)
        };
        let socket = bind().map_err(Error::io(format!("cannot listen on unix:{}", path.display())))?;
        Ok(Self { fd: socket.into(), is_tcp: false, path: Some(path.to_owned()) })
    }

    /// Accepts until shutdown, giving each connection to the shard that has the fewest.
    pub(crate) async fn run(
        self,
        hub: Hub,
        mailboxes: Arc<[Mailbox]>,
        shutdown: Shutdown,
        congestion: Option<String>,
    ) {
        let watched = self.fd.try_clone().and_then(|fd| hub.watch(fd));
        let mut watch = match watched {
            Ok(watch) => watch,
            Err(error) => return tracing::error!(%error, "cannot wait for connections"),
        };
        while !shutdown.is_asked() {
            if let Err(error) = poll_fn(|cx| watch.poll_readable(cx)).await {
                tracing::error!(%error, "cannot wait for connections");
                return;
            }
            if let Err(error) = self.accept_some(&mut watch, &mailboxes, congestion.as_deref()) {
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
        mailboxes: &[Mailbox],
        congestion: Option<&str>,
    ) -> std::io::Result<()> {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(fd) = sys::accept(watch.fd())? else {
                watch.clear_ready();
                return Ok(());
            };
            if self.is_tcp {
                prepare_tcp(&fd, congestion);
            }
            let peer = peer_name(&fd);
            let Some(mailbox) = mailboxes.iter().min_by_key(|mailbox| mailbox.load()) else { return Ok(()) };
            mailbox.push(Accepted { fd, peer, is_tcp: self.is_tcp });
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

pub(crate) fn peer_name(fd: &OwnedFd) -> String {
    let address = socket2::SockRef::from(fd).peer_addr().ok();
    match address.and_then(|address| address.as_socket()) {
        Some(address) => address.to_string(),
        None => "unix".to_owned(),
    }
}
