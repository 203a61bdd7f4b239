use super::{
    io::Socket,
    scratch::Scratch,
    transport::{Incoming, Stage},
};
use crate::secret::{Opened, Opener, Sealer};
use bytes::{Bytes, BytesMut};
use std::{
    io::{self, IoSlice},
    os::fd::BorrowedFd,
    task::{Context, Poll, ready},
};

/// A box-stream in both directions.
pub(crate) struct Boxes {
    pub(crate) sealer: Sealer,
    pub(crate) opener: Opener,
}

/// Bytes that stopped making sense; the name is what counters call it.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct LinkError {
    pub(crate) name: &'static str,
    text: String,
}

/// The bytes ended without the box-stream's goodbye.
const TRUNCATED: &str = "box_stream_truncated";

/// Answers of the layers themselves, such as pongs, that may wait for a peer that does not read: past it nothing more is read.
const ANSWERS_BYTES_MAX: usize = 16 << 10;
/// Chunks without payload read in one go before others get their turn.
const EMPTY_CHUNKS_MAX: usize = 32;

/// A socket and the layers above it: TLS and WebSocket as the listener has them, then box-stream. What goes in and comes out
/// are the session's own bytes.
pub(crate) struct Link {
    socket: Socket,
    /// From the socket up.
    stages: Vec<Box<dyn Stage>>,
    /// How many of them have begun: each waits for those below it, which cannot carry anything before they are ready.
    begun: usize,
    /// What ended a stage, to be told once what it carried before has been handed up.
    failed: Option<LinkError>,
    boxes: Option<Box<Boxes>>,
    scratch: Scratch,
    /// Wrapped bytes on their way to the socket.
    out: BytesMut,
    /// How much of them has left.
    sent: usize,
    /// What arrived ahead of the layer that reads it.
    early: Bytes,
    /// The peer said goodbye in a layer of the link, or its bytes ended.
    is_ended: bool,
    /// The session has been told that the peer's bytes were cut off.
    is_cut_told: bool,
    is_closed: bool,
    /// Bytes that the layers themselves have answered with since all had left.
    answered: usize,
}

impl Link {
    /// A link without box-stream; the stages' own handshakes begin as it is polled.
    pub(crate) fn new(socket: Socket, scratch: Scratch, stages: Vec<Box<dyn Stage>>) -> io::Result<Self> {
        let mut link = Self {
            socket,
            stages,
            begun: 0,
            failed: None,
            boxes: None,
            scratch,
            out: BytesMut::new(),
            sent: 0,
            early: Bytes::new(),
            is_ended: false,
            is_cut_told: false,
            is_closed: false,
            answered: 0,
        };
        link.begin_stages()?;
        Ok(link)
    }

    /// Lets the stages begin for which those below are ready.
    fn begin_stages(&mut self) -> io::Result<()> {
        while self.begun < self.stages.len() && self.stages[..self.begun].iter().all(|stage| stage.is_ready())
        {
            let mut first = BytesMut::new();
            self.stages[self.begun].start(&mut first);
            if !first.is_empty() {
                self.wrap_below(self.begun, first)?;
            }
            self.begun += 1;
        }
        Ok(())
    }

    /// Adds the box-stream; `early` is what of it has been received already.
    pub(crate) fn secure(&mut self, boxes: Boxes, early: Bytes) {
        self.boxes = Some(Box::new(boxes));
        self.early = early;
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.fd()
    }

    /// Waits until the stages' own handshakes are over.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.begin_stages()?;
            ready!(self.poll_flush(cx))?;
            if self.stages.iter().all(|stage| stage.is_ready()) {
                return Poll::Ready(Ok(()));
            }
            let chunk = ready!(self.socket.poll_recv(cx))?;
            if chunk.is_empty() || self.is_ended {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            let payload = self.unwrap_stages(chunk).inspect_err(|_| {
                // What a stage has to say about it: an alert, or an HTTP status. No more than one attempt is made.
                let _ = self.poll_flush(cx);
            })?;
            if !payload.is_empty() {
                self.early = [&self.early[..], &payload].concat().into();
            }
        }
    }

    /// The next piece of the stream; empty at its end, then and ever after.
    #[inline]
    pub(crate) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if self.boxes.is_none() && self.stages.is_empty() {
            return self.socket.poll_recv(cx);
        }
        self.poll_unwrap(cx)
    }

    fn poll_unwrap(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let mut chunks = 0;
        while !self.is_ended {
            if self.answered > ANSWERS_BYTES_MAX {
                ready!(self.poll_flush(cx))?;
            }
            let chunk = if self.early.is_empty() {
                if let Some(error) = self.failed.take() {
                    return Poll::Ready(Err(error.into()));
                }
                let chunk = ready!(self.socket.poll_recv(cx))?;
                if chunk.is_empty() {
                    self.is_ended = true;
                    break;
                }
                self.unwrap_stages(chunk)?
            } else {
                std::mem::take(&mut self.early)
            };
            let plain = if chunk.is_empty() { chunk } else { self.open(chunk)? };
            if !self.out.is_empty() {
                // What cannot leave now leaves with the next write.
                let _ = self.poll_flush(cx)?;
            }
            if !plain.is_empty() {
                return Poll::Ready(Ok(plain));
            }
            chunks += 1;
            if chunks >= EMPTY_CHUNKS_MAX && !self.is_ended {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        // Whatever the session makes of it, and whatever the layers below say: this is where an attacker cuts.
        let is_cut = self.boxes.as_ref().is_some_and(|boxes| !boxes.opener.is_finished());
        if is_cut && !std::mem::replace(&mut self.is_cut_told, true) {
            return Poll::Ready(Err(truncated()));
        }
        Poll::Ready(Ok(Bytes::new()))
    }

    fn unwrap_stages(&mut self, mut chunk: Bytes) -> io::Result<Bytes> {
        for at in 0..self.stages.len() {
            let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
            let received = self.stages[at].receive(chunk, &mut up, &mut down);
            if !down.is_empty() {
                self.answered += down.len();
                self.wrap_below(at, down)?;
            }
            match received {
                Ok(Incoming::Open) => {}
                Ok(Incoming::Closed) => self.is_ended = true,
                Err(error) => self.failed = Some(LinkError { name: error.name(), text: error.to_string() }),
            }
            chunk = up.freeze();
            if chunk.is_empty() {
                break;
            }
        }
        match self.failed.take_if(|_| chunk.is_empty()) {
            Some(error) => Err(error.into()),
            None => Ok(chunk),
        }
    }

    fn open(&mut self, chunk: Bytes) -> io::Result<Bytes> {
        let Some(boxes) = &mut self.boxes else { return Ok(chunk) };
        let (opened, plain) = self.scratch.with_block(chunk.len(), |block| {
            let opened = boxes.opener.open(&chunk, block);
            (opened, block.split().freeze())
        });
        match opened {
            Ok(Opened::More) => {}
            Ok(Opened::Goodbye) => self.is_ended = true,
            // What was opened before stays delivered: the error comes with the next call.
            Err(_) if !plain.is_empty() => self.early = Bytes::from_static(b"\0"),
            Err(error) => return Err(failure(error.name(), &error)),
        }
        Ok(plain)
    }

    /// Wraps bytes for the socket.
    fn wrap(&mut self, slices: &[IoSlice<'_>]) -> io::Result<()> {
        if self.out.capacity() == 0 {
            self.out = self.scratch.take();
        }
        let Some(boxes) = &mut self.boxes else { return self.wrap_stages(slices) };
        if self.stages.is_empty() {
            boxes.sealer.seal(slices, &mut self.out);
            return Ok(());
        }
        let mut sealed = self.scratch.take();
        boxes.sealer.seal(slices, &mut sealed);
        let wrapped = self.wrap_stages(&[IoSlice::new(&sealed)]);
        self.scratch.give(sealed);
        wrapped
    }

    fn wrap_stages(&mut self, slices: &[IoSlice<'_>]) -> io::Result<()> {
        let count = self.stages.len();
        let Some(top) = self.stages.last_mut() else {
            slices.iter().for_each(|slice| self.out.extend_from_slice(slice));
            return Ok(());
        };
        let mut down = BytesMut::new();
        top.send(slices, &mut down).map_err(|error| failure(error.name(), &error))?;
        self.wrap_below(count - 1, down)
    }

    /// Hands bytes from the stage `at` to those below it.
    fn wrap_below(&mut self, at: usize, mut bytes: BytesMut) -> io::Result<()> {
        for stage in self.stages[..at].iter_mut().rev() {
            let mut down = BytesMut::new();
            let sent = stage.send(&[IoSlice::new(&bytes)], &mut down);
            sent.map_err(|error| failure(error.name(), &error))?;
            bytes = down;
        }
        self.out.extend_from_slice(&bytes);
        Ok(())
    }

    /// Takes bytes to send and says how many it took: once wrapped, they are on their way.
    #[inline]
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.boxes.is_none() && self.stages.is_empty() {
            return self.socket.poll_send(cx, slices);
        }
        ready!(self.poll_flush(cx))?;
        self.wrap(slices)?;
        if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }

    /// Whether all that was taken has left.
    pub(crate) fn is_flushed(&self) -> bool {
        self.out.is_empty()
    }

    /// Gives the socket what it takes of what was wrapped.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            self.sent += ready!(self.socket.poll_send(cx, &[IoSlice::new(&self.out[self.sent..])]))?;
        }
        (self.sent, self.answered) = (0, 0);
        if self.out.capacity() > 0 {
            self.scratch.give(std::mem::take(&mut self.out));
        }
        Poll::Ready(Ok(()))
    }

    /// Says goodbye in each layer, once, and flushes.
    pub(crate) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.is_closed, true) {
            let mut bytes = BytesMut::new();
            if let Some(boxes) = &mut self.boxes {
                boxes.sealer.seal_goodbye(&mut bytes);
                self.wrap_stages(&[IoSlice::new(&bytes)])?;
            }
            for at in (0..self.stages.len()).rev() {
                let mut down = BytesMut::new();
                self.stages[at].close(&mut down);
                self.wrap_below(at, down)?;
            }
        }
        self.poll_flush(cx)
    }

    /// Whether a layer waits for the rest of something: the peer owes bytes.
    pub(crate) fn has_partial(&self) -> bool {
        self.boxes.as_ref().is_some_and(|boxes| boxes.opener.has_partial())
    }

    /// Gives back what the layers keep for bytes that do not come. For lines that have gone silent.
    pub(crate) fn settle(&mut self) {
        self.stages.iter_mut().for_each(|stage| stage.settle());
    }

    /// Forgets what could not be written: nothing more leaves, not even goodbye.
    pub(crate) fn give_up(&mut self) {
        self.is_closed = true;
        self.sent = 0;
        self.out = BytesMut::new();
    }

    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        self.socket.shutdown_write()
    }
}

impl From<LinkError> for io::Error {
    fn from(error: LinkError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

fn failure(name: &'static str, error: &dyn std::fmt::Display) -> io::Error {
    LinkError { name, text: error.to_string() }.into()
}

fn truncated() -> io::Error {
    let text = "the connection ended without the box-stream's goodbye".to_owned();
    io::Error::new(io::ErrorKind::UnexpectedEof, LinkError { name: TRUNCATED, text })
}

/// What counters call an error of a link; `None` when it is the socket's.
pub(crate) fn name_of(error: &io::Error) -> Option<&'static str> {
    error.get_ref()?.downcast_ref::<LinkError>().map(|error| error.name)
}
