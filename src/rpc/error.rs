use crate::{
    mux::{RefusedSend, SessionError},
    runtime::{RecvError, SendError},
    wire::{Body, BodyKind},
};
use serde_json::Value;

/// An error object as peers write it, read with tolerance: muxrpc sends `message`, `name` and `stack`, push-mux
/// `error: true` and `message`, scuttlego `error` with the text, kuska plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorObject {
    /// What went wrong, in the peer's words.
    pub message: String,
    /// The error's class, `Error` unless the peer said otherwise.
    pub name: String,
}

impl ErrorObject {
    /// Reads an error body.
    #[must_use]
    pub fn from_body(body: &Body) -> Self {
        let text = || String::from_utf8_lossy(&body.bytes).into_owned();
        let plain = |message| Self { message, name: "Error".to_owned() };
        if body.kind != BodyKind::Json {
            return plain(text());
        }
        match serde_json::from_slice(&body.bytes) {
            Ok(Value::Object(map)) => {
                let member = |name| map.get(name).and_then(Value::as_str).map(str::to_owned);
                let message = member("message").or_else(|| member("error")).unwrap_or_else(text);
                Self { message, name: member("name").unwrap_or_else(|| "Error".to_owned()) }
            }
            Ok(Value::String(message)) => plain(message),
            _ => plain(text()),
        }
    }
}

/// Why a call failed; on the handler's side, what its caller is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The peer's answer, or what to tell the peer.
    #[error("{}", .0.message)]
    Message(ErrorObject),
    /// An argument is missing or of the wrong type; counted from 0.
    #[error("argument {index} of {method}: {reason}")]
    Argument {
        /// The method's dotted name.
        method: String,
        /// Which argument.
        index: usize,
        /// What does not fit.
        reason: String,
    },
    /// A result is not what was asked for.
    #[error("the result is not what was asked for: {0}")]
    Result(String),
    /// The call could not be sent, or its stream broke.
    #[error("{0}")]
    Send(RefusedSend),
    /// The session ended first.
    #[error("{0}")]
    Session(SessionError),
}

impl CallError {
    /// An error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self::Message(ErrorObject { message: message.into(), name: "Error".to_owned() })
    }

    /// The error of an end or an error reply.
    pub(crate) fn from_body(body: &Body) -> Self {
        Self::Message(ErrorObject::from_body(body))
    }

    /// What the caller is told: the one place where an error becomes bytes for a peer. The stack stays empty: a trace would
    /// tell strangers about our machine.
    #[must_use]
    pub fn to_body(&self) -> Body {
        let (message, name) = match self {
            Self::Message(object) => (object.message.clone(), object.name.as_str()),
            other => (other.to_string(), "Error"),
        };
        Body::json(serde_json::json!({ "message": message, "name": name, "stack": "" }).to_string())
    }

    /// The text JavaScript peers compare with, whole or by its end, before they fall back to older methods.
    pub(crate) fn not_allowed(name: &str) -> Self {
        let path = name.replace('.', ",");
        Self::new(format!("method:{path} is not in list of allowed methods"))
    }
}

impl From<SendError> for CallError {
    fn from(SendError(refused): SendError) -> Self {
        match refused {
            RefusedSend::Aborted(Some(body)) => Self::from_body(&body),
            RefusedSend::Session(error) => Self::Session(error),
            refused => Self::Send(refused),
        }
    }
}

impl From<RecvError> for CallError {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::Peer(body) => Self::from_body(&body),
            RecvError::Session(error) => Self::Session(error),
        }
    }
}

impl From<String> for CallError {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<&str> for CallError {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

impl From<std::io::Error> for CallError {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_peers_write_errors_is_read() {
        for (body, message) in [
            (Body::json(r#"{"message":"a","name":"TypeError","stack":"x"}"#), "a"),
            (Body::json(r#"{"error":true,"message":"b"}"#), "b"),
            (Body::json(r#"{"error":"c"}"#), "c"),
            (Body::text("d"), "d"),
            (Body::json("\"e\"\n"), "e"),
            (Body::json("{}"), "{}"),
        ] {
            assert_eq!(ErrorObject::from_body(&body).message, message);
        }
    }

    #[test]
    fn nested_names_are_joined_by_commas() {
        let text = CallError::not_allowed("room.metadata").to_string();
        assert_eq!(text, "method:room,metadata is not in list of allowed methods");
    }
}
