use super::CallError;
use crate::{mux::Outgoing, wire::Body};
use serde::Serialize;

/// What an async handler may answer with: anything that serialises, as JSON, or a [`Body`] as it is.
pub trait IntoReply {
    /// The reply's body.
    ///
    /// # Errors
    /// [`CallError::Result`] when the value does not serialise.
    fn into_reply(self) -> Result<Body, CallError>;
}

impl<T: Serialize> IntoReply for T {
    fn into_reply(self) -> Result<Body, CallError> {
        let json = serde_json::to_vec(&self).map_err(|error| CallError::Result(error.to_string()))?;
        Ok(Body::json(json))
    }
}

impl IntoReply for Body {
    fn into_reply(self) -> Result<Body, CallError> {
        Ok(self)
    }
}

/// A value to send as JSON: `tx.send(Json(&value)?)` is spelled [`Json::body`].
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: Serialize> Json<T> {
    /// The value as a JSON body.
    ///
    /// # Errors
    /// [`CallError::Result`] when the value does not serialise.
    pub fn body(&self) -> Result<Outgoing<'static>, CallError> {
        let json = serde_json::to_vec(&self.0).map_err(|error| CallError::Result(error.to_string()))?;
        Ok(Body::json(json).into())
    }
}
