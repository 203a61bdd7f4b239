use super::{
    ConnectOptions, Connection, Credentials, Error, Peer, Result, Service, Shard, TlsConnector,
    establish::{self, Failure},
    link::Link,
    listener::{peer_address, peer_of, prepare_tcp},
    socks,
    transport::{Stage, TlsStage, WsStage},
};
use crate::secret::{Address, Auth, Endpoint, Keypair, Transport};
use futures_lite::FutureExt;
use glommio::timer::sleep;
use std::{
    io,
    net::{TcpStream, ToSocketAddrs},
    os::{fd::OwnedFd, unix::net::UnixStream},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Dials the alternatives of an address in order, shakes hands where it says so, and serves what the peer asks of us with
/// `service`. To be called on a shard or inside [`block_on`](super::block_on).
///
/// # Errors
/// [`Error::NoRuntime`] elsewhere; what the last alternative failed with: [`Error::Io`] when nobody answers,
/// [`Error::Handshake`] when the peer is not who the address says, or does not want us.
pub async fn connect(
    address: &Address,
    options: &ConnectOptions,
    service: Rc<dyn Service>,
) -> Result<Connection> {
    let shard = Shard::current().ok_or(Error::NoRuntime)?;
    let mut failure = Error::Options("the address is empty".to_owned());
    for endpoint in address.endpoints() {
        match connect_endpoint(endpoint, options, &shard).await {
            Ok((link, peer)) => {
                let grant = service.authorise(&peer).ok_or_else(|| refused(endpoint, &Failure::Refused))?;
                return Ok(shard.start(link, (peer, grant), options.session.clone(), service, || {}));
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

async fn connect_endpoint(
    endpoint: &Endpoint,
    options: &ConnectOptions,
    shard: &Shard,
) -> Result<(Link, Peer)> {
    let timeout = options.timeout.unwrap_or(CONNECT_MAX);
    let proxy = options.socks5.clone().unwrap_or_else(|| socks::TOR.to_owned());
    let wanted = endpoint.transport.clone();
    // Names are looked up by the C library, which blocks; so both steps go to glommio's blocking thread.
    let dialled = glommio::executor().spawn_blocking(move || dial(&wanted, &proxy, timeout)).await;
    let fd = dialled.map_err(Error::io(format!("cannot connect to {}", shown(endpoint))))?;
    if !matches!(endpoint.transport, Transport::Unix(_)) {
        prepare_tcp(&fd, options.congestion.as_deref());
    }
    let address = peer_address(&fd);
    let mut peer = peer_of(&fd, address);
    let stages = stages(endpoint, options.tls.as_ref()).map_err(|error| refused(endpoint, &error))?;
    let mut link = shard.link(fd, stages).map_err(|error| refused(endpoint, &error.into()))?;
    let work = secure(&mut link, endpoint, options, &mut peer);
    let late = async {
        sleep(timeout).await;
        Err(Failure::TimedOut)
    };
    work.or(late).await.map_err(|failure| refused(endpoint, &failure))?;
    Ok((link, peer))
}

async fn secure(
    link: &mut Link,
    endpoint: &Endpoint,
    options: &ConnectOptions,
    peer: &mut Peer,
) -> Result<(), Failure> {
    let Auth::Shs { key, seed } = &endpoint.auth else {
        return Ok(std::future::poll_fn(|cx| link.poll_ready(cx)).await?);
    };
    let server = key.ok_or_else(|| io::Error::other("the address names no key: net:HOST:PORT~shs:KEY"))?;
    let mut credentials = match &options.credentials {
        Some(credentials) => credentials.clone(),
        None => Credentials::anonymous()?,
    };
    if let Some(seed) = seed {
        // An invite is redeemed with the key pair it carries.
        credentials.identity = Arc::new(Keypair::from_seed(seed.as_bytes()));
    }
    establish::dial(link, &credentials, server).await?;
    peer.key = Some(server);
    Ok(())
}

fn stages(endpoint: &Endpoint, tls: Option<&TlsConnector>) -> Result<Vec<Box<dyn Stage>>, Failure> {
    let mut stages: Vec<Box<dyn Stage>> = Vec::new();
    match &endpoint.transport {
        Transport::Ws { host, port, path } => {
            stages.push(Box::new(
                WsStage::client(host, *port, path.as_deref().unwrap_or("/")).map_err(io::Error::other)?,
            ));
        }
        Transport::Wss { host, port, path } => {
            let system;
            let tls = match tls {
                Some(tls) => tls,
                None => {
                    system = TlsConnector::system().map_err(io::Error::other)?;
                    &system
                }
            };
            stages.push(Box::new(TlsStage::client(tls.config(), host).map_err(io::Error::other)?));
            stages.push(Box::new(
                WsStage::client(host, *port, path.as_deref().unwrap_or("/")).map_err(io::Error::other)?,
            ));
        }
        _ => {}
    }
    Ok(stages)
}

fn refused(endpoint: &Endpoint, failure: &Failure) -> Error {
    Error::Handshake { address: shown(endpoint), reason: failure.to_string() }
}

/// The endpoint without the secret it may carry.
fn shown(endpoint: &Endpoint) -> String {
    let mut endpoint = endpoint.clone();
    if let Auth::Shs { seed, .. } = &mut endpoint.auth {
        *seed = None;
    }
    endpoint.to_string()
}

fn dial(transport: &Transport, proxy: &str, timeout: Duration) -> io::Result<OwnedFd> {
    match transport {
        Transport::Unix(path) => UnixStream::connect(path).map(OwnedFd::from),
        Transport::Net { host, port }
        | Transport::Ws { host, port, .. }
        | Transport::Wss { host, port, .. } => dial_tcp((host.as_str(), *port), timeout).map(OwnedFd::from),
        Transport::Onion { host, port } => {
            let stream = dial_tcp(proxy, timeout)?;
            stream.set_read_timeout(Some(timeout))?;
            stream.set_write_timeout(Some(timeout))?;
            socks::connect(stream, host, *port).map(OwnedFd::from)
        }
        _ => Err(io::Error::other("this kind of address cannot be dialled")),
    }
}

fn dial_tcp(address: impl ToSocketAddrs, timeout: Duration) -> io::Result<TcpStream> {
    let mut failure = io::Error::other("the name has no address");
    for resolved in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&resolved, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}
