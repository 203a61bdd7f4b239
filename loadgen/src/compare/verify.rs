//! What a receiver checks: every message has the right length and the next index.

use anyhow::ensure;

use super::work::Work;
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

/// Length of what a receiver [reports](report).
pub(crate) const REPORT: usize = 24;

/// What a server counted, for its client.
pub(crate) fn report(tally: Tally) -> [u8; REPORT] {
    let mut report = [0; REPORT];
    let counts = [tally.messages, tally.bytes, tally.errors];
    for (place, count) in report.as_chunks_mut().0.iter_mut().zip(counts) {
        *place = count.to_be_bytes();
    }
    report
}

/// Reads a [`report`].
pub(crate) fn reported(report: &[u8; REPORT]) -> Tally {
    let mut counts = [0; 3];
    for (count, place) in counts.iter_mut().zip(report.as_chunks().0) {
        *count = u64::from_be_bytes(*place);
    }
    let [messages, bytes, errors] = counts;
    Tally { messages, bytes, errors }
}

/// Counts what was sent and not received as errors, and so what was received and not sent.
pub(crate) fn settle(received: Tally, work: &Work) -> Tally {
    let missing = work.messages().abs_diff(received.messages);
    Tally { errors: received.errors + missing, ..received }
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

    /// The next complete frame: `HEAD` bytes, of which the last four are the length of the body, and the body.
    pub(crate) fn frame<const HEAD: usize>(&mut self) -> anyhow::Result<Option<&[u8]>> {
        let Some(head) = self.buffer[self.start..self.end].first_chunk::<HEAD>() else { return Ok(None) };
        let length = head.last_chunk().map_or(0, |length| u32::from_be_bytes(*length)) as usize;
        let whole = HEAD + length;
        let Some(frame) = self.buffer[self.start..self.end].get(..whole) else {
            ensure!(length < ABSURD && whole <= self.buffer.len(), "a frame claims {length} bytes");
            return Ok(None);
        };
        self.start += whole;
        Ok(Some(frame))
    }

    /// Whether nothing is left of the bytes that came.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Hands every complete frame to `take`, with the `HEAD` bytes before it, of which the last four are its length.
    pub(crate) fn frames<const HEAD: usize>(
        &mut self,
        mut take: impl FnMut(&[u8; HEAD], &[u8]),
    ) -> anyhow::Result<()> {
        while let Some(frame) = self.frame::<HEAD>()? {
            if let Some((head, body)) = frame.split_first_chunk() {
                take(head, body);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::work::{Shape, sample};

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
    fn a_report_is_read_as_it_was_written_and_missing_messages_are_errors() {
        let tally = Tally { messages: 29, bytes: 1 << 40, errors: 1 };
        assert_eq!(reported(&report(tally)), tally);
        let work = sample(Shape::Sink);
        assert_eq!(settle(tally, &work), Tally { errors: 2, ..tally });
        assert_eq!(settle(Tally { messages: 30, ..tally }, &work).errors, 1);
        assert_eq!(settle(Tally { messages: 31, ..tally }, &work).errors, 2);
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
