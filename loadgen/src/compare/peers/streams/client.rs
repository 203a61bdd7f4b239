//! The client's part in each shape: a task for each stream, or for each call in flight.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::task::JoinSet;

use super::{HEAD, Open, framed, head, inbox};
use crate::compare::peers::common::{Common, together};
use crate::compare::peers::request::{REQUEST, Request};
use crate::compare::rally::Rally;
use crate::compare::verify::{self, Check, Inbox, REPORT};
use crate::compare::work::{Shape, Work};
use crate::measure::{Measured, Meter, Tally};

/// Does the work over streams that `opener` opens.
pub(crate) async fn drive(opener: impl Open, work: &Work, meter: &Meter) -> anyhow::Result<Measured> {
    let common = Common::new(work, meter);
    let running = meter.start();
    let mut tasks = JoinSet::new();
    for _task in 0..work.at_once() {
        let (opener, common) = (opener.clone(), common.clone());
        match work.shape {
            Shape::Source => tasks.spawn(receive(opener, common)),
            Shape::Sink => tasks.spawn(send(opener, common)),
            Shape::PingPong => tasks.spawn(play(opener, common)),
            Shape::Async => tasks.spawn(call_in_turn(opener, common)),
        };
    }
    let mut tally = together(tasks).await?;
    if work.shape == Shape::Sink {
        tally = verify::settle(tally, work);
    }
    Ok(common.finish(running, tally))
}

/// Opens a stream and asks for the work on it.
async fn open<O: Open>(opener: &O, work: &Work) -> anyhow::Result<O::Stream> {
    let mut stream = opener.open().await?;
    stream.write_all(&Request::pack(work)?).await?;
    Ok(stream)
}

async fn receive(opener: impl Open, common: Common) -> anyhow::Result<Tally> {
    let Work { each, body, streams, .. } = common.work;
    let mut stream = open(&opener, &common.work).await?;
    let mut check = Check::new(body);
    let mut inbox = inbox(streams, body);
    let mut received = 0;
    while received < u64::from(each) {
        let read = stream.read(inbox.room()).await?;
        inbox.filled(read)?;
        inbox.frames::<HEAD>(|_, body| check.message(body))?;
        common.seen.add(check.tally().messages - received);
        received = check.tally().messages;
    }
    common.all_of(&check)
}

async fn send(opener: impl Open, common: Common) -> anyhow::Result<Tally> {
    let mut stream = open(&opener, &common.work).await?;
    let mut message = framed(common.work.body)?;
    for index in 0..common.work.each {
        verify::number(&mut message[HEAD..], index);
        stream.write_all(&message).await?;
        common.seen.add(1);
    }
    stream.shutdown().await?;
    let mut report = [0; REPORT];
    stream.read_exact(&mut report).await?;
    Ok(verify::reported(&report))
}

async fn play(opener: impl Open, common: Common) -> anyhow::Result<Tally> {
    let work = common.work;
    let stream = open(&opener, &work).await?;
    let rally = Rally::new(&work, &head(work.body)?);
    let mut player = Player { stream, rally, written: 0, inbox: inbox(work.streams, work.body), common };
    poll_fn(|cx| player.poll(cx)).await?;
    player.stream.shutdown().await?;
    Ok(player.rally.tally())
}

/// The client's end of a ping-pong stream.
struct Player<S> {
    stream: S,
    rally: Rally,
    /// How much of the message that is due has been written.
    written: usize,
    inbox: Inbox,
    common: Common,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Player<S> {
    /// Sends what is due and takes what is back, whichever is possible: waiting for one alone could lock both ends up.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<anyhow::Result<()>> {
        loop {
            while let Some(message) = self.rally.due() {
                let rest = &message[self.written..];
                let length = rest.len();
                let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write(cx, rest)? else { break };
                self.written += written;
                if written == length {
                    self.written = 0;
                    self.rally.sent();
                }
            }
            if self.rally.is_over() {
                return Poll::Ready(Ok(()));
            }
            let mut room = ReadBuf::new(self.inbox.room());
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
            let read = room.filled().len();
            self.inbox.filled(read)?;
            self.inbox.frames::<HEAD>(|_, body| self.common.record(self.rally.back(body)))?;
        }
    }
}

/// One caller: a stream for each call, a call after the other, as long as there are calls to make.
async fn call_in_turn(opener: impl Open, common: Common) -> anyhow::Result<Tally> {
    let work = common.work;
    let mut message = Request::pack(&work)?.to_vec();
    message.extend(framed(work.body)?);
    let mut reply = framed(work.body)?;
    let mut tally = Tally::default();
    while let Some(index) = common.next_call() {
        verify::number(&mut message[REQUEST + HEAD..], index);
        let began = Instant::now();
        let mut stream = opener.open().await?;
        stream.write_all(&message).await?;
        stream.read_exact(&mut reply).await?;
        common.record(began.elapsed());
        stream.shutdown().await?;
        let errors = u64::from(reply != message[REQUEST..]);
        tally.add(Tally { messages: 1, bytes: work.body as u64, errors });
    }
    Ok(tally)
}
