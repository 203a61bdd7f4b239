//! Raw TCP: no streams, no flow control but the socket's, messages told apart by a length.
//!
//! `tcp` writes every message by itself, which is what a naive protocol pays; `tcp-coalesced` gathers 64 KiB before it
//! writes, which is the most that this machine can move through one socket. Both read up to 256 KiB at a time, block,
//! and set `TCP_NODELAY`. With one stream a message is `length | body`, with several `stream | length | body`, in turns.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use anyhow::{Context, bail};

use super::{ANY_PORT, Peer};
use crate::compare::trial::Ready;
use crate::compare::verify::{self, Check, Inbox};
use crate::compare::work::{Shape, Windows, Work};
use crate::latency::Recorder;
use crate::measure::{Measured, Meter, Tally};

const READ: usize = 256 << 10;
const GATHER: usize = 64 << 10;

/// A request: kind, streams, messages on each, size of a body.
const REQUEST: usize = 16;

/// One write for each message.
pub(super) const PLAIN: Tcp = Tcp {
    name: "tcp",
    gather: 0,
    settings: "blocking std sockets, one write a message, 4-byte length before each, 256 KiB reads",
};

/// 64 KiB gathered before a write.
pub(super) const COALESCED: Tcp = Tcp {
    name: "tcp-coalesced",
    gather: GATHER,
    settings: "blocking std sockets, 64 KiB a write, 4-byte length before each message, 256 KiB reads",
};

/// Raw TCP with one of the two ways to write.
#[derive(Debug)]
pub(super) struct Tcp {
    name: &'static str,
    gather: usize,
    settings: &'static str,
}

impl Peer for Tcp {
    fn name(&self) -> &'static str {
        self.name
    }

    fn settings(&self, _windows: Windows) -> String {
        self.settings.to_owned()
    }

    fn serve(&self, work: &Work) -> anyhow::Result<()> {
        let listener = TcpListener::bind(ANY_PORT)?;
        Ready::announce(listener.local_addr()?.port());
        let (mut socket, _) = listener.accept()?;
        socket.set_nodelay(true)?;
        let mut request = [0; REQUEST];
        socket.read_exact(&mut request)?;
        let [_, streams, each, body] = unpack(&request);
        let mut outbox = Outbox::new(&socket, self.gather);
        match work.shape {
            Shape::Source => {
                send_all(&mut outbox, streams, each, body as usize)?;
                // Wait for the client to leave: it samples this process at the last message.
                socket.read_exact(&mut request).or(Ok(()))
            }
            Shape::Async => answer_all(&socket, &mut outbox),
            Shape::Sink | Shape::PingPong => bail!("not this shape"),
        }
    }

    fn drive(&self, work: &Work, server: SocketAddr, meter: &Meter) -> anyhow::Result<Measured> {
        let socket = TcpStream::connect(server).context("cannot connect")?;
        socket.set_nodelay(true)?;
        match work.shape {
            Shape::Source if work.streams == 1 => receive_all::<4>(&socket, work, meter),
            Shape::Source => receive_all::<8>(&socket, work, meter),
            Shape::Async => call_all(&socket, self.gather, work, meter),
            Shape::Sink | Shape::PingPong => bail!("not this shape"),
        }
    }
}

/// Writes messages to a socket, each at once or when enough have been gathered.
struct Outbox<'a> {
    socket: &'a TcpStream,
    buffer: Vec<u8>,
    gather: usize,
}

impl<'a> Outbox<'a> {
    fn new(socket: &'a TcpStream, gather: usize) -> Self {
        Self { socket, buffer: Vec::with_capacity(gather), gather }
    }

    fn send(&mut self, message: &[u8]) -> std::io::Result<()> {
        if self.gather == 0 {
            return self.socket.write_all(message);
        }
        if self.buffer.len() + message.len() > self.gather {
            self.flush()?;
        }
        self.buffer.extend_from_slice(message);
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if !self.buffer.is_empty() {
            self.socket.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

fn send_all(outbox: &mut Outbox<'_>, streams: u32, each: u32, body: usize) -> anyhow::Result<()> {
    let head = if streams == 1 { 4 } else { 8 };
    let mut message = vec![0; head];
    message[head - 4..].copy_from_slice(&u32::try_from(body)?.to_be_bytes());
    message.extend(verify::body(body));
    for index in 0..each {
        verify::number(&mut message[head..], index);
        for stream in 0..streams {
            if streams > 1 {
                verify::number(&mut message, stream);
            }
            outbox.send(&message)?;
        }
    }
    Ok(outbox.flush()?)
}

/// Each call is answered with its own bytes; replies to the calls of one read leave as the outbox has it.
fn answer_all(mut socket: &TcpStream, outbox: &mut Outbox<'_>) -> anyhow::Result<()> {
    let mut inbox = Inbox::new(READ);
    let mut reply = Vec::new();
    loop {
        let read = socket.read(inbox.room())?;
        if read == 0 {
            return Ok(());
        }
        inbox.filled(read)?;
        let mut sent = Ok(());
        inbox.frames::<4>(|head, body| {
            reply.clear();
            reply.extend_from_slice(head);
            reply.extend_from_slice(body);
            if sent.is_ok() {
                sent = outbox.send(&reply);
            }
        })?;
        sent?;
        outbox.flush()?;
    }
}

fn receive_all<const HEAD: usize>(
    mut socket: &TcpStream,
    work: &Work,
    meter: &Meter,
) -> anyhow::Result<Measured> {
    let streams = work.streams as usize;
    let mut checks = vec![Check::new(work.body); streams];
    let mut inbox = Inbox::new(READ);
    let (seen, wanted) = (meter.seen(), work.messages());
    let mut received = 0;
    let mut strays = 0;
    let running = meter.start();
    socket.write_all(&request(work))?;
    while received < wanted {
        let read = socket.read(inbox.room())?;
        inbox.filled(read)?;
        inbox.frames::<HEAD>(|head, body| {
            let stream =
                if HEAD == 8 { head.first_chunk().map_or(0, |id| u32::from_be_bytes(*id)) } else { 0 };
            match checks.get_mut(stream as usize) {
                Some(check) => check.message(body),
                None => strays += 1,
            }
            received += 1;
        })?;
        seen.set(received);
    }
    let mut tally = Tally { errors: strays, ..Tally::default() };
    checks.iter().for_each(|check| tally.add(check.tally()));
    Ok(running.finish(tally, None))
}

fn call_all(mut socket: &TcpStream, gather: usize, work: &Work, meter: &Meter) -> anyhow::Result<Measured> {
    let size = work.body;
    let in_flight = work.depth.min(work.each);
    let mut outbox = Outbox::new(socket, gather);
    let mut message = u32::try_from(size)?.to_be_bytes().to_vec();
    message.extend(verify::body(size));
    let mut check = Check::new(size);
    let mut inbox = Inbox::new(READ);
    let mut recorder = Recorder::new();
    let seen = meter.seen();
    let (mut sent, mut received) = (0, 0);
    let running = meter.start();
    socket.write_all(&request(work))?;
    // Replies come in order, so the start of call `i` is in slot `i` modulo the number in flight.
    let mut starts = vec![Instant::now(); in_flight as usize];
    let mut due = in_flight;
    while received < work.each {
        while sent < work.each && due > 0 {
            verify::number(&mut message[4..], sent);
            starts[(sent % in_flight) as usize] = Instant::now();
            outbox.send(&message)?;
            sent += 1;
            due -= 1;
        }
        outbox.flush()?;
        let read = socket.read(inbox.room())?;
        inbox.filled(read)?;
        inbox.frames::<4>(|_, body| {
            check.message(body);
            recorder.record(starts[(received % in_flight) as usize].elapsed());
            received += 1;
            due += 1;
        })?;
        seen.set(u64::from(received));
    }
    Ok(running.finish(check.tally(), Some(&recorder)))
}

fn request(work: &Work) -> [u8; REQUEST] {
    let kind = match work.shape {
        Shape::Source => 0,
        Shape::Sink | Shape::PingPong | Shape::Async => 1,
    };
    let mut request = [0; REQUEST];
    let numbers = [kind, work.streams, work.each, work.body as u32];
    for (place, number) in request.chunks_exact_mut(4).zip(numbers) {
        place.copy_from_slice(&number.to_be_bytes());
    }
    request
}

fn unpack(request: &[u8; REQUEST]) -> [u32; 4] {
    let mut numbers = [0; 4];
    for (number, place) in numbers.iter_mut().zip(request.as_chunks().0) {
        *number = u32::from_be_bytes(*place);
    }
    numbers
}
