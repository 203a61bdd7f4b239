use super::{
    BoxKey, GOODBYE, HEADER_BOX_BYTES, HEADER_BYTES, KEY_BYTES, MAC_BYTES, NONCE_BYTES, SEGMENT_BYTES_MAX,
    boxes::Boxes,
};
use crate::secret::BoxStreamError;
use bytes::BytesMut;

/// How far a stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Opened {
    /// All bytes were taken, and more can come.
    More,
    /// The peer said goodbye; what follows is ignored.
    Goodbye,
}

/// The receiving end of a box-stream. Keys are wiped on drop.
///
/// Errors are sticky: after one, every call returns the same.
#[derive(Debug)]
pub struct Opener {
    boxes: Boxes,
    state: State,
    /// The beginning of a header box or body whose end has not arrived, still sealed: at most 4095 bytes, and no room
    /// of its own while segments and chunks end together.
    pub(super) partial: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Header,
    Body { body_bytes: u16, mac: [u8; MAC_BYTES] },
    Goodbye,
    Failed(BoxStreamError),
}

impl Opener {
    /// Begins a stream; `nonce` is that of the first header.
    #[must_use]
    pub fn new(key: &[u8; KEY_BYTES], nonce: &[u8; NONCE_BYTES]) -> Self {
        let boxes = Boxes::new(&BoxKey { key: *key, nonce: *nonce });
        Self { boxes, state: State::Header, partial: Vec::new() }
    }

    /// Takes all of `chunk` and appends to `out` what opens: whole segments, each only once its MAC was found right.
    /// Bytes after a goodbye are ignored, as the peer's last words may meet our own goodbye.
    ///
    /// # Errors
    /// [`BoxStreamError`] at the first wrong segment; those before it are in `out`, nothing of it is.
    pub fn open(&mut self, chunk: &[u8], out: &mut BytesMut) -> Result<Opened, BoxStreamError> {
        // Less comes out than goes in, but for what was held back.
        out.reserve(self.partial.len() + chunk.len());
        let mut rest = chunk;
        loop {
            let wanted = match self.state {
                State::Header => HEADER_BOX_BYTES,
                State::Body { body_bytes, .. } => usize::from(body_bytes),
                State::Goodbye => return Ok(Opened::Goodbye),
                State::Failed(error) => return Err(error),
            };
            // Nothing is held back where segments and chunks end together.
            if rest.is_empty() {
                return Ok(Opened::More);
            }
            let next = if self.partial.is_empty() && rest.len() >= wanted {
                let (sealed, later) = rest.split_at(wanted);
                rest = later;
                self.step(sealed, out)
            } else if self.hold(&mut rest, wanted) {
                let sealed = std::mem::take(&mut self.partial);
                self.step(&sealed, out)
            } else {
                return Ok(Opened::More);
            };
            self.state = next.unwrap_or_else(State::Failed);
        }
    }

    /// Whether a segment has begun and not ended: the peer owes bytes.
    #[must_use]
    pub const fn has_partial(&self) -> bool {
        !self.partial.is_empty() || matches!(self.state, State::Body { .. })
    }

    /// Whether the peer said goodbye.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        matches!(self.state, State::Goodbye)
    }

    /// What it means that no more bytes come: nothing after a goodbye.
    ///
    /// # Errors
    /// [`BoxStreamError::Truncated`] without a goodbye; the earlier error if there was one.
    pub const fn end(&self) -> Result<(), BoxStreamError> {
        match self.state {
            State::Goodbye => Ok(()),
            State::Failed(error) => Err(error),
            State::Header | State::Body { .. } => Err(BoxStreamError::Truncated),
        }
    }

    /// Takes bytes from `rest` until `partial` holds `wanted`; says whether it does.
    fn hold(&mut self, rest: &mut &[u8], wanted: usize) -> bool {
        let (now, later) = rest.split_at(rest.len().min(wanted.saturating_sub(self.partial.len())));
        // Bounded by a segment: longer ones have been refused.
        self.partial.reserve_exact(wanted.saturating_sub(self.partial.len()));
        self.partial.extend_from_slice(now);
        *rest = later;
        self.partial.len() == wanted
    }

    /// Opens a whole header box or body.
    fn step(&mut self, sealed: &[u8], out: &mut BytesMut) -> Result<State, BoxStreamError> {
        let State::Body { mac, .. } = self.state else { return self.open_header(sealed) };
        let start = out.len();
        out.extend_from_slice(sealed);
        if self.boxes.open_body(&mut out[start..], &mac) {
            Ok(State::Header)
        } else {
            out.truncate(start);
            Err(BoxStreamError::BodyForged)
        }
    }

    fn open_header(&mut self, sealed: &[u8]) -> Result<State, BoxStreamError> {
        let key = self.boxes.next_header();
        let sealed = sealed.try_into().map_err(|_| BoxStreamError::HeaderForged)?;
        let header = key.open(sealed).ok_or(BoxStreamError::HeaderForged)?;
        if header == GOODBYE {
            return Ok(State::Goodbye);
        }
        let mut mac = [0; MAC_BYTES];
        mac.copy_from_slice(&header[HEADER_BYTES - MAC_BYTES..]);
        let body_bytes = u16::from_be_bytes([header[0], header[1]]);
        match usize::from(body_bytes) {
            0 => Err(BoxStreamError::SegmentEmpty),
            1..=SEGMENT_BYTES_MAX => Ok(State::Body { body_bytes, mac }),
            _ => Err(BoxStreamError::SegmentTooLong(body_bytes)),
        }
    }
}
