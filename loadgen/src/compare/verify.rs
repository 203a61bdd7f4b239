//! What a receiver checks: every message has the right length and the next index.

use anyhow::ensure;

use crate::measure::Tally;

/// A frame longer than this cannot be one of ours: the sender and the receiver are out of step.
const ABSURD: usize = 16 << 20;

/// Checks the messages of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    body: usize,
    next: u32,
    tally: Tally,
}

impl Check {
    /// Expects bodies of that size, numbered from 0.
    pub(crate) fn new(body: usize) -> Self {
        Self { body, next: 0, tally: Tally::default() }
    }

    /// One message came.
    pub(crate) fn message(&mut self, body: &[u8]) {
        let index = body.first_chunk().map(|index| u32::from_be_bytes(*index));
        let right = body.len() == self.body && index == Some(self.next);
        self.next = index.unwrap_or(self.next).wrapping_add(1);
        self.tally.messages += 1;
        self.tally.bytes += body.len() as u64;
        self.tally.errors += u64::from(!right);
    }

    /// What came so far.
    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }
}

/// Writes the index that a message must bear into its first four bytes.
pub(crate) fn number(body: &mut [u8], index: u32) {
    body[..4].copy_from_slice(&index.to_be_bytes());
}

/// A body of that size; the bytes after the index are the same in every message.
pub(crate) fn body(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

/// Cuts `length | body` frames out of a byte stream that arrives in pieces of any size.
#[derive(Debug)]
pub(crate) struct Inbox {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inbox {
    /// Room for that many bytes, which must be more than the longest frame.
    pub(crate) fn new(room: usize) -> Self {
        Self { buffer: vec![0; room], start: 0, end: 0 }
    }

    /// Where the next bytes may be put; followed by [`filled`](Self::filled).
    pub(crate) fn room(&mut self) -> &mut [u8] {
        // What is left is less than one frame, so moving it is cheap and every read may be large.
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        &mut self.buffer[self.end..]
    }

    /// So many bytes were put there; none means that the stream has ended, which is never expected.
    pub(crate) fn filled(&mut self, bytes: usize) -> anyhow::Result<()> {
        ensure!(bytes > 0, "the connection ended before the last message");
        self.end += bytes;
        Ok(())
    }

    /// Hands every complete frame to `take`, with the `HEAD` bytes before it, of which the last four are its length.
    pub(crate) fn frames<const HEAD: usize>(
        &mut self,
        mut take: impl FnMut(&[u8; HEAD], &[u8]),
    ) -> anyhow::Result<()> {
        while let Some((head, rest)) = self.buffer[self.start..self.end].split_first_chunk::<HEAD>() {
            let length = head.last_chunk().map_or(0, |length| u32::from_be_bytes(*length)) as usize;
            let Some(body) = rest.get(..length) else {
                ensure!(
                    length < ABSURD && HEAD + length <= self.buffer.len(),
                    "a frame claims {length} bytes"
                );
                break;
            };
            take(head, body);
            self.start += HEAD + length;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_and_order_are_checked_and_one_fault_counts_once() {
        let mut check = Check::new(8);
        let mut message = body(8);
        for index in [0, 1, 2, 5, 6, 7] {
            number(&mut message, index);
            check.message(&message);
        }
        assert_eq!(check.tally(), Tally { messages: 6, bytes: 48, errors: 1 });
        number(&mut message, 8);
        check.message(&message[..7]);
        check.message(&[1]);
        assert_eq!(check.tally(), Tally { messages: 8, bytes: 56, errors: 3 });
    }

    #[test]
    fn frames_are_found_however_the_bytes_arrive() {
        let mut wire = Vec::new();
        for index in 0..50u32 {
            let mut message = body(4 + index as usize % 9);
            number(&mut message, index);
            wire.extend_from_slice(&(message.len() as u32).to_be_bytes());
            wire.extend_from_slice(&message);
        }
        for piece in 1..wire.len() {
            let mut inbox = Inbox::new(17.max(piece));
            let mut seen = 0;
            let mut rest = wire.as_slice();
            while !rest.is_empty() {
                let room = inbox.room();
                let taken = piece.min(rest.len()).min(room.len());
                room[..taken].copy_from_slice(&rest[..taken]);
                rest = &rest[taken..];
                inbox.filled(taken).expect("bytes came");
                inbox
                    .frames::<4>(|_, body| {
                        assert_eq!(body.first_chunk(), Some(&u32::to_be_bytes(seen)));
                        seen += 1;
                    })
                    .expect("frames as they were sent");
            }
            assert_eq!(seen, 50, "in pieces of {piece}");
        }
    }

    #[test]
    fn an_absurd_length_and_an_early_end_are_told() {
        let mut inbox = Inbox::new(16);
        inbox.room()[..4].copy_from_slice(&[0xff; 4]);
        inbox.filled(4).expect("bytes came");
        assert!(inbox.frames::<4>(|_, _| ()).is_err());
        assert!(inbox.filled(0).is_err());
    }
}
