use super::{
    Clock, ExchangeLimits, Local, Note, NoteError,
    row::{Bit, Row},
};
use crate::PublicKey;
use std::collections::{HashMap, VecDeque};

/// Bytes that an entry of a note frame takes at the most: comma, quotes, 53 of the id, colon, ten digits.
const ENTRY_BYTES_MAX: usize = 1 + 55 + 1 + 10;

/// Which side of the call this is. It only says who speaks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We called `ebt.replicate`, and say nothing until the peer's first note.
    Opener,
    /// The peer did, and waits for our first note.
    Acceptor,
}

/// What a message that came is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is after all that we have: verify it, and append it if it is next.
    Fresh,
    /// It is stored already. When this feed was asked for here it no longer is, and
    /// [`Requests::handle_duplicate`](super::Requests::handle_duplicate) is to be told.
    Duplicate {
        /// Whether the feed was asked for.
        was_asked: bool,
    },
    /// The feed is not wanted, or was never spoken of with this peer: drop it.
    Unasked,
}

/// What the peer says it has of a feed wanted here; food for [`Requests::handle_claim`](super::Requests::handle_claim).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The feed.
    pub feed: PublicKey,
    /// The last sequence; `None` when the peer does not replicate it.
    pub sequence: Option<u32>,
}

/// The state of one `ebt.replicate` call, this side of it.
///
/// Input goes into the `handle_*` methods; then [`poll_notes`](Self::poll_notes) and [`poll_send`](Self::poll_send) are asked until they have nothing.
#[derive(Debug)]
pub struct Exchange {
    pub(super) rows: HashMap<PublicKey, Row>,
    /// Feeds whose rows say that they are held.
    pub(super) held: Vec<PublicKey>,
    /// What the peer said on earlier connections, until the exchange begins.
    saved: Option<Clock>,
    is_hello_due: bool,
    /// Rows of which a note is to be written.
    notes: VecDeque<PublicKey>,
    /// Feeds that have no row, to be answered −1.
    answers: VecDeque<PublicKey>,
    /// Rows that owe messages, each in turn.
    sends: VecDeque<PublicKey>,
    /// Rows of feeds that only the peer named.
    named: usize,
    limits: ExchangeLimits,
}

impl Exchange {
    /// The state at the opening of the call; `saved` is what [`clock`](Self::clock) said at the end of the last one with this
    /// peer. An acceptor's exchange begins now, with a note about every wanted feed in which something may have happened.
    #[must_use]
    pub fn new(role: Role, saved: Clock, limits: ExchangeLimits, local: &impl Local) -> Self {
        let mut exchange = Self {
            rows: HashMap::new(),
            held: Vec::new(),
            saved: Some(saved),
            is_hello_due: false,
            notes: VecDeque::new(),
            answers: VecDeque::new(),
            sends: VecDeque::new(),
            named: 0,
            limits,
        };
        if role == Role::Acceptor {
            exchange.begin(local);
        }
        exchange
    }

    /// Names every wanted feed that the peer is not known to have just as far as we do.
    fn begin(&mut self, local: &impl Local) {
        let Some(mut saved) = self.saved.take() else { return };
        // An empty frame is said too: the peer waits for one.
        self.is_hello_due = true;
        local.for_each_wanted(&mut |feed| {
            if !local.may_send(feed) || self.rows.contains_key(feed) {
                return;
            }
            let mut row = Row::new(saved.0.remove(feed));
            // A peer that once heard −1 from us keeps silent about the feed until we speak of it again.
            let is_news = row.is(Bit::RefusedBefore)
                || !row.is_theirs_none() && (row.theirs() != local.sequence(feed) || row.theirs() == 0);
            if is_news {
                row.set(Bit::Receive, local.asks_first(feed));
                row.set(Bit::NoteQueued, true);
                self.notes.push_back(*feed);
            }
            self.rows.insert(*feed, row);
        });
        for (feed, said) in saved.0 {
            if self.named < self.limits.unwanted_max {
                let mut row = Row::new(Some(said));
                row.set(Bit::Named, true);
                self.named += 1;
                self.rows.insert(feed, row);
            }
        }
    }

    /// Takes a frame that is no message. `claim` is told what the peer says of each feed wanted here.
    ///
    /// # Errors
    /// [`NoteError`]: the frame is no notes at all, and nothing of it was taken.
    pub fn handle_notes(
        &mut self,
        frame: &[u8],
        local: &impl Local,
        mut claim: impl FnMut(Claim),
    ) -> Result<(), NoteError> {
        let notes = Note::read_all(frame, self.limits.notes_in_max)?;
        self.begin(local);
        for (feed, note) in notes {
            if self.hear(&feed, note, local) {
                claim(Claim { feed, sequence: note.sequence() });
            }
        }
        Ok(())
    }

    /// Yields whether the feed is shared with this peer.
    fn hear(&mut self, feed: &PublicKey, note: Note, local: &impl Local) -> bool {
        let is_wanted = local.wants(feed);
        if !self.rows.contains_key(feed) && !is_wanted {
            if self.named >= self.limits.unwanted_max {
                self.answer(feed, note);
                return false;
            }
            self.named += 1;
            let mut row = Row::new(None);
            row.set(Bit::Named, true);
            self.rows.insert(*feed, row);
        }
        let row = self.rows.entry(*feed).or_insert_with(|| Row::new(None));
        row.hear(note);
        if !is_shared(feed, row, local) {
            if row.is_untold() && note != Note::NONE {
                self.queue_note(feed);
            }
            return false;
        }
        let sequence = local.sequence(feed);
        let is_ahead = row.is_behind(sequence);
        if row.is_untold() || is_ahead && !row.is(Bit::Transmit) {
            self.queue_note(feed);
        }
        self.queue_send(feed, sequence);
        true
    }

    /// Answers −1 about a feed for which there is no row left.
    fn answer(&mut self, feed: &PublicKey, note: Note) {
        if note != Note::NONE && self.answers.len() < self.limits.answers_max {
            self.answers.push_back(*feed);
        }
    }

    /// A message of this feed came. It need not have been verified: a peer that lies about sequences fails to be sent, or asked
    /// for, that feed.
    pub fn handle_message(&mut self, feed: &PublicKey, sequence: u32, local: &impl Local) -> Arrival {
        let Some(row) = self.rows.get_mut(feed) else { return Arrival::Unasked };
        if row.is_untold() || !is_shared(feed, row, local) {
            return Arrival::Unasked;
        }
        row.receive(sequence);
        if local.sequence(feed) < sequence {
            return Arrival::Fresh;
        }
        let was_asked = row.is(Bit::Receive);
        if was_asked {
            row.set(Bit::Receive, false);
            self.queue_note(feed);
        }
        Arrival::Duplicate { was_asked }
    }

    /// Messages were appended to a feed here, whoever they came from: the peer is sent them, or told of them.
    pub fn handle_appended(&mut self, feed: &PublicKey, local: &impl Local) {
        if self.saved.is_some() || !local.wants(feed) {
            return;
        }
        let row = self.rows.entry(*feed).or_insert_with(|| Row::new(None));
        if !is_shared(feed, row, local) {
            return;
        }
        let sequence = local.sequence(feed);
        if row.is(Bit::Transmit) {
            self.queue_send(feed, sequence);
        } else if row.is_behind(sequence) && (row.is_untold() || row.is(Bit::Heard)) {
            // Told once and not answered, it need not be told again: its answer will show where it stands.
            self.queue_note(feed);
        }
    }

    /// Whether the feed is wanted, or may be sent to this peer, has changed. Yields what is to be told to
    /// [`Requests`](super::Requests): the peer's claim, which it may have made long ago, or that it has none any more.
    #[must_use]
    pub fn handle_wanted(&mut self, feed: &PublicKey, local: &impl Local) -> Option<Claim> {
        if self.saved.is_some() {
            return None;
        }
        let is_wanted = local.wants(feed);
        if is_wanted && !self.rows.contains_key(feed) {
            self.rows.insert(*feed, Row::new(None));
        }
        let row = self.rows.get_mut(feed)?;
        if is_wanted && row.is(Bit::Named) {
            row.set(Bit::Named, false);
            self.named -= 1;
        }
        if !is_shared(feed, row, local) {
            row.set(Bit::Receive, false);
            if !row.is_untold() && !row.is_told_none() {
                self.queue_note(feed);
            }
            return Some(Claim { feed: *feed, sequence: None });
        }
        let sequence = (!row.is_theirs_none()).then(|| row.theirs());
        let claim = row.is(Bit::Heard).then_some(Claim { feed: *feed, sequence });
        let is_refused = row.is_told_none() || row.is(Bit::RefusedBefore);
        let sequence = local.sequence(feed);
        let is_news = row.is_untold() && (row.theirs() != sequence || sequence == 0);
        if is_refused || is_news && !row.is_theirs_none() {
            self.queue_note(feed);
        }
        self.queue_send(feed, sequence);
        claim
    }

    /// Asks this peer for a feed, or no longer, as [`Requests`](super::Requests) decides.
    pub fn set_receive(&mut self, feed: &PublicKey, receive: bool, local: &impl Local) {
        let Some(row) = self.rows.get_mut(feed) else { return };
        if row.is(Bit::Receive) != receive && is_shared(feed, row, local) {
            row.set(Bit::Receive, receive);
            self.queue_note(feed);
        }
    }

    /// The peer sent a message of the feed that does not verify: nothing of it is exchanged with this peer any more.
    pub fn refuse(&mut self, feed: &PublicKey) {
        if let Some(row) = self.rows.get_mut(feed) {
            row.set(Bit::Refused, true);
            row.set(Bit::Receive, false);
            self.queue_note(feed);
        }
    }

    /// Writes a frame of the notes that wait, at the most [`ExchangeLimits::note_bytes_max`] bytes of JSON, to the end of `frame`.
    /// Yields whether there was one to write.
    pub fn poll_notes(&mut self, local: &impl Local, frame: &mut Vec<u8>) -> bool {
        if self.notes.is_empty() && self.answers.is_empty() && !self.is_hello_due {
            return false;
        }
        self.is_hello_due = false;
        let end = frame.len().saturating_add(self.limits.note_bytes_max.max(ENTRY_BYTES_MAX + 2));
        frame.push(b'{');
        while frame.len() + ENTRY_BYTES_MAX < end
            && let Some(feed) = self.notes.pop_front()
        {
            let Some(row) = self.rows.get_mut(&feed) else { continue };
            let note = if is_shared(&feed, row, local) {
                Note::new(local.sequence(&feed), row.is(Bit::Receive))
            } else {
                row.set(Bit::Receive, false);
                Note::NONE
            };
            row.set(Bit::NoteQueued, false);
            row.tell(note);
            note.write(&feed, frame);
        }
        while frame.len() + ENTRY_BYTES_MAX < end
            && let Some(feed) = self.answers.pop_front()
        {
            // It may have become wanted since, and then has a row and a note of its own.
            if !self.rows.contains_key(&feed) {
                Note::NONE.write(&feed, frame);
            }
        }
        frame.push(b'}');
        if self.notes.is_empty() {
            // The clock of a first note may have been long; the queue never will be again.
            self.notes.shrink_to(64);
        }
        true
    }

    /// The next feed to send messages of, and the sequence to begin with: each that owes in turn. The caller sends as many as
    /// it thinks fair, asking [`owes`](Self::owes) before each, and then calls [`handle_sent`](Self::handle_sent), whatever came of it.
    pub fn poll_send(&mut self, local: &impl Local) -> Option<(PublicKey, u32)> {
        while let Some(feed) = self.sends.pop_front() {
            let Some(row) = self.rows.get_mut(&feed) else { continue };
            row.set(Bit::SendQueued, false);
            let from = row.position().saturating_add(1);
            if row.is(Bit::Transmit) && from <= local.sequence(&feed) && is_shared(&feed, row, local) {
                row.set(Bit::InFlight, true);
                return Some((feed, from));
            }
        }
        self.sends.shrink_to(64);
        None
    }

    /// Whether a message is still to be sent: the peer may have changed its mind, or sent it to us, since
    /// [`poll_send`](Self::poll_send).
    #[must_use]
    pub fn owes(&self, feed: &PublicKey, sequence: u32, local: &impl Local) -> bool {
        self.rows.get(feed).is_some_and(|row| {
            row.is(Bit::Transmit)
                && !row.is(Bit::LetGo)
                && sequence > row.position()
                && is_shared(feed, row, local)
        })
    }

    /// Messages up to `sequence` went out, of the feed that [`poll_send`](Self::poll_send) named; 0 if none did.
    pub fn handle_sent(&mut self, feed: &PublicKey, sequence: u32, local: &impl Local) {
        let Some(row) = self.rows.get_mut(feed) else { return };
        row.set(Bit::InFlight, false);
        if row.is(Bit::LetGo) {
            row.set(Bit::LetGo, false);
        } else {
            row.send(sequence);
        }
        self.queue_send(feed, local.sequence(feed));
    }

    /// What to save for the next connection with this peer.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.saved.clone().unwrap_or_else(|| {
            Clock(self.rows.iter().filter_map(|(feed, row)| Some((*feed, row.said()?))).collect())
        })
    }

    /// How far the peer is known to have a feed; `None` when nothing is known of it.
    #[must_use]
    pub fn theirs(&self, feed: &PublicKey) -> Option<u32> {
        self.rows.get(feed).filter(|row| !row.is_theirs_none()).map(Row::theirs)
    }

    /// How far the peer is known to have each feed.
    pub fn claims(&self) -> impl Iterator<Item = (PublicKey, u32)> {
        self.rows.iter().filter(|(_, row)| !row.is_theirs_none()).map(|(feed, row)| (*feed, row.theirs()))
    }

    /// Feeds of which something is kept.
    #[must_use]
    pub fn feeds(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn queue_note(&mut self, feed: &PublicKey) {
        if let Some(row) = self.rows.get_mut(feed)
            && row.claim(Bit::NoteQueued)
        {
            self.notes.push_back(*feed);
        }
    }

    fn queue_send(&mut self, feed: &PublicKey, sequence: u32) {
        if let Some(row) = self.rows.get_mut(feed)
            && row.is(Bit::Transmit)
            && !row.is(Bit::InFlight)
            && row.position() < sequence
            && row.claim(Bit::SendQueued)
        {
            self.sends.push_back(*feed);
        }
    }
}

/// Whether the feed is exchanged with the peer at all: wanted, not kept from it, and not spoilt by it.
fn is_shared(feed: &PublicKey, row: &Row, local: &impl Local) -> bool {
    !row.is(Bit::Refused) && !row.is(Bit::Held) && local.wants(feed) && local.may_send(feed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Feeds by number: how far each is here, and whether it may be sent.
    #[derive(Default)]
    struct Feeds(BTreeMap<PublicKey, (u32, bool)>);

    impl Feeds {
        fn of(feeds: &[(u8, u32)]) -> Self {
            Self(feeds.iter().map(|(byte, sequence)| (feed(*byte), (*sequence, true))).collect())
        }
    }

    impl Local for Feeds {
        fn sequence(&self, feed: &PublicKey) -> u32 {
            self.0.get(feed).map_or(0, |(sequence, _)| *sequence)
        }

        fn wants(&self, feed: &PublicKey) -> bool {
            self.0.contains_key(feed)
        }

        fn may_send(&self, feed: &PublicKey) -> bool {
            self.0.get(feed).is_none_or(|(_, may)| *may)
        }

        fn for_each_wanted(&self, visit: &mut dyn FnMut(&PublicKey)) {
            self.0.keys().for_each(visit);
        }
    }

    fn feed(byte: u8) -> PublicKey {
        PublicKey([byte; 32])
    }

    /// What the exchange has to say, by the first byte of the feed.
    fn said(exchange: &mut Exchange, local: &Feeds) -> Vec<(u8, i32)> {
        let mut all = Vec::new();
        let mut frame = Vec::new();
        while exchange.poll_notes(local, &mut frame) {
            let notes = Note::read_all(&frame, 1_000_000).expect("notes");
            all.extend(notes.into_iter().map(|(feed, note)| (feed.0[0], note.number())));
            frame.clear();
        }
        all.sort_unstable();
        all
    }

    fn hear(exchange: &mut Exchange, local: &Feeds, notes: &[(u8, i32)]) -> Vec<Claim> {
        let mut frame = b"{".to_vec();
        for (byte, number) in notes {
            Note::from_number((*number).into()).write(&feed(*byte), &mut frame);
        }
        frame.push(b'}');
        let mut claims = Vec::new();
        exchange.handle_notes(&frame, local, |claim| claims.push(claim)).expect("notes");
        claims
    }

    fn acceptor(saved: Clock, local: &Feeds) -> Exchange {
        Exchange::new(Role::Acceptor, saved, ExchangeLimits::default(), local)
    }

    #[test]
    fn an_opener_waits_for_the_first_note_and_an_acceptor_says_at_least_an_empty_one() {
        let local = Feeds::of(&[(1, 5)]);
        let mut opener = Exchange::new(Role::Opener, Clock::default(), ExchangeLimits::default(), &local);
        assert!(!opener.poll_notes(&local, &mut Vec::new()));
        opener.handle_appended(&feed(1), &local);
        assert!(!opener.poll_notes(&local, &mut Vec::new()));
        hear(&mut opener, &local, &[]);
        assert_eq!(said(&mut opener, &local), [(1, 11)]);

        let mut frame = Vec::new();
        let nothing = Feeds::default();
        assert!(acceptor(Clock::default(), &nothing).poll_notes(&nothing, &mut frame));
        assert_eq!(frame, b"{}");
    }

    #[test]
    fn a_peer_that_is_behind_and_does_not_ask_is_told_each_time() {
        let mut local = Feeds::of(&[(1, 5)]);
        let mut exchange = acceptor(Clock::default(), &local);
        said(&mut exchange, &local);
        // JavaScript forgets whom it asks when that peer is gone, and asks who speaks next.
        for _ in 0..2 {
            assert_eq!(hear(&mut exchange, &local, &[(1, 7)])[0].sequence, Some(3));
            assert_eq!(said(&mut exchange, &local), [(1, 11)]);
        }
        assert_eq!(exchange.poll_send(&local), None);
        local.0.insert(feed(1), (6, true));
        exchange.handle_appended(&feed(1), &local);
        assert_eq!(said(&mut exchange, &local), [(1, 13)]);
        hear(&mut exchange, &local, &[(1, 6)]);
        assert_eq!(exchange.poll_send(&local), Some((feed(1), 4)));
        assert!(exchange.owes(&feed(1), 4, &local));
        hear(&mut exchange, &local, &[(1, 7)]);
        assert!(!exchange.owes(&feed(1), 4, &local), "it changed its mind");
    }

    #[test]
    fn a_feed_that_becomes_wanted_brings_the_claim_made_before() {
        let mut local = Feeds::default();
        let mut exchange = acceptor(Clock::default(), &local);
        said(&mut exchange, &local);
        assert_eq!(hear(&mut exchange, &local, &[(1, 8), (2, -1)]), []);
        assert_eq!(said(&mut exchange, &local), [(1, -1)], "no answer to a −1");
        hear(&mut exchange, &local, &[(1, 8)]);
        assert_eq!(said(&mut exchange, &local), [], "answered once");
        local = Feeds::of(&[(1, 0)]);
        let claim = exchange.handle_wanted(&feed(1), &local);
        assert_eq!(claim, Some(Claim { feed: feed(1), sequence: Some(4) }));
        exchange.set_receive(&feed(1), true, &local);
        assert_eq!(said(&mut exchange, &local), [(1, 0)]);
        exchange.refuse(&feed(1));
        assert_eq!(said(&mut exchange, &local), [(1, -1)]);
        assert_eq!(exchange.handle_message(&feed(1), 1, &local), Arrival::Unasked);
    }

    #[test]
    fn a_million_feeds_that_nobody_wants_are_not_kept() {
        let local = Feeds::default();
        let limits = ExchangeLimits { unwanted_max: 100, answers_max: 50, ..ExchangeLimits::default() };
        let mut exchange = Exchange::new(Role::Acceptor, Clock::default(), limits, &local);
        for round in 0..20_u32 {
            let mut frame = b"{".to_vec();
            for number in 0..1_000 {
                let mut bytes = [7; 32];
                bytes[1..5].copy_from_slice(&(round * 1_000 + number).to_be_bytes());
                Note::new(1, true).write(&PublicKey(bytes), &mut frame);
            }
            frame.push(b'}');
            exchange.handle_notes(&frame, &local, |claim| panic!("{claim:?}")).expect("notes");
        }
        assert_eq!(exchange.feeds(), 100);
        assert_eq!(said(&mut exchange, &local).len(), 150);
        assert_eq!(exchange.clock().len(), 100);
    }

    #[test]
    fn what_cannot_be_stored_is_held_and_asked_for_again() {
        let local = Feeds::of(&[(1, 5)]);
        let mut exchange = acceptor(Clock::default(), &local);
        said(&mut exchange, &local);
        hear(&mut exchange, &local, &[(1, 18)]);
        exchange.set_receive(&feed(1), true, &local);
        assert_eq!(said(&mut exchange, &local), [(1, 10)]);
        assert_eq!(exchange.hold(&feed(1)), Some(Claim { feed: feed(1), sequence: None }));
        assert_eq!(exchange.hold(&feed(1)), None, "once");
        assert_eq!(said(&mut exchange, &local), [(1, -1)]);
        assert_eq!(exchange.handle_message(&feed(1), 7, &local), Arrival::Unasked);
        exchange.set_receive(&feed(1), true, &local);
        assert_eq!(said(&mut exchange, &local), []);
        assert_eq!(exchange.resume(&local), [Claim { feed: feed(1), sequence: Some(9) }]);
        exchange.set_receive(&feed(1), true, &local);
        assert_eq!(said(&mut exchange, &local), [(1, 10)]);
        assert!(exchange.resume(&local).is_empty() && exchange.was_held(&feed(1)));
    }

    #[test]
    fn a_duplicate_ends_the_asking_and_long_feeds_take_turns() {
        let local = Feeds::of(&[(1, 100), (2, 3)]);
        let mut exchange = acceptor(Clock::default(), &local);
        said(&mut exchange, &local);
        hear(&mut exchange, &local, &[(1, 0), (2, 0)]);
        exchange.set_receive(&feed(1), true, &local);
        said(&mut exchange, &local);
        assert_eq!(exchange.handle_message(&feed(1), 50, &local), Arrival::Duplicate { was_asked: true });
        assert_eq!(exchange.handle_message(&feed(1), 51, &local), Arrival::Duplicate { was_asked: false });
        assert_eq!(exchange.handle_message(&feed(1), 101, &local), Arrival::Fresh);
        assert_eq!(said(&mut exchange, &local), [(1, 201)]);
        hear(&mut exchange, &local, &[(1, -1)]);
        hear(&mut exchange, &local, &[(1, 0)]);
        let turns: Vec<_> = std::iter::from_fn(|| {
            let (feed, from) = exchange.poll_send(&local)?;
            exchange.handle_sent(&feed, from + 1, &local);
            Some((feed.0[0], from))
        })
        .take(4)
        .collect();
        assert_eq!(turns, [(1, 1), (2, 1), (1, 3), (2, 3)]);
    }
}
