use super::{
    BoxKey, GOODBYE, HEADER_BOX_BYTES, HEADER_BYTES, KEY_BYTES, MAC_BYTES, NONCE_BYTES, SEGMENT_BYTES_MAX,
    boxes::Boxes,
};
use bytes::BytesMut;
use std::io::IoSlice;

/// The sending end of a box-stream. Keys are wiped on drop.
#[derive(Debug)]
pub struct Sealer {
    boxes: Boxes,
    said_goodbye: bool,
}

impl Sealer {
    /// Begins a stream; `nonce` is that of the first header.
    #[must_use]
    pub fn new(key: &[u8; KEY_BYTES], nonce: &[u8; NONCE_BYTES]) -> Self {
        Self { boxes: Boxes::new(&BoxKey { key: *key, nonce: *nonce }), said_goodbye: false }
    }

    /// The bytes that [`seal`](Self::seal) makes of `plain` bytes.
    #[must_use]
    pub const fn sealed_len(plain: usize) -> usize {
        plain + plain.div_ceil(SEGMENT_BYTES_MAX) * HEADER_BOX_BYTES
    }

    /// Appends the sealed form of `slices`, taken as one run of bytes: segments of 4096 bytes and one with the rest. So a
    /// frame's header and body share a segment, and nothing is sealed for empty slices.
    ///
    /// Each byte is copied once, to where it is sealed in place.
    pub fn seal(&mut self, slices: &[IoSlice<'_>], out: &mut BytesMut) {
        debug_assert!(!self.said_goodbye, "nothing can follow a goodbye");
        if self.said_goodbye {
            return;
        }
        let mut left: usize = slices.iter().map(|slice| slice.len()).sum();
        out.reserve(Self::sealed_len(left));
        let mut slices = slices.iter();
        let mut slice: &[u8] = &[];
        while left > 0 {
            let body_bytes = left.min(SEGMENT_BYTES_MAX);
            let start = out.len();
            out.extend_from_slice(&[0; HEADER_BOX_BYTES]);
            let end = start + HEADER_BOX_BYTES + body_bytes;
            while out.len() < end {
                if slice.is_empty() {
                    // They hold `left` bytes more, so there is another.
                    slice = slices.next().map_or(slice, |next| next);
                    continue;
                }
                let (now, later) = slice.split_at(slice.len().min(end - out.len()));
                out.extend_from_slice(now);
                slice = later;
            }
            self.seal_segment(&mut out[start..]);
            left -= body_bytes;
        }
    }

    /// Appends the goodbye, once: the peer can tell an end from a cut by it. Nothing may be sealed afterwards.
    pub fn seal_goodbye(&mut self, out: &mut BytesMut) {
        debug_assert!(!self.said_goodbye, "nothing can follow a goodbye");
        if !std::mem::replace(&mut self.said_goodbye, true) {
            out.extend_from_slice(&self.boxes.next_header().seal(&GOODBYE));
        }
    }

    /// Seals a body that stands behind the room for its header.
    fn seal_segment(&mut self, segment: &mut [u8]) {
        let (header_box, body) = segment.split_at_mut(HEADER_BOX_BYTES);
        let key = self.boxes.next_header();
        let mac = self.boxes.seal_body(body);
        header_box.copy_from_slice(&key.seal(&header(body.len(), &mac)));
    }
}

/// A header in the clear. Bodies are at most 4096 bytes long.
fn header(body_bytes: usize, mac: &[u8; MAC_BYTES]) -> [u8; HEADER_BYTES] {
    let mut header = GOODBYE;
    let (length, place) = header.split_at_mut(HEADER_BYTES - MAC_BYTES);
    let body_bytes = u16::try_from(body_bytes).unwrap_or(u16::MAX);
    length.copy_from_slice(&body_bytes.to_be_bytes());
    place.copy_from_slice(mac);
    header
}
