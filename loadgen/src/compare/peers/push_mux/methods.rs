//! What the server offers, and the bodies that both ends send.

use std::cell::Cell;

use bytes::BytesMut;
use push_mux::mux::{GATHER_BYTES_MIN, Outgoing};
use push_mux::{Call, CallError, RecvStream, Router, SendStream};

use crate::compare::verify::{self, Check};
use crate::measure::Tally;

/// Bodies that are not copied are cut from blocks of this size.
const BLOCK: usize = 64 << 10;

/// The methods, one for each shape, and one for what came of the sinks.
pub(super) fn router() -> Router {
    Router::new()
        .on_source("count", count)
        .on_sink("collect", collect)
        .on_async("collected", collected)
        .on_duplex("echo", echo)
        .on_async("same", same)
}

/// `count(each, body)`: so many messages of that size.
async fn count(call: Call, tx: &mut SendStream) -> Result<(), CallError> {
    let (each, body): (u32, usize) = (call.arg(0)?, call.arg(1)?);
    let mut bodies = Bodies::new(body);
    for index in 0..each {
        tx.send(bodies.next(index)).await?;
    }
    Ok(())
}

/// What the sinks of one connection received that have ended.
#[derive(Default)]
struct Collected(Cell<Tally>);

/// `collect(body)`: takes messages of that size.
async fn collect(call: Call, rx: &mut RecvStream) -> Result<(), CallError> {
    let mut check = Check::new(call.arg(0)?);
    while let Some(message) = rx.next().await {
        check.message(&message?.bytes);
    }
    let collected = call.state::<Collected>();
    let mut tally = collected.0.get();
    tally.add(check.tally());
    collected.0.set(tally);
    Ok(())
}

/// `collected()`: messages, bytes and errors of all sinks of this connection.
async fn collected(call: Call) -> Result<(u64, u64, u64), CallError> {
    let tally = call.state::<Collected>().0.get();
    Ok((tally.messages, tally.bytes, tally.errors))
}

/// `echo()`: every body as it came.
async fn echo(_call: Call, tx: &mut SendStream, rx: &mut RecvStream) -> Result<(), CallError> {
    while let Some(message) = rx.next().await {
        tx.send(message?).await?;
    }
    Ok(())
}

async fn same(call: Call) -> Result<String, CallError> {
    call.arg(0)
}

/// Numbered bodies of one size: lent where the crate copies them anyway, handed over where it need not.
pub(super) struct Bodies {
    message: Vec<u8>,
    pool: BytesMut,
}

impl Bodies {
    /// Of that size.
    pub(super) fn new(body: usize) -> Self {
        Self { message: verify::body(body), pool: BytesMut::new() }
    }

    /// The one with that index.
    pub(super) fn next(&mut self, index: u32) -> Outgoing<'_> {
        verify::number(&mut self.message, index);
        let body = self.message.len();
        if body < GATHER_BYTES_MIN {
            return Outgoing::from(&self.message[..]);
        }
        if self.pool.capacity() < body {
            self.pool.reserve(BLOCK.max(body));
        }
        self.pool.extend_from_slice(&self.message);
        Outgoing::from(self.pool.split().freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_checked_to_be_right_whether_lent_or_handed_over() {
        for size in [4, 64, GATHER_BYTES_MIN, 100_000] {
            let (mut bodies, mut check) = (Bodies::new(size), Check::new(size));
            for index in 0..100 {
                check.message(bodies.next(index).as_slice());
            }
            assert_eq!(check.tally(), Tally { messages: 100, bytes: 100 * size as u64, errors: 0 });
        }
    }
}
