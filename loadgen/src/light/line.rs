//! A socket, plain or sealed.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::BytesMut;
use push_mux::secret::{
    ACCEPT_BYTES, Endpoint, HELLO_BYTES, Handshake, Keypair, NetworkKey, Opened, Opener, Progress, Sealer,
    Transport,
};
use rustix::net::{RecvFlags, SendFlags, recv, send};

/// How long connecting and shaking hands may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(20);

/// Bytes of one read.
const READ_BYTES: usize = 256 << 10;

/// How to reach a server.
#[derive(Clone, Debug)]
pub(crate) struct Dial {
    /// Where it is.
    pub(crate) endpoint: Endpoint,
    /// Which network's key is used where hands are shaken.
    pub(crate) network: NetworkKey,
    /// Congestion control, where another than the default is wanted.
    pub(crate) congestion: Option<String>,
}

/// A connection of bytes. Never blocks once it stands.
#[derive(Debug)]
pub(super) struct Line {
    socket: OwnedFd,
    boxes: Option<Boxes>,
    /// Sealed bytes that the socket has not taken all of.
    sealed: BytesMut,
    /// How much of them, or of what is plain, it has.
    sent: usize,
}

#[derive(Debug)]
struct Boxes {
    sealer: Sealer,
    opener: Opener,
}

/// Where received bytes are put: one for all connections of a thread.
#[derive(Debug)]
pub(super) struct Room {
    bytes: Vec<u8>,
    read_bytes: usize,
    opened: BytesMut,
}

/// What a read found.
#[derive(Debug)]
pub(super) enum Got<'a> {
    /// What was kept from before, and more behind it; whether the read was full, so that more may be waiting.
    Bytes(&'a [u8], bool),
    /// Nothing yet.
    Nothing,
    /// The peer has closed.
    End,
}

impl Room {
    pub(super) fn new() -> Self {
        Self::of(READ_BYTES)
    }

    /// For reads of so many bytes.
    pub(super) fn of(read_bytes: usize) -> Self {
        Self { bytes: vec![0; read_bytes], read_bytes, opened: BytesMut::new() }
    }
}

/// Connects without saying a word.
pub(crate) fn dial_raw(dial: &Dial) -> anyhow::Result<OwnedFd> {
    Ok(match &dial.endpoint.transport {
        Transport::Net { host, port } => {
            let socket = TcpStream::connect((host.as_str(), *port))
                .with_context(|| format!("no connection to {host}:{port}"))?;
            socket.set_nodelay(true)?;
            if let Some(name) = &dial.congestion {
                rustix::net::sockopt::set_tcp_congestion(&socket, name)
                    .with_context(|| format!("no congestion control {name}"))?;
            }
            socket.set_read_timeout(Some(CONNECT_WITHIN))?;
            socket.set_write_timeout(Some(CONNECT_WITHIN))?;
            socket.into()
        }
        Transport::Unix(path) => {
            let socket =
                UnixStream::connect(path).with_context(|| format!("no connection to {}", path.display()))?;
            socket.set_read_timeout(Some(CONNECT_WITHIN))?;
            socket.set_write_timeout(Some(CONNECT_WITHIN))?;
            socket.into()
        }
        other => {
            bail!("the light client speaks tcp, shs and unix, and not {other:?}: use --client framework")
        }
    })
}

impl Line {
    /// Connects, and shakes hands where the address has a key.
    pub(super) fn dial(dial: &Dial) -> anyhow::Result<Self> {
        let socket = dial_raw(dial)?;
        let boxes = match dial.endpoint.key() {
            None => None,
            Some(key) => {
                let seed = |name: &str| -> anyhow::Result<[u8; 32]> {
                    let mut seed = [0; 32];
                    getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("no {name}: {error}"))?;
                    Ok(seed)
                };
                let identity = Keypair::from_seed(&seed("identity")?);
                let handshake = Handshake::client(&dial.network, &identity, &key, &seed("ephemeral key")?)?;
                Some(shake(&socket, handshake).context("the handshake failed")?)
            }
        };
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Self { socket, boxes, sealed: BytesMut::new(), sent: 0 })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Reads once. What is returned begins with `partial`, which is emptied.
    pub(super) fn read<'a>(&mut self, room: &'a mut Room, partial: &mut Vec<u8>) -> anyhow::Result<Got<'a>> {
        match &mut self.boxes {
            None => {
                let kept = partial.len();
                if room.bytes.len() < kept + room.read_bytes / 2 {
                    room.bytes.resize(kept + room.read_bytes, 0);
                }
                let Some(read) = receive(&self.socket, &mut room.bytes[kept..])? else {
                    return Ok(Got::Nothing);
                };
                if read == 0 {
                    return Ok(Got::End);
                }
                room.bytes[..kept].copy_from_slice(partial);
                partial.clear();
                Ok(Got::Bytes(&room.bytes[..kept + read], kept + read == room.bytes.len()))
            }
            Some(boxes) => {
                let Some(read) = receive(&self.socket, &mut room.bytes)? else { return Ok(Got::Nothing) };
                if read == 0 {
                    return Ok(Got::End);
                }
                room.opened.clear();
                room.opened.extend_from_slice(partial);
                partial.clear();
                match boxes.opener.open(&room.bytes[..read], &mut room.opened)? {
                    Opened::Goodbye => Ok(Got::End),
                    Opened::More => Ok(Got::Bytes(&room.opened, read == room.bytes.len())),
                }
            }
        }
    }

    /// Writes as much of `out` as the socket takes, and empties it once that was all; whether it was.
    pub(super) fn write(&mut self, out: &mut Vec<u8>) -> anyhow::Result<bool> {
        let Some(boxes) = &mut self.boxes else {
            self.sent += transmit(&self.socket, &out[self.sent..])?;
            let is_all = self.sent == out.len();
            if is_all {
                out.clear();
                self.sent = 0;
            }
            return Ok(is_all);
        };
        // Until the socket is full or nothing is left: it tells that it has room only after it had none.
        loop {
            if self.sent == self.sealed.len() {
                self.sealed.clear();
                self.sent = 0;
                if out.is_empty() {
                    return Ok(true);
                }
                boxes.sealer.seal(&[IoSlice::new(out)], &mut self.sealed);
                out.clear();
            }
            self.sent += transmit(&self.socket, &self.sealed[self.sent..])?;
            if self.sent < self.sealed.len() {
                return Ok(false);
            }
        }
    }
}

/// Reads what there is; nothing when there is nothing yet.
fn receive(socket: &OwnedFd, into: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match recv(socket, &mut *into, RecvFlags::DONTWAIT) {
            Ok((read, _)) => return Ok(Some(read)),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Writes until the socket is full.
fn transmit(socket: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match send(socket, &bytes[sent..], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(taken) => sent += taken,
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(sent)
}

/// The client's side of a handshake, on a socket that blocks.
fn shake(socket: &OwnedFd, mut handshake: Handshake) -> anyhow::Result<Boxes> {
    let mut stream = Blocking(socket);
    // Messages 2 and 4; what follows them belongs to the box-stream and stays in the socket.
    for bytes in [HELLO_BYTES, ACCEPT_BYTES] {
        stream.write_all(&handshake.take_output())?;
        let mut message = vec![0; bytes];
        stream.read_exact(&mut message)?;
        if let Progress::Done(outcome) = handshake.handle(&mut message.into())? {
            return Ok(Boxes { sealer: outcome.sealer(), opener: outcome.opener() });
        }
    }
    bail!("it did not end")
}

struct Blocking<'a>(&'a OwnedFd);

impl Read for Blocking<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(self.0, into)?)
    }
}

impl Write for Blocking<'_> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        Ok(send(self.0, from, SendFlags::NOSIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
impl Line {
    /// A plain line over a socket that the test holds the other end of.
    pub(super) fn over(socket: UnixStream) -> Self {
        socket.set_nonblocking(true).expect("a socket");
        Self { socket: socket.into(), boxes: None, sealed: BytesMut::new(), sent: 0 }
    }
}
