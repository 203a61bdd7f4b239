//! Messages there and back: ping-pong over any number of streams, and calls, which are ping-pong over one.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::Context;

use super::outbox::{Backlog, Outbox};
use super::{READ, head, stream_of};
use crate::compare::peers::request::Request;
use crate::compare::rally::Rally;
use crate::compare::verify::Inbox;
use crate::compare::work::Work;
use crate::measure::{Measured, Meter, Tally};
use crate::record::latency::Recorder;

/// The server's part: each message is sent back as it came; those of one read leave as the outbox has it.
pub(super) fn echo<const HEAD: usize>(mut socket: &TcpStream, gather: usize) -> anyhow::Result<()> {
    let mut inbox = Inbox::new(READ);
    let mut outbox = Outbox::new(socket, gather);
    loop {
        let read = socket.read(inbox.room())?;
        if read == 0 {
            return Ok(());
        }
        inbox.filled(read)?;
        while let Some(frame) = inbox.frame::<HEAD>()? {
            outbox.send(frame)?;
        }
        outbox.flush()?;
    }
}

/// The client's part.
pub(super) fn play_all<const HEAD: usize>(
    mut socket: &TcpStream,
    gather: usize,
    work: &Work,
    meter: &Meter,
) -> anyhow::Result<Measured> {
    let mut rallies = Vec::new();
    for stream in 0..work.streams {
        rallies.push(Rally::new(work, &head::<HEAD>(stream, work.body)?));
    }
    let mut backlog = Backlog::new(socket, gather);
    let mut inbox = Inbox::new(READ);
    let mut recorder = Recorder::new();
    let (seen, wanted, length) = (meter.seen(), work.messages(), (HEAD + work.body) as u64);
    let (mut received, mut strays) = (0, 0);
    let running = meter.start();
    socket.write_all(&Request::pack(work)?)?;
    for rally in &mut rallies {
        send_due(rally, &mut backlog)?;
    }
    while received < wanted {
        backlog.flush()?;
        // A message that is out in full comes back whatever happens; before that there would be nothing to wait for.
        if backlog.written() / length <= received {
            backlog.press(length as usize)?;
        }
        let read = socket.read(inbox.room())?;
        inbox.filled(read)?;
        while let Some(frame) = inbox.frame::<HEAD>()? {
            let (head, body) = frame.split_first_chunk().context("a frame is shorter than its head")?;
            received += 1;
            let Some(rally) = rallies.get_mut(stream_of::<HEAD>(head)) else {
                strays += 1;
                continue;
            };
            recorder.record(rally.back(body));
            send_due(rally, &mut backlog)?;
        }
        seen.set(received);
    }
    let mut tally = Tally { errors: strays, ..Tally::default() };
    rallies.iter().for_each(|rally| tally.add(rally.tally()));
    Ok(running.finish(tally, Some(&recorder)))
}

fn send_due(rally: &mut Rally, backlog: &mut Backlog<'_>) -> anyhow::Result<()> {
    while let Some(message) = rally.due() {
        backlog.send(message)?;
        rally.sent();
    }
    Ok(())
}
