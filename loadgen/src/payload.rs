//! Numbered messages of one size.

use bytes::{Bytes, BytesMut};
use push_mux::mux::{GATHER_BYTES_MIN, Outgoing};

use crate::compare::verify;

/// Long messages are cut from blocks of about this size: one allocation serves many.
const BLOCK: usize = 64 << 10;

/// Makes messages whose first four bytes are their index.
#[derive(Debug)]
pub(crate) struct Payload {
    template: Vec<u8>,
    block: BytesMut,
}

impl Payload {
    /// The smallest that holds an index.
    pub(crate) const BYTES_MIN: usize = 4;

    /// Messages of `size` bytes, at least [`BYTES_MIN`](Self::BYTES_MIN).
    pub(crate) fn new(size: usize) -> Self {
        Self { template: vec![0; size], block: BytesMut::new() }
    }

    /// The message with that index. Short ones are lent, because sending copies them; long ones are handed over.
    pub(crate) fn message(&mut self, index: u32) -> Outgoing<'_> {
        let size = self.template.len();
        if size < GATHER_BYTES_MIN {
            verify::number(&mut self.template, index);
            return Outgoing::from(&self.template[..]);
        }
        if self.block.is_empty() {
            self.block = BytesMut::zeroed((BLOCK / size).max(1) * size);
        }
        let mut body = self.block.split_to(size);
        verify::number(&mut body, index);
        Bytes::from(body).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_their_size_and_number() {
        for size in [4, 64, GATHER_BYTES_MIN, 100_000] {
            let mut payload = Payload::new(size);
            for index in 0..100 {
                let message = payload.message(index);
                let bytes = message.as_slice();
                assert_eq!((bytes.len(), &bytes[..4]), (size, &index.to_be_bytes()[..]));
            }
        }
    }
}
