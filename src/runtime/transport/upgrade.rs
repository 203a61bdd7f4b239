//! The HTTP of a WebSocket's beginning (RFC 6455, 4). tungstenite reads and checks; here stand the bounds, and what a
//! client is told that asks for something else.

use super::{StageError, WsLimits};
use bytes::{BufMut, BytesMut};
use std::{borrow::Cow, fmt::Write, mem};
use tungstenite::{
    client::IntoClientRequest,
    error::{Error, ProtocolError},
    handshake::{client, derive_accept_key, machine::TryParse, server},
    http::{HeaderMap, StatusCode},
};

const REQUEST: &[u8] = b"GET ";
const RESPONSE: &[u8] = b"HTTP/1.1 ";
const HEAD_END: &[u8] = b"\r\n\r\n";

/// Collects a head of HTTP from chunks cut anywhere.
pub(super) struct Head {
    bytes: Vec<u8>,
    /// How every head that is wanted here begins.
    prefix: &'static [u8],
}

impl Head {
    pub(super) const fn request() -> Self {
        Self { bytes: Vec::new(), prefix: REQUEST }
    }

    pub(super) const fn response() -> Self {
        Self { bytes: Vec::new(), prefix: RESPONSE }
    }

    /// Takes from `chunk` what belongs to the head; the head when it is complete.
    pub(super) fn take(
        &mut self,
        chunk: &mut &[u8],
        limits: &WsLimits,
    ) -> Result<Option<Vec<u8>>, StageError> {
        let before = self.bytes.len();
        let room = limits.head_bytes.saturating_sub(before).min(chunk.len());
        let (part, _) = chunk.split_at(room);
        self.bytes.extend_from_slice(part);
        if self.bytes.iter().zip(self.prefix).any(|(byte, wanted)| byte != wanted) {
            return Err(self.foreign());
        }
        // The end may straddle the chunks; what was searched before is not searched again.
        let from = before.saturating_sub(HEAD_END.len() - 1);
        let searched = self.bytes.get(from..).unwrap_or_default();
        let Some(at) = searched.windows(HEAD_END.len()).position(|window| window == HEAD_END) else {
            return if self.bytes.len() < limits.head_bytes { Ok(None) } else { Err(StageError::HeadSize) };
        };
        let end = from + at + HEAD_END.len();
        self.bytes.truncate(end);
        *chunk = chunk.get(end.saturating_sub(before)..).unwrap_or_default();
        // The first line and the empty one are no headers.
        if self.bytes.iter().filter(|byte| **byte == b'\n').count() > limits.headers + 2 {
            return Err(StageError::HeadSize);
        }
        Ok(Some(mem::take(&mut self.bytes)))
    }

    fn foreign(&self) -> StageError {
        if self.prefix == REQUEST {
            StageError::Upgrade("not an HTTP/1.1 GET")
        } else {
            StageError::UpgradeRefused("not an HTTP/1.1 response".to_owned())
        }
    }
}

/// Answers an upgrade request; its `Origin`, if it has one.
pub(super) fn accept(head: &[u8], down: &mut BytesMut) -> Result<Option<Box<str>>, StageError> {
    let broken = |_| StageError::Upgrade("not an HTTP/1.1 GET");
    let (_, request) = server::Request::try_parse(head).map_err(broken)?.ok_or(StageError::HeadSize)?;
    let response = server::create_response(&request).map_err(|error| StageError::Upgrade(fault(&error)))?;
    server::write_response(down.writer(), &response).map_err(broken)?;
    let origin = request.headers().get("Origin").map(|value| String::from_utf8_lossy(value.as_bytes()));
    Ok(origin.map(Cow::into_owned).map(Into::into))
}

const NOT_WEBSOCKET: &str = "this is a WebSocket";
const NOT_VERSION_13: &str = "Sec-WebSocket-Version must be 13";

const fn fault(error: &Error) -> &'static str {
    match error {
        Error::Protocol(
            ProtocolError::MissingConnectionUpgradeHeader | ProtocolError::MissingUpgradeWebSocketHeader,
        ) => NOT_WEBSOCKET,
        Error::Protocol(ProtocolError::MissingSecWebSocketVersionHeader) => NOT_VERSION_13,
        Error::Protocol(ProtocolError::MissingSecWebSocketKey) => "Sec-WebSocket-Key is missing",
        Error::Protocol(ProtocolError::InvalidSecWebSocketKey) => {
            "Sec-WebSocket-Key is not 16 bytes of base64"
        }
        _ => "not an HTTP/1.1 GET",
    }
}

/// The answer to what is no upgrade request.
pub(super) fn refuse(error: &StageError, down: &mut BytesMut) {
    let (status, headers, text) = match error {
        StageError::Upgrade(why @ (NOT_WEBSOCKET | NOT_VERSION_13)) => (
            "426 Upgrade Required",
            "Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            *why,
        ),
        StageError::Upgrade(why) => ("400 Bad Request", "Connection: close\r\n", *why),
        StageError::HeadSize => {
            ("431 Request Header Fields Too Large", "Connection: close\r\n", "the request head is too large")
        }
        _ => return,
    };
    // Writing to memory does not fail.
    let _ = write!(
        down,
        "HTTP/1.1 {status}\r\n{headers}Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}\n",
        text.len() + 1,
    );
}

/// What a client asks for, and what proves that the server understood.
pub(super) struct Asked {
    /// The request; empty once it is sent.
    pub(super) request: Vec<u8>,
    accept_key: String,
}

impl Asked {
    /// # Errors
    /// [`StageError::Address`].
    pub(super) fn new(host: &str, port: u16, path: &str) -> Result<Self, StageError> {
        let host = if host.contains(':') && !host.starts_with('[') {
            Cow::from(format!("[{host}]"))
        } else {
            Cow::from(host)
        };
        let slash = if path.starts_with('/') { "" } else { "/" };
        let address = format!("ws://{host}:{port}{slash}{path}");
        // These would make another address of it.
        if host.is_empty() || host.contains(['/', '?', '#', '@']) {
            return Err(StageError::Address(address));
        }
        let unfit = |error: Error| StageError::Address(format!("{address}: {error}"));
        let request = address.as_str().into_client_request().map_err(unfit)?;
        let (request, key) = client::generate_request(request).map_err(unfit)?;
        Ok(Self { request, accept_key: derive_accept_key(key.as_bytes()) })
    }

    /// Checks the server's answer (RFC 6455, 4.1): an upgrade to a WebSocket, and to nothing we did not ask for.
    pub(super) fn check(&self, head: &[u8]) -> Result<(), StageError> {
        let refused = |why: &str| StageError::UpgradeRefused(why.to_owned());
        let parsed = client::Response::try_parse(head).ok().flatten();
        let (_, response) = parsed.ok_or_else(|| refused("not an HTTP/1.1 response"))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(refused(response.status().as_str()));
        }
        let headers = response.headers();
        if !has_token(headers, "Upgrade", "websocket") || !has_token(headers, "Connection", "upgrade") {
            return Err(refused("an upgrade to something else"));
        }
        if headers.get("Sec-WebSocket-Accept").is_none_or(|key| *key != self.accept_key) {
            return Err(refused("its Sec-WebSocket-Accept is not of our key"));
        }
        if headers.contains_key("Sec-WebSocket-Extensions") || headers.contains_key("Sec-WebSocket-Protocol")
        {
            return Err(refused("an extension or a subprotocol that was not asked for"));
        }
        Ok(())
    }
}

fn has_token(headers: &HeaderMap, name: &str, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
}
