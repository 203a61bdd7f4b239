use super::{BodyKind, WireError};

/// Bytes in a header: flags 1, body length 4, id 4, big endian.
pub const HEADER_BYTES: usize = 9;

/// The all-zero header that says no more frames follow.
pub const GOODBYE: [u8; HEADER_BYTES] = [0; HEADER_BYTES];

const STREAM_BIT: u8 = 0b1000;
const END_BIT: u8 = 0b0100;

/// A frame's header, all but the goodbye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The id as its sender counts: positive when the sender opened the stream or request, never `i32::MIN`.
    pub id: i32,
    /// Whether the frame belongs to a stream rather than to a request.
    pub stream: bool,
    /// Whether the frame ends its half, or carries an error in answer to a request.
    pub end: bool,
    /// How the body is to be read.
    pub kind: BodyKind,
    /// Bytes of the body, at least 1.
    pub body_bytes: u32,
}

/// What nine bytes can mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headline {
    /// A frame follows.
    Frame(Header),
    /// No more frames follow. JavaScript reads *any* header with an empty body so, whatever its flags and id say.
    Goodbye,
}

impl Header {
    /// A header of a stream's data frame.
    #[must_use]
    pub const fn data(id: i32, kind: BodyKind, body_bytes: u32) -> Self {
        Self { id, stream: true, end: false, kind, body_bytes }
    }

    /// Credit units of the frame: header and body bytes.
    #[must_use]
    pub const fn cost(&self) -> u64 {
        HEADER_BYTES as u64 + self.body_bytes as u64
    }

    /// Writes the nine bytes.
    #[must_use]
    #[inline]
    pub const fn encode(&self) -> [u8; HEADER_BYTES] {
        let flags =
            self.kind as u8 | if self.stream { STREAM_BIT } else { 0 } | if self.end { END_BIT } else { 0 };
        let len = self.body_bytes.to_be_bytes();
        let id = self.id.to_be_bytes();
        [flags, len[0], len[1], len[2], len[3], id[0], id[1], id[2], id[3]]
    }

    /// Reads nine bytes, and refuses a body above `body_bytes_max`. The four high flag bits are ignored, as every
    /// known peer does.
    ///
    /// # Errors
    /// [`WireError`] of the peer's making: the connection cannot go on.
    #[inline]
    pub const fn decode(bytes: &[u8; HEADER_BYTES], body_bytes_max: u32) -> Result<Headline, WireError> {
        let [flags, l0, l1, l2, l3, i0, i1, i2, i3] = *bytes;
        let body_bytes = u32::from_be_bytes([l0, l1, l2, l3]);
        let id = i32::from_be_bytes([i0, i1, i2, i3]);
        // JavaScript takes every header without a body for goodbye, and never says goodbye but with nine zero bytes. A stream of its
        // own may hold an empty body all the same: ssb-blobs ends so a blob whose size is a multiple of 64 KiB.
        if body_bytes == 0 && id == 0 {
            return Ok(Headline::Goodbye);
        }
        if body_bytes > body_bytes_max {
            return Err(WireError::BodyTooLong { body_bytes, body_bytes_max });
        }
        let Some(kind) = BodyKind::from_bits(flags) else {
            return Err(WireError::BodyKind);
        };
        if id == i32::MIN {
            return Err(WireError::Id);
        }
        let (stream, end) = (flags & STREAM_BIT != 0, flags & END_BIT != 0);
        Ok(Headline::Frame(Self { id, stream, end, kind, body_bytes }))
    }
}
