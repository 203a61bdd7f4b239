use bytes::Bytes;

/// The two kind bits of a header: how the body is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BodyKind {
    /// Raw bytes.
    Binary = 0,
    /// UTF-8 text (not checked here).
    Text = 1,
    /// JSON text (not checked here).
    Json = 2,
}

impl BodyKind {
    /// Reads the two lowest bits of a flags byte; 3 is no kind.
    #[must_use]
    pub const fn from_bits(flags: u8) -> Option<Self> {
        match flags & 0b11 {
            0 => Some(Self::Binary),
            1 => Some(Self::Text),
            2 => Some(Self::Json),
            _ => None,
        }
    }
}

/// A body and its kind. Cloning shares the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    /// How to read the bytes.
    pub kind: BodyKind,
    /// The bytes as they stand on the wire.
    pub bytes: Bytes,
}

impl Body {
    /// A body of raw bytes.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self { kind: BodyKind::Binary, bytes: bytes.into() }
    }

    /// A body of UTF-8 text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { kind: BodyKind::Text, bytes: Bytes::from(text.into()) }
    }

    /// A body that is JSON text already.
    pub fn json(text: impl Into<Bytes>) -> Self {
        Self { kind: BodyKind::Json, bytes: text.into() }
    }

    /// The JSON `true` that ends a half cleanly.
    #[must_use]
    pub const fn end() -> Self {
        Self { kind: BodyKind::Json, bytes: Bytes::from_static(b"true") }
    }

    /// Whether this is the body of a clean end. Go peers put a newline after JSON, so white space is allowed.
    #[must_use]
    pub fn is_true(&self) -> bool {
        self.kind == BodyKind::Json && self.bytes.trim_ascii() == b"true"
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            BodyKind::Binary => write!(f, "binary({} bytes)", self.bytes.len()),
            BodyKind::Text => write!(f, "text({:?})", String::from_utf8_lossy(&self.bytes)),
            BodyKind::Json => write!(f, "json({})", String::from_utf8_lossy(&self.bytes)),
        }
    }
}
