//! Raw TCP: no streams, no flow control but the socket's, messages told apart by a length.
//!
//! `tcp` writes every message by itself, which is what a naive protocol pays; `tcp-coalesced` gathers 64 KiB before it
//! writes, which is the most that this machine can move through one socket. Both read up to 256 KiB at a time, block,
//! and set `TCP_NODELAY`. With one stream a message is `length | body`, with several `stream | length | body`, in turns.
//! A call is a message that is sent back.

mod echo;
mod one_way;
mod outbox;

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use anyhow::Context;

use super::request::{REQUEST, Request};
use super::{ANY_PORT, Peer};
use crate::compare::trial::Ready;
use crate::compare::work::{Shape, Windows, Work};
use crate::measure::{Measured, Meter};

/// How much is read at a time.
const READ: usize = 256 << 10;

/// How much is gathered before a write.
const GATHER: usize = 64 << 10;

/// A length before a message of the only stream.
const ONE: usize = 4;

/// A stream and a length before a message of one of several.
const SEVERAL: usize = 8;

/// One write for each message.
pub(super) const PLAIN: Tcp = Tcp { name: "tcp", gather: 0, writes: "one write a message" };

/// 64 KiB gathered before a write.
pub(super) const COALESCED: Tcp = Tcp { name: "tcp-coalesced", gather: GATHER, writes: "64 KiB a write" };

/// Raw TCP with one of the two ways to write.
#[derive(Debug)]
pub(super) struct Tcp {
    name: &'static str,
    gather: usize,
    writes: &'static str,
}

impl Peer for Tcp {
    fn name(&self) -> &'static str {
        self.name
    }

    fn settings(&self, _windows: Windows) -> String {
        format!(
            "blocking std sockets, {}, 4-byte length before each message, 256 KiB reads, no windows but the socket's",
            self.writes
        )
    }

    fn refuses(&self, work: &Work) -> Option<String> {
        let most = READ - SEVERAL;
        (work.body > most).then(|| format!("it reads bodies of at most {most} bytes"))
    }

    fn serve(&self, _work: &Work) -> anyhow::Result<()> {
        let listener = TcpListener::bind(ANY_PORT)?;
        Ready::announce(listener.local_addr()?.port());
        let (mut socket, _) = listener.accept()?;
        socket.set_nodelay(true)?;
        let mut request = [0; REQUEST];
        socket.read_exact(&mut request)?;
        let request = Request::unpack(&request)?;
        match (request.shape, request.streams) {
            (Shape::Source, _) => one_way::source(&socket, self.gather, request)?,
            (Shape::Sink, 1) => one_way::sink::<ONE>(&socket, request)?,
            (Shape::Sink, _) => one_way::sink::<SEVERAL>(&socket, request)?,
            (Shape::PingPong | Shape::Async, 1) => echo::echo::<ONE>(&socket, self.gather)?,
            (Shape::PingPong | Shape::Async, _) => echo::echo::<SEVERAL>(&socket, self.gather)?,
        }
        // The client samples this process at the last message, and whoever started both ends this one.
        loop {
            thread::park();
        }
    }

    fn drive(&self, work: &Work, server: SocketAddr, meter: &Meter) -> anyhow::Result<Measured> {
        let socket = TcpStream::connect(server).context("cannot connect")?;
        socket.set_nodelay(true)?;
        match (work.shape, work.streams) {
            (Shape::Source, 1) => one_way::receive_all::<ONE>(&socket, work, meter),
            (Shape::Source, _) => one_way::receive_all::<SEVERAL>(&socket, work, meter),
            (Shape::Sink, _) => one_way::send_all(&socket, self.gather, work, meter),
            (Shape::PingPong | Shape::Async, 1) => echo::play_all::<ONE>(&socket, self.gather, work, meter),
            (Shape::PingPong | Shape::Async, _) => {
                echo::play_all::<SEVERAL>(&socket, self.gather, work, meter)
            }
        }
    }
}

/// What stands before the messages of a stream.
fn head<const HEAD: usize>(stream: u32, body: usize) -> anyhow::Result<[u8; HEAD]> {
    let mut head = [0; HEAD];
    if HEAD == SEVERAL {
        head[..4].copy_from_slice(&stream.to_be_bytes());
    }
    head[HEAD - 4..].copy_from_slice(&u32::try_from(body)?.to_be_bytes());
    Ok(head)
}

/// The stream that a message belongs to.
fn stream_of<const HEAD: usize>(head: &[u8; HEAD]) -> usize {
    let stream = head.first_chunk().map_or(0, |stream| u32::from_be_bytes(*stream));
    if HEAD == SEVERAL { stream as usize } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_named_only_where_there_are_several() {
        let one = head::<ONE>(7, 64).expect("a short body");
        assert_eq!((one, stream_of(&one)), ([0, 0, 0, 64], 0));
        let several = head::<SEVERAL>(7, 64).expect("a short body");
        assert_eq!((several, stream_of(&several)), ([0, 0, 0, 7, 0, 0, 0, 64], 7));
    }
}
