//! Messages in DATA frames: one frame each when they are sent, any number of pieces when they come.

use std::future::poll_fn;

use anyhow::{Context, bail};
use bytes::{Bytes, BytesMut};
use h2::{RecvStream, SendStream};

use crate::compare::verify;

/// Capacity asked for at a time: large enough to be rarely asked for, small enough that streams take turns.
const CAPACITY: usize = 64 << 10;

/// Numbered bodies of one size, cut from blocks so that one allocation serves many.
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
    pub(super) fn next(&mut self, index: u32) -> Bytes {
        verify::number(&mut self.message, index);
        copy(&mut self.pool, &self.message)
    }
}

/// A copy, cut from a block.
pub(super) fn copy(pool: &mut BytesMut, message: &[u8]) -> Bytes {
    if pool.capacity() < message.len() {
        pool.reserve(CAPACITY.max(message.len()));
    }
    pool.extend_from_slice(message);
    pool.split().freeze()
}

/// Sends so many messages as fast as windows allow, ends the stream with the last, and tells after each.
///
/// A message longer than the capacity in hand is sent all the same, and the crate holds its rest back: streams that
/// waited until they had enough for a whole message could between them hold a window of which none has enough.
pub(super) async fn send_all(
    stream: &mut SendStream<Bytes>,
    each: u32,
    body: usize,
    mut told: impl FnMut(),
) -> anyhow::Result<()> {
    let mut bodies = Bodies::new(body);
    for index in 0..each {
        if stream.capacity() < body {
            stream.reserve_capacity(CAPACITY.max(body));
            while stream.capacity() == 0 {
                poll_fn(|cx| stream.poll_capacity(cx))
                    .await
                    .context("the other end gave the stream up")??;
            }
        }
        stream.send_data(bodies.next(index), index + 1 == each)?;
        told();
    }
    Ok(())
}

/// Puts messages of one size together from what comes.
pub(super) struct Pieces {
    stream: RecvStream,
    body: usize,
    partial: BytesMut,
}

impl Pieces {
    /// Of that stream.
    pub(super) fn new(stream: RecvStream, body: usize) -> Self {
        Self { stream, body, partial: BytesMut::new() }
    }

    /// Waits for the next piece and hands every message to `take` that it completes; whether there was a piece.
    pub(super) async fn next(&mut self, mut take: impl FnMut(Bytes)) -> anyhow::Result<bool> {
        let Some(data) = self.stream.data().await else {
            if !self.partial.is_empty() {
                bail!("a stream ended within a message");
            }
            return Ok(false);
        };
        let data = data?;
        self.stream.flow_control().release_capacity(data.len())?;
        if self.partial.is_empty() && data.len() == self.body {
            take(data);
            return Ok(true);
        }
        self.partial.extend_from_slice(&data);
        while self.partial.len() >= self.body {
            take(self.partial.split_to(self.body).freeze());
        }
        Ok(true)
    }
}

/// A body to its end; one that came in one frame is not copied.
pub(super) async fn whole(stream: &mut RecvStream) -> anyhow::Result<Bytes> {
    let Some(first) = stream.data().await else { bail!("a body did not come") };
    let first = first?;
    stream.flow_control().release_capacity(first.len())?;
    let mut more = BytesMut::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        more.extend_from_slice(&data);
    }
    if more.is_empty() {
        return Ok(first);
    }
    let mut all = BytesMut::from(&first[..]);
    all.extend_from_slice(&more);
    Ok(all.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::verify::Check;
    use crate::measure::Tally;

    #[test]
    fn bodies_are_numbered_and_kept_apart() {
        let mut bodies = Bodies::new(300);
        let all: Vec<Bytes> = (0..1000).map(|index| bodies.next(index)).collect();
        let mut check = Check::new(300);
        all.iter().for_each(|body| check.message(body));
        assert_eq!(check.tally(), Tally { messages: 1000, bytes: 300_000, errors: 0 });
    }
}
