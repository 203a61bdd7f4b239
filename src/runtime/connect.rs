use super::{
    Address, ConnectOptions, Connection, Error, Result, Service, Shard,
    listener::{peer_name, prepare_tcp},
    mailbox::Accepted,
};
use std::{
    io,
    net::{TcpStream, ToSocketAddrs},
    os::{fd::OwnedFd, unix::net::UnixStream},
    rc::Rc,
    time::Duration,
};

const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Dials, and serves what the peer asks of us with `service`. To be called on a shard or inside
/// [`block_on`](super::block_on).
///
/// # Errors
/// [`Error::NoRuntime`] elsewhere, [`Error::Io`] when nobody answers.
pub async fn connect(
    address: &Address,
    options: &ConnectOptions,
    service: Rc<dyn Service>,
) -> Result<Connection> {
    let shard = Shard::current().ok_or(Error::NoRuntime)?;
    let timeout = options.timeout.unwrap_or(CONNECT_MAX);
    let wanted = address.clone();
    // Names are looked up by the C library, which blocks; so both steps go to glommio's blocking thread.
    let dialled = glommio::executor().spawn_blocking(move || dial(&wanted, timeout)).await;
    let fd = dialled.map_err(Error::io(format!("cannot connect to {address}")))?;
    let is_tcp = matches!(address, Address::Net { .. });
    if is_tcp {
        prepare_tcp(&fd, options.congestion.as_deref());
    }
    let peer = peer_name(&fd);
    shard.start(Accepted { fd, peer, is_tcp }, options.session.clone(), service, || {})
}

fn dial(address: &Address, timeout: Duration) -> io::Result<OwnedFd> {
    let (host, port) = match address {
        Address::Unix(path) => return UnixStream::connect(path).map(OwnedFd::from),
        Address::Net { host, port } => (host.as_str(), *port),
    };
    let mut failure = io::Error::other("the name has no address");
    for resolved in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&resolved, timeout) {
            Ok(stream) => return Ok(stream.into()),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}
