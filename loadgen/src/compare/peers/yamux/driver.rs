//! What moves a client's connection on, and opens the streams that are asked for.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};

use anyhow::Context as _;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};
use yamux::{Connection, Stream};

use crate::compare::peers::streams::Open;

/// Where an opened stream goes.
type Want = oneshot::Sender<Stream>;

/// Starts the task that the connection needs.
pub(super) fn start(connection: Connection<Compat<TcpStream>>) -> Opener {
    let (opener, wanted) = mpsc::unbounded_channel();
    tokio::spawn(Driver { connection, wanted, waiting: VecDeque::new() }.run());
    Opener(opener)
}

/// Asks the driver of a connection for streams.
#[derive(Clone)]
pub(super) struct Opener(mpsc::UnboundedSender<Want>);

impl Open for Opener {
    type Stream = Compat<Stream>;

    async fn open(&self) -> anyhow::Result<Self::Stream> {
        let (want, stream) = oneshot::channel();
        self.0.send(want).ok().context("the connection is gone")?;
        Ok(stream.await.context("the connection ended before a stream opened")?.compat())
    }
}

struct Driver {
    connection: Connection<Compat<TcpStream>>,
    wanted: mpsc::UnboundedReceiver<Want>,
    waiting: VecDeque<Want>,
}

impl Driver {
    async fn run(mut self) {
        if let Err(error) = poll_fn(|cx| self.poll(cx)).await {
            eprintln!("{error}");
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), yamux::ConnectionError>> {
        while let Poll::Ready(Some(want)) = self.wanted.poll_recv(cx) {
            self.waiting.push_back(want);
        }
        while !self.waiting.is_empty() {
            let Poll::Ready(stream) = self.connection.poll_new_outbound(cx)? else { break };
            if let Some(want) = self.waiting.pop_front() {
                // A caller that is gone has dropped its end; the stream is dropped, and so reset, with it.
                let _unwanted = want.send(stream);
            }
        }
        // The server opens no streams; this is what reads, writes and answers.
        while let Poll::Ready(inbound) = self.connection.poll_next_inbound(cx) {
            match inbound {
                Some(stream) => drop(stream?),
                None => return Poll::Ready(Ok(())),
            }
        }
        Poll::Pending
    }
}
