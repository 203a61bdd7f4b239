use super::{Note, clock::Said};

/// The peer has said nothing of the feed, on this connection or before.
const UNKNOWN: u32 = u32::MAX;
/// The peer said −1.
const NONE: u32 = u32::MAX - 1;
/// We have said nothing of the feed on this connection.
const UNTOLD: i32 = i32::MIN;

/// What is known of one feed on one connection. There are as many as feeds times connections, so it is small.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// The peer's last word, raised by messages that come from it.
    theirs: u32,
    /// The highest sequence that crossed the connection, either way, since the peer last said −1.
    crossed: u32,
    /// The number of our last note on this connection, or [`UNTOLD`].
    told: i32,
    bits: u16,
}

/// One thing that is so of a row, or not.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bit {
    /// The peer wants to be sent messages.
    Transmit = 1,
    /// We want to be.
    Receive = 1 << 1,
    /// The peer has spoken of the feed on this connection.
    Heard = 1 << 2,
    /// A note waits to be written.
    NoteQueued = 1 << 3,
    /// It waits for its turn to send.
    SendQueued = 1 << 4,
    /// Messages are being sent.
    InFlight = 1 << 5,
    /// The peer let go of the feed meanwhile, so that what was in flight counts for nothing.
    LetGo = 1 << 6,
    /// The peer sent what does not verify.
    Refused = 1 << 7,
    /// Only the peer named it; it is not wanted here.
    Named = 1 << 8,
    /// We said −1 on an earlier connection and nothing since.
    RefusedBefore = 1 << 9,
    /// It cannot be stored here for now.
    Held = 1 << 10,
    /// It could not, once.
    WasHeld = 1 << 11,
}

impl Row {
    pub(super) fn new(saved: Option<Said>) -> Self {
        let theirs = saved.map_or(UNKNOWN, |said| said.theirs.unwrap_or(NONE));
        let mut row = Self { theirs, crossed: 0, told: UNTOLD, bits: 0 };
        row.set(Bit::RefusedBefore, saved.is_some_and(|said| said.is_refused));
        row
    }

    pub(super) const fn is(&self, bit: Bit) -> bool {
        self.bits & bit as u16 != 0
    }

    pub(super) const fn set(&mut self, bit: Bit, value: bool) {
        if value {
            self.bits |= bit as u16;
        } else {
            self.bits &= !(bit as u16);
        }
    }

    /// Sets a bit; yields whether it was not set.
    pub(super) const fn claim(&mut self, bit: Bit) -> bool {
        let was = self.is(bit);
        self.set(bit, true);
        !was
    }

    pub(super) const fn is_theirs_none(&self) -> bool {
        self.theirs == NONE
    }

    /// How far the peer said it is; 0 when it did not.
    pub(super) const fn theirs(&self) -> u32 {
        if self.theirs >= NONE { 0 } else { self.theirs }
    }

    /// Whether a feed with `local` messages here is ahead of the peer's last word. One that the peer never spoke of always is.
    pub(super) const fn is_behind(&self, local: u32) -> bool {
        match self.theirs {
            UNKNOWN => true,
            NONE => false,
            theirs => local > theirs,
        }
    }

    /// The sequence after which the peer needs messages.
    pub(super) const fn position(&self) -> u32 {
        let theirs = self.theirs();
        if theirs > self.crossed { theirs } else { self.crossed }
    }

    pub(super) const fn is_untold(&self) -> bool {
        self.told == UNTOLD
    }

    /// Whether −1 was our last word on this connection.
    pub(super) fn is_told_none(&self) -> bool {
        self.told == Note::NONE.number()
    }

    pub(super) const fn tell(&mut self, note: Note) {
        self.told = note.number();
        self.set(Bit::RefusedBefore, false);
    }

    pub(super) fn hear(&mut self, note: Note) {
        self.theirs = note.sequence().unwrap_or(NONE);
        self.set(Bit::Heard, true);
        self.set(Bit::Transmit, note.receive());
        if note == Note::NONE {
            // It dropped the feed, so it may ask for the same messages again.
            self.crossed = 0;
            self.set(Bit::Receive, false);
            self.set(Bit::LetGo, self.is(Bit::InFlight));
        }
    }

    /// A message came from the peer.
    pub(super) fn receive(&mut self, sequence: u32) {
        self.theirs = self.theirs().max(sequence);
        self.crossed = self.crossed.max(sequence);
        self.set(Bit::Heard, true);
    }

    /// Messages up to this one went to the peer.
    pub(super) fn send(&mut self, sequence: u32) {
        self.crossed = self.crossed.max(sequence);
    }

    /// What to keep for the next connection; `None` when there is nothing.
    pub(super) fn said(&self) -> Option<Said> {
        let is_refused = self.is_told_none() || self.is(Bit::RefusedBefore);
        let theirs = (self.theirs < NONE).then_some(self.theirs);
        (self.theirs != UNKNOWN || is_refused).then_some(Said { theirs, is_refused })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_small() {
        assert!(size_of::<(crate::PublicKey, Row)>() <= 48);
    }

    #[test]
    fn what_crossed_is_not_owed_again_until_the_peer_lets_go() {
        let mut row = Row::new(None);
        row.hear(Note::new(5, true));
        row.send(9);
        row.hear(Note::new(6, true));
        assert_eq!((row.position(), row.theirs()), (9, 6));
        row.hear(Note::NONE);
        row.hear(Note::new(6, true));
        assert_eq!(row.position(), 6);
    }

    #[test]
    fn a_peer_that_lost_its_database_is_sent_all_of_it() {
        let mut row = Row::new(Some(Said { theirs: Some(90), is_refused: false }));
        row.hear(Note::new(3, true));
        assert_eq!(row.position(), 3);
    }
}
