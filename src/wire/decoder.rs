use super::{Body, HEADER_BYTES, Header, Headline, Run};
use bytes::{Buf, Bytes, BytesMut};

/// A frame and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The header, ids as the peer counts.
    pub header: Header,
    /// The body.
    pub body: Body,
}

/// What the decoder hands out.
#[derive(Clone, Debug)]
pub enum Item {
    /// Data frames of one stream: stream bit set, end bit clear.
    Run(Run),
    /// Any other frame: requests, replies and ends.
    Frame(Frame),
    /// The peer sends no more; what follows is ignored.
    Goodbye,
}

/// Bytes that are no frames. All are the peer's fault and end the connection, since the next header cannot be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A header announces a body over the limit.
    #[error("a frame of {body_bytes} bytes is over the limit of {body_bytes_max}")]
    BodyTooLong {
        /// Announced.
        body_bytes: u32,
        /// Allowed.
        body_bytes_max: u32,
    },
    /// Body kind 3 does not exist.
    #[error("a frame has body kind 3, which does not exist")]
    BodyKind,
    /// The id `i32::MIN`, which has no mirror image.
    #[error("a frame has the id -2147483648, which cannot be answered")]
    Id,
}

/// Below this many missing bytes a straddling frame gets its room at once; above, room grows as bytes arrive, so that
/// an announced length alone buys no memory.
const RESERVE_BYTES_MAX: usize = 64 << 10;

/// Turns chunks into frames. Feed with [`push`](Self::push), then call [`next_item`](Self::next_item) until it
/// yields `None`.
///
/// Errors are sticky: after one, every call returns the same.
#[derive(Clone, Debug)]
pub struct Decoder {
    body_bytes_max: u32,
    /// What is left of the newest chunk.
    chunk: Bytes,
    /// The beginning of a frame whose end has not arrived; always shorter than that frame.
    partial: BytesMut,
    stopped: Option<Result<(), WireError>>,
}

impl Decoder {
    /// A decoder that refuses bodies above `body_bytes_max`.
    #[must_use]
    pub fn new(body_bytes_max: u32) -> Self {
        Self { body_bytes_max, chunk: Bytes::new(), partial: BytesMut::new(), stopped: None }
    }

    /// Takes the next bytes of the connection.
    pub fn push(&mut self, chunk: Bytes) {
        if self.chunk.is_empty() {
            self.chunk = chunk;
        } else {
            // The caller did not drain the last chunk: legal, but costs a copy.
            let mut joined = BytesMut::with_capacity(self.chunk.len() + chunk.len());
            joined.extend_from_slice(&self.chunk);
            joined.extend_from_slice(&chunk);
            self.chunk = joined.freeze();
        }
    }

    /// Whether a frame has begun and not ended: the peer owes bytes.
    #[must_use]
    pub fn has_partial(&self) -> bool {
        !self.partial.is_empty()
    }

    /// The next frame or run of frames, `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`WireError`] once the bytes stop making sense; what came before has been handed out.
    pub fn next_item(&mut self) -> Result<Option<Item>, WireError> {
        match self.stopped {
            Some(Err(error)) => return Err(error),
            Some(Ok(())) => return Ok(None),
            None => {}
        }
        let item = if self.partial.is_empty() { self.scan() } else { self.join() };
        match &item {
            Err(error) => self.stopped = Some(Err(*error)),
            Ok(Some(Item::Goodbye)) => self.stopped = Some(Ok(())),
            Ok(_) => {}
        }
        item
    }

    /// Completes the frame that began in an earlier chunk.
    fn join(&mut self) -> Result<Option<Item>, WireError> {
        if !self.take(HEADER_BYTES) {
            return Ok(None);
        }
        let Some(head) = self.partial.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let header = match Header::decode(head, self.body_bytes_max)? {
            Headline::Goodbye => return Ok(Some(Item::Goodbye)),
            Headline::Frame(header) => header,
        };
        if !self.take(HEADER_BYTES + header.body_bytes as usize) {
            return Ok(None);
        }
        let wire = self.partial.split().freeze();
        Ok(Some(Self::single(header, wire)))
    }

    /// Moves bytes from the chunk until `partial` holds `wanted`; says whether it does.
    fn take(&mut self, wanted: usize) -> bool {
        let missing = wanted.saturating_sub(self.partial.len());
        let have = missing.min(self.chunk.len());
        if missing <= RESERVE_BYTES_MAX {
            self.partial.reserve(missing);
        }
        self.partial.extend_from_slice(&self.chunk[..have]);
        self.chunk.advance(have);
        have == missing
    }

    fn single(header: Header, mut wire: Bytes) -> Item {
        if header.stream && !header.end {
            return Item::Run(Run { id: header.id, wire });
        }
        wire.advance(HEADER_BYTES);
        Item::Frame(Frame { header, body: Body { kind: header.kind, bytes: wire } })
    }

    /// Reads whole frames from the chunk: a run as long as it goes, or one frame of another sort.
    fn scan(&mut self) -> Result<Option<Item>, WireError> {
        let mut at = 0;
        let mut run_id = None;
        while let Some(head) = self.chunk[at..].first_chunk::<HEADER_BYTES>() {
            let header = match Header::decode(head, self.body_bytes_max) {
                Ok(Headline::Frame(header)) => header,
                // What precedes the goodbye or the error goes out first; the next call comes back here.
                _ if at > 0 => break,
                Ok(Headline::Goodbye) => return Ok(Some(Item::Goodbye)),
                Err(error) => return Err(error),
            };
            let end = at + HEADER_BYTES + header.body_bytes as usize;
            if end > self.chunk.len() {
                break;
            }
            if !header.stream || header.end {
                if at > 0 {
                    break;
                }
                let wire = self.chunk.split_to(end);
                return Ok(Some(Self::single(header, wire)));
            }
            if *run_id.get_or_insert(header.id) != header.id {
                break;
            }
            at = end;
        }
        match run_id {
            Some(id) if at > 0 => Ok(Some(Item::Run(Run { id, wire: self.chunk.split_to(at) }))),
            _ => {
                self.keep_tail();
                Ok(None)
            }
        }
    }

    /// Puts an incomplete frame aside, so that the chunk it came in is not held by its first bytes.
    fn keep_tail(&mut self) {
        if !self.chunk.is_empty() {
            let wanted = match self.chunk.first_chunk::<HEADER_BYTES>() {
                Some(head) => match Header::decode(head, self.body_bytes_max) {
                    Ok(Headline::Frame(header)) => HEADER_BYTES + header.body_bytes as usize,
                    _ => HEADER_BYTES,
                },
                None => HEADER_BYTES,
            };
            self.take(wanted);
        }
    }
}
