use super::{
    Incoming, Stage, StageError,
    frames::{Control, FrameReader, FrameWriter},
    upgrade::{self, Asked, Head},
};
use bytes::{Bytes, BytesMut};
use std::{io::IoSlice, mem};
use tungstenite::protocol::{Role, frame::coding::CloseCode};

/// Bounds of what a WebSocket's peer may send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WsLimits {
    /// Bytes of the HTTP head: stops a peer that never ends it. Default 8 KiB.
    pub(crate) head_bytes: usize,
    /// Headers in it: stops heads that are costly to parse. Default 64; never more than 124.
    pub(crate) headers: usize,
    /// Payload of one message, over all its fragments. Nothing is kept of a message, so this stops no attack on memory,
    /// but a length that can only be meant as one. Default 1 MiB.
    pub(crate) message_bytes: u64,
}

impl Default for WsLimits {
    fn default() -> Self {
        Self { head_bytes: 8 << 10, headers: 64, message_bytes: 1 << 20 }
    }
}

/// A WebSocket (RFC 6455) whose binary messages carry a stream of bytes: where a message begins and ends means nothing.
/// Extensions and subprotocols are not negotiated.
///
/// A message's payload is handed up as it arrives. Pings are answered, at most one for each chunk received. A client
/// must mask and a server must not. Text ends the connection with 1003, a message over the limit with 1009, any other
/// fault with 1002.
pub(crate) struct WsStage {
    state: State,
    reader: FrameReader,
    writer: FrameWriter,
    origin: Option<Box<str>>,
}

enum State {
    Upgrading(Box<Upgrade>),
    Open,
    /// Our close frame is out, the peer's is to come.
    Closing,
    /// The peer's close frame came, or something failed.
    Over,
}

/// Boxed, so that a connection gives the memory back.
struct Upgrade {
    limits: WsLimits,
    head: Head,
    /// A client's request; `None` on a server.
    asked: Option<Asked>,
}

impl WsStage {
    /// The side that is asked.
    pub(crate) fn server(limits: WsLimits) -> Self {
        Self::new(Role::Server, Upgrade { limits, head: Head::request(), asked: None })
    }

    /// The side that asks, for `path` at `host`, a name or an IP address.
    ///
    /// # Errors
    /// [`StageError::Address`] when no request can be made of these.
    pub(crate) fn client(host: &str, port: u16, path: &str) -> Result<Self, StageError> {
        let asked = Some(Asked::new(host, port, path)?);
        let upgrade = Upgrade { limits: WsLimits::default(), head: Head::response(), asked };
        Ok(Self::new(Role::Client, upgrade))
    }

    fn new(role: Role, upgrade: Upgrade) -> Self {
        Self {
            reader: FrameReader::new(role, upgrade.limits.message_bytes),
            writer: FrameWriter::new(role),
            state: State::Upgrading(Box::new(upgrade)),
            origin: None,
        }
    }

    /// The `Origin` of the upgrade request: the site whose page opened the WebSocket, as its browser says. Anything but
    /// a browser can leave it out or make it up. Nothing here depends on it.
    #[cfg(test)]
    pub(crate) fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    fn upgrade(&mut self, chunk: &mut &[u8], down: &mut BytesMut) -> Result<(), StageError> {
        let State::Upgrading(upgrade) = &mut self.state else { return Ok(()) };
        let Some(head) = upgrade.head.take(chunk, &upgrade.limits)? else { return Ok(()) };
        if let Some(asked) = &upgrade.asked {
            asked.check(&head)?;
        } else if chunk.is_empty() {
            self.origin = upgrade::accept(&head, down)?;
        } else {
            // A client waits for the answer (RFC 6455, 4.1); what comes before it may be smuggled.
            return Err(StageError::Upgrade("bytes after the request"));
        }
        self.state = State::Open;
        Ok(())
    }

    fn read(
        &mut self,
        mut chunk: &[u8],
        up: &mut BytesMut,
        down: &mut BytesMut,
    ) -> Result<Incoming, StageError> {
        // Only the last ping needs an answer (RFC 6455, 5.5.3), so that a flood of them is not doubled.
        let mut ping = None;
        let mut closed = None;
        while let Some(control) = self.reader.read(&mut chunk, up)? {
            match control {
                Control::Ping(payload) => ping = Some(payload),
                Control::Pong => {}
                Control::Close(answer) => {
                    closed = Some(answer);
                    break;
                }
            }
        }
        let is_open = matches!(self.state, State::Open);
        if let Some(payload) = ping.filter(|_| is_open) {
            self.writer.write_pong(&payload, down)?;
        }
        let Some(answer) = closed else { return Ok(Incoming::Open) };
        self.state = State::Over;
        if is_open {
            self.writer.write_close(&answer, down)?;
        }
        Ok(Incoming::Closed)
    }

    /// Tells the peer what is wrong.
    fn refuse(&mut self, error: &StageError, down: &mut BytesMut) {
        let code = match error {
            StageError::Text => CloseCode::Unsupported,
            StageError::MessageSize { .. } => CloseCode::Size,
            StageError::Frame(_) => CloseCode::Protocol,
            _ => CloseCode::Error,
        };
        match mem::replace(&mut self.state, State::Over) {
            State::Upgrading(upgrade) if upgrade.asked.is_none() => upgrade::refuse(error, down),
            State::Open => self.write_close(code, down),
            State::Upgrading(_) | State::Closing | State::Over => {}
        }
    }

    fn write_close(&mut self, code: CloseCode, down: &mut BytesMut) {
        // Fails where there is no randomness for the mask; then the line just ends.
        let _ = self.writer.write_close(&u16::from(code).to_be_bytes(), down);
    }
}

impl Stage for WsStage {
    fn receive(
        &mut self,
        chunk: Bytes,
        up: &mut BytesMut,
        down: &mut BytesMut,
    ) -> Result<Incoming, StageError> {
        let mut rest = &*chunk;
        let result = self.upgrade(&mut rest, down).and_then(|()| match self.state {
            State::Upgrading(_) => Ok(Incoming::Open),
            State::Open | State::Closing => self.read(rest, up, down),
            State::Over => Ok(Incoming::Closed),
        });
        result.inspect_err(|error| self.refuse(error, down))
    }

    fn send(&mut self, slices: &[IoSlice<'_>], down: &mut BytesMut) -> Result<(), StageError> {
        match self.state {
            State::Open => self.writer.write_binary(slices, down),
            State::Upgrading(_) => Err(StageError::NotReady),
            State::Closing | State::Over => Err(StageError::Over),
        }
    }

    fn close(&mut self, down: &mut BytesMut) {
        match self.state {
            State::Open => {
                self.state = State::Closing;
                self.write_close(CloseCode::Normal, down);
            }
            // There is no goodbye before the upgrade.
            State::Upgrading(_) => self.state = State::Over,
            State::Closing | State::Over => {}
        }
    }

    fn is_ready(&self) -> bool {
        matches!(self.state, State::Open)
    }

    fn start(&mut self, down: &mut BytesMut) {
        if let State::Upgrading(upgrade) = &mut self.state
            && let Some(asked) = &mut upgrade.asked
        {
            down.extend_from_slice(&mem::take(&mut asked.request));
        }
    }

    fn settle(&mut self) {
        // Nothing is kept.
    }
}
