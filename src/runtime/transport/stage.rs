use bytes::{Bytes, BytesMut};
use std::io::IoSlice;

/// Whether more can come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// More may come.
    Open,
    /// The peer said goodbye in the layer's own way; the answer to it, if one is due, is in `down`.
    Closed,
}

/// Why a stage failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum StageError {
    /// What the peer sent a WebSocket server is no proper upgrade request.
    #[error("not a WebSocket upgrade: {0}")]
    Upgrade(&'static str),
    /// The server did not take our WebSocket upgrade.
    #[error("the server refused the WebSocket upgrade: {0}")]
    UpgradeRefused(String),
    /// A head of HTTP over its bounds.
    #[error("the HTTP head is too large")]
    HeadSize,
    /// The peer broke a rule of RFC 6455.
    #[error("broken WebSocket frame: {0}")]
    Frame(&'static str),
    /// A text message; only binary ones carry payload.
    #[error("a WebSocket text message, where only binary ones have a meaning")]
    Text,
    /// A message over the limit.
    #[error("a WebSocket message over {max} bytes")]
    MessageSize {
        /// The limit, in bytes.
        max: u64,
    },
    /// TLS failed: broken records, no common version, a certificate that does not hold.
    #[error("TLS: {0}")]
    Tls(rustls::Error),
    /// No host, port and path that can be named in a request or a certificate.
    #[error("cannot be addressed: {0}")]
    Address(String),
    /// The operating system gave no randomness.
    #[error("no randomness: {0}")]
    Random(String),
    /// Payload before the handshake is over: the caller's mistake.
    #[error("the handshake is not over")]
    NotReady,
    /// Payload after the goodbye.
    #[error("the layer is closed")]
    Over,
}

impl StageError {
    /// A short name that stays, for counters.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Upgrade(_) => "ws_upgrade",
            Self::UpgradeRefused(_) => "ws_upgrade_refused",
            Self::HeadSize => "ws_head_size",
            Self::Frame(_) => "ws_frame",
            Self::Text => "ws_text",
            Self::MessageSize { .. } => "ws_message_size",
            Self::Tls(rustls::Error::InvalidCertificate(_)) => "tls_certificate",
            Self::Tls(rustls::Error::AlertReceived(_)) => "tls_alert",
            Self::Tls(_) => "tls",
            Self::Address(_) => "address",
            Self::Random(_) => "random",
            Self::NotReady => "not_ready",
            Self::Over => "over",
        }
    }
}

/// One layer between the socket and the session.
pub(crate) trait Stage {
    /// Takes bytes that arrived; appends what they carry to `up` and what must be answered below (handshake, pong,
    /// alert) to `down`. Pings add at most one answer a call.
    ///
    /// After [`Incoming::Closed`] and after an error the stage is over: what still arrives is dropped.
    ///
    /// # Errors
    /// When the peer cannot be served; final. What `down` got says so to the peer: send it, then close the line below.
    fn receive(
        &mut self,
        chunk: Bytes,
        up: &mut BytesMut,
        down: &mut BytesMut,
    ) -> Result<Incoming, StageError>;

    /// Wraps bytes to be sent and appends them to `down`. All of `slices` is taken, or the stage has failed.
    ///
    /// # Errors
    /// [`StageError::NotReady`] before [`is_ready`](Self::is_ready), [`StageError::Over`] after a close or an error.
    fn send(&mut self, slices: &[IoSlice<'_>], down: &mut BytesMut) -> Result<(), StageError>;

    /// Says the layer's goodbye, once; nothing can be sent afterwards. The peer's goodbye is still to be received.
    fn close(&mut self, down: &mut BytesMut);

    /// Whether payload can be sent: the layer's own handshake is over and nobody has said goodbye.
    fn is_ready(&self) -> bool;

    /// First bytes to send, if this side begins. Called once, when the line below is ready.
    fn start(&mut self, down: &mut BytesMut);

    /// Gives back what is kept for speed. To be called once the line has been silent for a while, not each turn.
    fn settle(&mut self);
}
