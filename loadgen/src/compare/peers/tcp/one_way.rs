//! Messages one way: a source from the server, or a sink to it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use anyhow::ensure;

use super::outbox::Outbox;
use super::{ONE, READ, SEVERAL, head, stream_of};
use crate::compare::peers::request::Request;
use crate::compare::verify::{self, Check, Inbox, REPORT};
use crate::compare::work::Work;
use crate::measure::{Measured, Meter, Tally};

/// The server's part of a source.
pub(super) fn source(socket: &TcpStream, gather: usize, request: Request) -> anyhow::Result<()> {
    write_all(socket, gather, request, |_sent| ())
}

/// The server's part of a sink: its report is all that it sends.
pub(super) fn sink<const HEAD: usize>(mut socket: &TcpStream, request: Request) -> anyhow::Result<()> {
    let mut receiver = Receiver::<HEAD>::new(request.streams, request.body);
    while receiver.read(socket)? {}
    Ok(socket.write_all(&verify::report(receiver.tally()))?)
}

/// The client's part of a source.
pub(super) fn receive_all<const HEAD: usize>(
    mut socket: &TcpStream,
    work: &Work,
    meter: &Meter,
) -> anyhow::Result<Measured> {
    let (seen, wanted) = (meter.seen(), work.messages());
    let mut receiver = Receiver::<HEAD>::new(work.streams, work.body);
    let running = meter.start();
    socket.write_all(&Request::pack(work)?)?;
    while receiver.received < wanted {
        ensure!(receiver.read(socket)?, "the connection ended before the last message");
        seen.set(receiver.received);
    }
    Ok(running.finish(receiver.tally(), None))
}

/// The client's part of a sink.
pub(super) fn send_all(
    mut socket: &TcpStream,
    gather: usize,
    work: &Work,
    meter: &Meter,
) -> anyhow::Result<Measured> {
    let packed = Request::pack(work)?;
    let seen = meter.seen();
    let running = meter.start();
    socket.write_all(&packed)?;
    write_all(socket, gather, Request::unpack(&packed)?, |sent| seen.set(sent))?;
    socket.shutdown(Shutdown::Write)?;
    let mut report = [0; REPORT];
    socket.read_exact(&mut report)?;
    Ok(running.finish(verify::settle(verify::reported(&report), work), None))
}

/// Sends the messages of all streams in turns, and tells how many have been sent after each turn.
fn write_all(
    socket: &TcpStream,
    gather: usize,
    request: Request,
    mut told: impl FnMut(u64),
) -> anyhow::Result<()> {
    let Request { streams, each, body, .. } = request;
    let mut outbox = Outbox::new(socket, gather);
    let mut message =
        if streams == 1 { head::<ONE>(0, body)?.to_vec() } else { head::<SEVERAL>(0, body)?.to_vec() };
    let head = message.len();
    message.extend(verify::body(body));
    for index in 0..each {
        verify::number(&mut message[head..], index);
        for stream in 0..streams {
            if streams > 1 {
                verify::number(&mut message, stream);
            }
            outbox.send(&message)?;
        }
        told(u64::from(index + 1) * u64::from(streams));
    }
    Ok(outbox.flush()?)
}

/// Takes the messages of all streams as they come.
struct Receiver<const HEAD: usize> {
    inbox: Inbox,
    checks: Vec<Check>,
    received: u64,
    strays: u64,
}

impl<const HEAD: usize> Receiver<HEAD> {
    fn new(streams: u32, body: usize) -> Self {
        let checks = vec![Check::new(body); streams as usize];
        Self { inbox: Inbox::new(READ), checks, received: 0, strays: 0 }
    }

    /// Reads once; whether anything may follow.
    fn read(&mut self, mut socket: &TcpStream) -> anyhow::Result<bool> {
        let read = socket.read(self.inbox.room())?;
        if read == 0 && self.inbox.is_empty() {
            return Ok(false);
        }
        self.inbox.filled(read)?;
        self.inbox.frames::<HEAD>(|head, body| {
            match self.checks.get_mut(stream_of(head)) {
                Some(check) => check.message(body),
                None => self.strays += 1,
            }
            self.received += 1;
        })?;
        Ok(true)
    }

    fn tally(&self) -> Tally {
        let mut tally = Tally { errors: self.strays, ..Tally::default() };
        self.checks.iter().for_each(|check| tally.add(check.tally()));
        tally
    }
}
