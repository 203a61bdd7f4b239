//! Streams and calls that are as fast as they can be, and check whatever comes back.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::rc::Rc;
use std::time::Instant;

use futures_lite::FutureExt;
use futures_lite::future::zip;
use glommio::sync::Semaphore;
use glommio::timer::sleep;
use push_mux::{CallError, RecvStream, SendStream};

use super::fleet::Seat;
use crate::compare::verify::Check;
use crate::payload::Payload;
use crate::plan::Settings;

/// What each connection does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// Streams, or callers.
    pub(crate) streams: u32,
    /// Size of a body.
    pub(crate) body: usize,
    /// Messages of each stream; as many as time allows when not given.
    pub(crate) messages: Option<u32>,
    /// Messages of a duplex on their way at once.
    pub(crate) in_flight: u32,
}

impl Work {
    /// What settings say; `streams` are callers where calls are made.
    pub(crate) fn new(settings: &Settings, streams: u32) -> Self {
        Self {
            streams,
            body: settings.body as usize,
            messages: settings.messages.map(|messages| u32::try_from(messages).unwrap_or(u32::MAX)),
            in_flight: settings.depth,
        }
    }

    /// Messages of each stream, in any case.
    fn limit(&self) -> u32 {
        self.messages.unwrap_or(u32::MAX)
    }
}

impl Seat {
    fn is_over(&self) -> bool {
        self.end.is_some_and(|end| Instant::now() >= end)
    }

    /// Notes why a stream broke.
    fn failed(&self, ended: Result<(), CallError>) {
        if let Err(error) = ended {
            self.ledger.wrong(1, error);
        }
    }
}

/// Runs `one` for every stream and waits for all.
async fn each<F>(seat: Seat, work: Work, one: impl Fn(Seat, Work) -> F)
where
    F: Future<Output = Result<(), CallError>> + 'static,
{
    let streams: Vec<_> = (0..work.streams).map(|_| glommio::spawn_local(one(seat.clone(), work))).collect();
    for stream in streams {
        seat.failed(stream.await);
    }
}

/// Sources: the server sends.
pub(crate) async fn sources(seat: Seat, work: Work) {
    each(seat, work, source).await;
}

async fn source(seat: Seat, work: Work) -> Result<(), CallError> {
    let mut rx = seat.client.source("count", (work.messages, work.body)).await?;
    let mut check = Check::new(work.body);
    let reading = read(&mut rx, &seat, &mut check);
    let ended = match seat.end {
        None => reading.await,
        // Whoever waits for a message must not miss the end.
        Some(end) => {
            let late = async {
                sleep(end.saturating_duration_since(Instant::now())).await;
                Ok(())
            };
            reading.or(late).await
        }
    };
    let tally = check.tally();
    seat.ledger.wrong(tally.errors, "a message is not the one that was due");
    if let Some(messages) = work.messages {
        let missing = u64::from(messages).abs_diff(tally.messages);
        seat.ledger.wrong(missing, format_args!("{} of {messages} messages came", tally.messages));
    }
    ended
}

async fn read(rx: &mut RecvStream, seat: &Seat, check: &mut Check) -> Result<(), CallError> {
    while let Some(body) = rx.next().await {
        let bytes = body?.bytes;
        check.message(&bytes);
        seat.ledger.message(bytes.len());
    }
    Ok(())
}

/// Sinks: the server counts. Whether it counted right is asked when all are done.
pub(crate) async fn sinks(seat: Seat, work: Work) {
    each(seat, work, sink).await;
}

async fn sink(seat: Seat, work: Work) -> Result<(), CallError> {
    let mut call = seat.client.sink("collect", [(); 0]).await?;
    let mut payload = Payload::new(work.body);
    for index in 0..work.limit() {
        if seat.is_over() {
            break;
        }
        call.send(payload.message(index)).await?;
        seat.ledger.message(work.body);
    }
    call.finish().await
}

/// Duplexes: every message there and back.
pub(crate) async fn duplexes(seat: Seat, work: Work) {
    each(seat, work, duplex).await;
}

async fn duplex(seat: Seat, work: Work) -> Result<(), CallError> {
    let (tx, rx) = seat.client.duplex("echo", [(); 0]).await?;
    let flight = Rc::new(Flight {
        room: Semaphore::new(u64::from(work.in_flight)),
        sent_at: RefCell::new(VecDeque::new()),
    });
    let (sent, received) = zip(talk(tx, &seat, work, &flight), listen(rx, &seat, work, &flight)).await;
    let (sent, received) = (sent?, received?);
    let missing = u64::from(sent.abs_diff(received));
    seat.ledger.wrong(missing, format_args!("{sent} messages went out and {received} came back"));
    Ok(())
}

/// Messages of a duplex that are on their way.
struct Flight {
    room: Semaphore,
    sent_at: RefCell<VecDeque<Instant>>,
}

async fn talk(mut tx: SendStream, seat: &Seat, work: Work, flight: &Flight) -> Result<u32, CallError> {
    let mut payload = Payload::new(work.body);
    let mut sent = 0;
    while sent < work.limit() && !seat.is_over() {
        // It fails when the other half has given up.
        if flight.room.acquire(1).await.is_err() {
            break;
        }
        flight.sent_at.borrow_mut().push_back(Instant::now());
        tx.send(payload.message(sent)).await?;
        sent += 1;
    }
    tx.finish();
    Ok(sent)
}

async fn listen(mut rx: RecvStream, seat: &Seat, work: Work, flight: &Flight) -> Result<u32, CallError> {
    let _ends_the_other_half = Closing(flight);
    let mut payload = Payload::new(work.body);
    let mut received = 0;
    while let Some(body) = rx.next().await {
        let bytes = body?.bytes;
        let sent_at = flight.sent_at.borrow_mut().pop_front();
        sent_at.iter().for_each(|at| seat.ledger.took(at.elapsed()));
        let is_right = bytes == payload.message(received).as_slice();
        seat.ledger.message(bytes.len());
        seat.ledger.wrong(u64::from(!is_right), "a message came back changed");
        received += 1;
        flight.room.signal(1);
    }
    Ok(received)
}

/// Lets nobody wait for room that will not come.
struct Closing<'a>(&'a Flight);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.room.close();
    }
}

/// Callers, each with one call at a time, that share the number of calls.
pub(crate) async fn calls(seat: Seat, work: Work) {
    let left = Rc::new(Cell::new(work.limit()));
    each(seat, work, |seat, work| caller(seat, work, Rc::clone(&left))).await;
}

async fn caller(seat: Seat, work: Work, left: Rc<Cell<u32>>) -> Result<(), CallError> {
    // No more digits than fit: the same names come again, and that is no matter.
    let names = 10u64.pow(u32::try_from(work.body).unwrap_or(u32::MAX).min(9));
    while left.get() > 0 && !seat.is_over() {
        left.set(left.get() - 1);
        let index = left.get();
        let name = format!("{:0width$}", u64::from(index) % names, width = work.body);
        let began = Instant::now();
        let reply = seat.client.call_body("same", [&name]).await?;
        seat.ledger.took(began.elapsed());
        seat.ledger.message(work.body);
        let is_right = reply.bytes == format!("\"{name}\"");
        seat.ledger.wrong(u64::from(!is_right), format_args!("{name} was answered with {reply:?}"));
    }
    Ok(())
}
