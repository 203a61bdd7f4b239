use crate::wire::{Body, WireError};

/// Who caused an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The other side broke the protocol.
    Peer,
    /// Our own application or shutdown.
    Local,
    /// The bytes stopped flowing.
    Transport,
}

/// Why a session ended. The reach of each is the whole session; what harms one stream only is an end frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// Bytes that are no frames.
    #[error("the peer broke the framing: {0}")]
    Wire(#[from] WireError),
    /// A control frame that is no JSON or too long.
    #[error("the peer sent a malformed control frame")]
    Control,
    /// More credit frames than the data could explain.
    #[error("the peer floods credit frames")]
    CreditFlood,
    /// The bucket of oddities ran dry.
    #[error("the peer made too many mistakes")]
    Glitches,
    /// Streams opened and aborted too fast.
    #[error("the peer opens and aborts streams too fast")]
    ResetFlood,
    /// Replies were not read for too long.
    #[error("the peer does not read its replies")]
    RepliesStuck,
    /// The peer has been silent for too long.
    #[error("the peer has been silent for too long")]
    Idle,
    /// The peer said goodbye.
    #[error("the peer said goodbye")]
    Goodbye,
    /// The bytes ended without a goodbye.
    #[error("the connection ended without a goodbye")]
    Truncated,
    /// The socket failed.
    #[error("the connection failed: {0}")]
    Transport(String),
    /// We closed the session.
    #[error("the session was closed")]
    Closed,
    /// A handler panicked.
    #[error("a handler panicked")]
    Panicked,
}

impl SessionError {
    /// Who caused it.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Wire(_)
            | Self::Control
            | Self::CreditFlood
            | Self::Glitches
            | Self::ResetFlood
            | Self::RepliesStuck
            | Self::Idle
            | Self::Goodbye => Blame::Peer,
            Self::Truncated | Self::Transport(_) => Blame::Transport,
            Self::Closed | Self::Panicked => Blame::Local,
        }
    }
}

/// How a half ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With `true`.
    Clean,
    /// With an error body.
    Error(Body),
}

impl End {
    /// Reads the body of an end frame.
    #[must_use]
    pub fn from_body(body: Body) -> Self {
        if body.is_true() { Self::Clean } else { Self::Error(body) }
    }
}

/// Why a body was not taken for sending. The stream (or only the body) is at fault, never the session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedSend {
    /// The body is longer than the limit.
    #[error("a body of {body_bytes} bytes is over the limit of {body_bytes_max}")]
    TooLong {
        /// The body's length.
        body_bytes: usize,
        /// The limit.
        body_bytes_max: u32,
    },
    /// An empty body would be read as goodbye.
    #[error("an empty body cannot be sent: peers read it as goodbye")]
    Empty,
    /// We ended this half already, or it never was ours to send on.
    #[error("the stream is not open for sending")]
    Ended,
    /// The peer ended the stream, with this body if it gave one.
    #[error("the peer ended the stream")]
    Aborted(Option<Body>),
    /// The session is over.
    #[error("{0}")]
    Session(SessionError),
}

/// The JSON error object in the form that JavaScript peers read: `message`, `name`, and a `stack` that tells
/// nothing.
#[must_use]
pub fn error_body(message: &str) -> Body {
    Body::json(serde_json::json!({ "message": message, "name": "Error", "stack": "" }).to_string())
}
