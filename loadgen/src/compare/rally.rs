//! The messages of one stream that go to the other end and come back.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::verify::{Check, number};
use super::work::Work;
use crate::measure::Tally;

/// Keeps `depth` messages of one stream on their way, and checks and times those that come back.
///
/// Messages come back in order, because a stream keeps it. The time of a message begins when it first may be sent, so
/// that waiting for a window counts.
#[derive(Debug)]
pub(crate) struct Rally {
    /// The next message, with whatever stands before its body on this transport.
    message: Vec<u8>,
    head: usize,
    depth: usize,
    each: u32,
    sent: u32,
    is_due: bool,
    starts: VecDeque<Instant>,
    check: Check,
    altered: u64,
}

impl Rally {
    /// The messages of a stream, each with `head` before it.
    pub(crate) fn new(work: &Work, head: &[u8]) -> Self {
        let mut message = head.to_vec();
        message.extend(super::verify::body(work.body));
        Self {
            message,
            head: head.len(),
            depth: work.depth.max(1) as usize,
            each: work.each,
            sent: 0,
            is_due: false,
            starts: VecDeque::new(),
            check: Check::new(work.body),
            altered: 0,
        }
    }

    /// The message to send next, if one may go; the same one until it is [`sent`](Self::sent).
    pub(crate) fn due(&mut self) -> Option<&[u8]> {
        if !self.is_due {
            if self.sent == self.each || self.starts.len() == self.depth {
                return None;
            }
            self.starts.push_back(Instant::now());
            number(&mut self.message[self.head..], self.sent);
            self.is_due = true;
        }
        Some(&self.message)
    }

    /// The message that was due is on its way.
    pub(crate) fn sent(&mut self) {
        self.sent += u32::from(self.is_due);
        self.is_due = false;
    }

    /// A body came back; how long it was away.
    pub(crate) fn back(&mut self, body: &[u8]) -> Duration {
        self.check.message(body);
        // The index is the check's business, and that of the next message stands in ours.
        self.altered += u64::from(body.get(4..) != self.message.get(self.head + 4..));
        self.starts.pop_front().map_or(Duration::ZERO, |start| start.elapsed())
    }

    /// Whether every message has come back.
    pub(crate) fn is_over(&self) -> bool {
        self.check.tally().messages >= u64::from(self.each)
    }

    /// What came back so far.
    pub(crate) fn tally(&self) -> Tally {
        let tally = self.check.tally();
        // One fault may be both, and counts once.
        Tally { errors: tally.errors.max(self.altered), ..tally }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::work::{Shape, sample};

    fn send(rally: &mut Rally) -> Option<Vec<u8>> {
        let message = rally.due().map(<[u8]>::to_vec);
        if message.is_some() {
            rally.sent();
        }
        message
    }

    #[test]
    fn no_more_than_depth_are_on_their_way_and_all_come_back() {
        let mut rally = Rally::new(&sample(Shape::PingPong), b"head");
        let mut away = VecDeque::new();
        let mut most = 0;
        while !rally.is_over() {
            while let Some(message) = send(&mut rally) {
                away.push_back(message);
            }
            most = most.max(away.len());
            let message = away.pop_front().expect("something is on its way");
            assert_eq!(&message[..4], b"head");
            rally.back(&message[4..]);
        }
        assert_eq!((most, away.len(), rally.due()), (2, 0, None));
        assert_eq!(rally.tally(), Tally { messages: 10, bytes: 640, errors: 0 });
    }

    #[test]
    fn a_message_stays_due_until_it_is_sent_and_its_time_runs() {
        let mut rally = Rally::new(&sample(Shape::PingPong), b"");
        let first = rally.due().expect("the first").to_vec();
        assert_eq!(rally.due(), Some(&first[..]));
        std::thread::sleep(Duration::from_millis(5));
        rally.sent();
        assert!(rally.back(&first) >= Duration::from_millis(5));
    }

    #[test]
    fn what_comes_back_altered_or_out_of_turn_is_an_error() {
        let mut rally = Rally::new(&sample(Shape::PingPong), b"");
        let mut first = send(&mut rally).expect("the first");
        let second = send(&mut rally).expect("the second");
        first[63] ^= 1;
        rally.back(&first);
        assert_eq!(rally.tally().errors, 1);
        rally.back(&second);
        rally.back(&second);
        assert_eq!(rally.tally(), Tally { messages: 3, bytes: 192, errors: 1 });
    }
}
