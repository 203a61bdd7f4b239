use crate::wire::{Body, BodyKind};
use bytes::Bytes;

/// A body to send: bytes owned, that may be sent from where they lie, or borrowed, that are copied at once.
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    /// How the receiver is to read the bytes.
    pub kind: BodyKind,
    data: Data<'a>,
}

#[derive(Clone, Debug)]
enum Data<'a> {
    Owned(Bytes),
    Borrowed(&'a [u8]),
}

impl<'a> Outgoing<'a> {
    /// Bytes to copy.
    #[must_use]
    pub const fn borrowed(kind: BodyKind, bytes: &'a [u8]) -> Self {
        Self { kind, data: Data::Borrowed(bytes) }
    }

    /// Bytes to share.
    #[must_use]
    pub const fn owned(kind: BodyKind, bytes: Bytes) -> Self {
        Self { kind, data: Data::Owned(bytes) }
    }

    /// The bytes.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match &self.data {
            Data::Owned(bytes) => bytes,
            Data::Borrowed(bytes) => bytes,
        }
    }

    /// The bytes if they can be shared.
    #[inline]
    pub(crate) const fn shared(&self) -> Option<&Bytes> {
        match &self.data {
            Data::Owned(bytes) => Some(bytes),
            Data::Borrowed(_) => None,
        }
    }
}

impl From<Body> for Outgoing<'_> {
    fn from(body: Body) -> Self {
        // The empty text has a form that is not an empty body; JavaScript has no better one either.
        if body.bytes.is_empty() && body.kind == BodyKind::Text {
            return Self::borrowed(BodyKind::Json, br#""""#);
        }
        Self::owned(body.kind, body.bytes)
    }
}

impl From<Bytes> for Outgoing<'_> {
    fn from(bytes: Bytes) -> Self {
        Self::owned(BodyKind::Binary, bytes)
    }
}

impl From<Vec<u8>> for Outgoing<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::owned(BodyKind::Binary, bytes.into())
    }
}

impl<'a> From<&'a [u8]> for Outgoing<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::borrowed(BodyKind::Binary, bytes)
    }
}

impl<'a> From<&'a str> for Outgoing<'a> {
    fn from(text: &'a str) -> Self {
        if text.is_empty() {
            return Self::borrowed(BodyKind::Json, br#""""#);
        }
        Self::borrowed(BodyKind::Text, text.as_bytes())
    }
}

impl From<String> for Outgoing<'_> {
    fn from(text: String) -> Self {
        Body::text(text).into()
    }
}
