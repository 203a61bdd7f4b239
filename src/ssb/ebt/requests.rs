use crate::PublicKey;
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::Duration,
};

/// How many times as long as the whole connection may be silent one feed may be, while others come.
const STARVED: u32 = 10;

/// Ask this connection for that feed, or do so no longer: [`Exchange::set_receive`](super::Exchange::set_receive).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The caller's number of the connection.
    pub conn: u64,
    /// The feed.
    pub feed: PublicKey,
    /// Whether it is to be asked for.
    pub receive: bool,
}

/// One connection's claim to have a feed.
#[derive(Clone, Copy, Debug)]
struct Offer {
    conn: u64,
    sequence: u32,
    /// It was asked, and owed messages for too long.
    is_stalled: bool,
    /// It sent what does not verify, and is not asked again.
    is_refused: bool,
}

#[derive(Debug, Default)]
struct Feed {
    head: u32,
    /// By connection, in the order in which they first spoke. At the most one for each connection there is.
    offers: Vec<Offer>,
    asked: Option<u64>,
    /// When the asked one was first asked, or last brought a message.
    since: Duration,
    /// The entry of this feed in the queue of deadlines.
    due: Option<Duration>,
}

/// Decides which connection is asked for each of the feeds that one shard owns: one at a time, so that no message comes twice.
///
/// A feed whose asked peer has nothing new is moved to a peer that claims more. A peer that claims more than we have and stays
/// silent for `switch_after` loses it to the next that claims more. When nobody claims more, one stays asked, so that the next message
/// comes without a round trip. Connections are named by numbers of the caller's choosing. After every call
/// [`poll`](Self::poll) is asked until it has nothing.
#[derive(Debug)]
pub struct Requests {
    feeds: HashMap<PublicKey, Feed>,
    conns: HashMap<u64, Conn>,
    deadlines: BTreeSet<(Duration, PublicKey)>,
    decisions: VecDeque<Decision>,
    switch_after: Duration,
}

#[derive(Debug, Default)]
struct Conn {
    /// When it last brought a message of any feed.
    last: Duration,
    /// Feeds that it is asked for.
    asked: usize,
}

impl Requests {
    /// Nothing is wanted yet. `switch_after` is how long a peer may owe messages (3 s in JavaScript peers).
    #[must_use]
    pub fn new(switch_after: Duration) -> Self {
        Self {
            feeds: HashMap::new(),
            conns: HashMap::new(),
            deadlines: BTreeSet::new(),
            decisions: VecDeque::new(),
            switch_after,
        }
    }

    /// A feed is wanted, and stored up to `head`; or it is not wanted any more (`None`). Claims to feeds that are not wanted are ignored, so
    /// this comes first.
    pub fn handle_wanted(&mut self, feed: &PublicKey, head: Option<u32>) {
        if let Some(head) = head {
            self.feeds.entry(*feed).or_default().head = head;
            return;
        }
        if let Some(conn) = self.release(feed) {
            self.tell(conn, feed, false);
        }
        if let Some(due) = self.feeds.remove(feed).and_then(|state| state.due) {
            self.deadlines.remove(&(due, *feed));
        }
    }

    /// Asks a connection that has not spoken yet, if nobody is asked: for the first note of an exchange. Yields whether it is to be
    /// asked; no decision follows.
    pub fn ask_first(&mut self, now: Duration, conn: u64, feed: &PublicKey) -> bool {
        let Some(state) = self.feeds.get_mut(feed) else { return false };
        if state.asked.is_some() || state.offers.iter().any(|offer| offer.conn == conn) {
            return state.asked == Some(conn);
        }
        state.offers.push(Offer { conn, sequence: state.head, is_stalled: false, is_refused: false });
        state.asked = Some(conn);
        state.since = now;
        self.conns.entry(conn).or_default().asked += 1;
        true
    }

    /// A peer said how far it has a feed; `None` when it does not replicate it.
    pub fn handle_claim(&mut self, now: Duration, conn: u64, feed: &PublicKey, sequence: Option<u32>) {
        let Some(state) = self.feeds.get_mut(feed) else { return };
        let at = state.offers.iter().position(|offer| offer.conn == conn);
        match (at.and_then(|at| state.offers.get_mut(at)), sequence) {
            (Some(offer), Some(sequence)) => {
                // A claim made once again does not make up for having been silent.
                offer.is_stalled &= sequence <= offer.sequence;
                offer.sequence = sequence;
            }
            (None, Some(sequence)) => {
                state.offers.push(Offer { conn, sequence, is_stalled: false, is_refused: false });
            }
            (Some(offer), None) if offer.is_refused => {}
            (Some(_), None) => {
                state.offers.retain(|offer| offer.conn != conn);
                // The exchange takes −1 for the end of asking, so there is nothing to tell it.
                if state.asked == Some(conn) {
                    self.release(feed);
                }
            }
            (None, None) => {}
        }
        self.settle(now, feed);
    }

    /// Messages were appended to a feed, up to `head`; `from` says which connection brought them, if one did.
    pub fn handle_progress(&mut self, now: Duration, feed: &PublicKey, head: u32, from: Option<u64>) {
        if let Some(conn) = from.and_then(|conn| self.conns.get_mut(&conn)) {
            conn.last = now;
        }
        let Some(state) = self.feeds.get_mut(feed) else { return };
        state.head = state.head.max(head);
        if from.is_some() && from == state.asked {
            state.since = now;
        }
        if let Some(offer) = from.and_then(|from| state.offers.iter_mut().find(|offer| offer.conn == from)) {
            offer.sequence = offer.sequence.max(head);
            offer.is_stalled = false;
        }
        self.settle(now, feed);
    }

    /// A connection brought what was stored already, and is not asked any more, as
    /// [`Arrival::Duplicate`](super::Arrival::Duplicate) said. Another is, or the same one from where we are.
    pub fn handle_duplicate(&mut self, now: Duration, conn: u64, feed: &PublicKey) {
        if self.feeds.get(feed).is_some_and(|state| state.asked == Some(conn)) {
            self.release(feed);
            self.settle(now, feed);
        }
    }

    /// A connection is gone, and its number is not used for another. Looks through all feeds.
    pub fn handle_gone(&mut self, now: Duration, conn: u64) {
        self.conns.remove(&conn);
        let mut orphans = Vec::new();
        for (feed, state) in &mut self.feeds {
            if let Some(at) = state.offers.iter().position(|offer| offer.conn == conn) {
                state.offers.remove(at);
                if state.asked == Some(conn) {
                    state.asked = None;
                    orphans.push(*feed);
                }
            }
        }
        self.decisions.retain(|decision| decision.conn != conn);
        for feed in orphans {
            self.settle(now, &feed);
        }
    }

    /// A connection sent a message that does not verify: it is never asked for that feed again.
    pub fn handle_refused(&mut self, now: Duration, conn: u64, feed: &PublicKey) {
        let Some(state) = self.feeds.get_mut(feed) else { return };
        match state.offers.iter_mut().find(|offer| offer.conn == conn) {
            Some(offer) => offer.is_refused = true,
            None => state.offers.push(Offer { conn, sequence: 0, is_stalled: false, is_refused: true }),
        }
        if state.asked == Some(conn) {
            self.release(feed);
            self.tell(conn, feed, false);
        }
        self.settle(now, feed);
    }

    /// The next decision, after moving away from peers that have been silent for too long.
    pub fn poll(&mut self, now: Duration) -> Option<Decision> {
        while let Some((due, feed)) = self.deadlines.first().copied()
            && due <= now
        {
            self.deadlines.pop_first();
            self.expire(now, &feed);
        }
        self.decisions.pop_front()
    }

    /// When [`poll`](Self::poll) may have something without any other call; `None` if never.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(due, _)| *due)
    }

    /// The connection that is asked for a feed.
    #[must_use]
    pub fn asked(&self, feed: &PublicKey) -> Option<u64> {
        self.feeds.get(feed)?.asked
    }

    /// Moves a feed to a peer that claims more than we have, unless the asked one does.
    fn settle(&mut self, now: Duration, feed: &PublicKey) {
        let Some(state) = self.feeds.get(feed) else { return };
        let has_more = |offer: &&Offer| !offer.is_refused && offer.sequence > state.head;
        if let Some(asked) = state.asked
            && state.offers.iter().any(|offer| offer.conn == asked && has_more(&offer))
        {
            self.arm(now, feed);
            return;
        }
        let load =
            |offer: &&Offer| (offer.is_stalled, self.conns.get(&offer.conn).map_or(0, |conn| conn.asked));
        let best = state.offers.iter().filter(has_more).min_by_key(load);
        let live = || state.offers.iter().filter(|offer| !offer.is_refused).min_by_key(load);
        let next = if state.asked.is_none() { best.or_else(live) } else { best };
        if let Some(next) = next.map(|offer| offer.conn) {
            self.ask(now, feed, next);
        }
    }

    /// Asks a connection, instead of the one that is asked.
    fn ask(&mut self, now: Duration, feed: &PublicKey, conn: u64) {
        if let Some(old) = self.release(feed) {
            self.tell(old, feed, false);
        }
        if let Some(state) = self.feeds.get_mut(feed) {
            state.asked = Some(conn);
            state.since = now;
            self.conns.entry(conn).or_default().asked += 1;
            self.tell(conn, feed, true);
            self.arm(now, feed);
        }
    }

    /// Nobody is asked any more; yields who was.
    fn release(&mut self, feed: &PublicKey) -> Option<u64> {
        let conn = self.feeds.get_mut(feed)?.asked.take()?;
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.asked = conn.asked.saturating_sub(1);
        }
        Some(conn)
    }

    fn tell(&mut self, conn: u64, feed: &PublicKey, receive: bool) {
        self.decisions.push_back(Decision { conn, feed: *feed, receive });
    }

    /// When the asked peer will have owed messages for too long; `None` when it owes none.
    fn patience(&self, state: &Feed) -> Option<Duration> {
        let asked = state.asked?;
        let owes = state.offers.iter().any(|offer| offer.conn == asked && offer.sequence > state.head);
        let last = self.conns.get(&asked)?.last.max(state.since);
        // A peer that brings other feeds is at work, though one feed may not wait for ever behind the others.
        let end = (last + self.switch_after).min(state.since + self.switch_after * STARVED);
        owes.then_some(end)
    }

    /// Looks again when patience ends. Progress does not move the entry, for it is far more frequent.
    fn arm(&mut self, now: Duration, feed: &PublicKey) {
        let Some(state) = self.feeds.get(feed) else { return };
        if state.due.is_none()
            && let Some(end) = self.patience(state)
        {
            let due = end.max(now);
            self.deadlines.insert((due, *feed));
            if let Some(state) = self.feeds.get_mut(feed) {
                state.due = Some(due);
            }
        }
    }

    /// The time set for a feed has come.
    fn expire(&mut self, now: Duration, feed: &PublicKey) {
        let Some(state) = self.feeds.get_mut(feed) else { return };
        state.due = None;
        let Some(end) = self.feeds.get(feed).and_then(|state| self.patience(state)) else { return };
        if end > now {
            self.arm(now, feed);
            return;
        }
        let Some(state) = self.feeds.get_mut(feed) else { return };
        match state.next_in_turn() {
            Some(next) => self.ask(now, feed, next),
            None => {
                // Nobody else has it: the one that is asked has another spell.
                state.since = now;
                self.arm(now, feed);
            }
        }
    }
}

impl Feed {
    /// The next connection, after the asked one, that claims more than we have; those that have stalled only when all have.
    fn next_in_turn(&mut self) -> Option<u64> {
        let at = self.offers.iter().position(|offer| Some(offer.conn) == self.asked)?;
        self.offers.get_mut(at)?.is_stalled = true;
        let head = self.head;
        let (before, after) = self.offers.split_at(at);
        let others = || after.iter().skip(1).chain(before);
        let has_more = |offer: &&Offer| !offer.is_refused && offer.sequence > head;
        let fresh = others().filter(has_more).find(|offer| !offer.is_stalled);
        if let Some(next) = fresh {
            return Some(next.conn);
        }
        let next = others().find(has_more)?.conn;
        self.offers.iter_mut().for_each(|offer| offer.is_stalled = false);
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEED: PublicKey = PublicKey([1; 32]);

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn requests(head: u32) -> Requests {
        let mut requests = Requests::new(at(3_000));
        requests.handle_wanted(&FEED, Some(head));
        requests
    }

    fn decisions(requests: &mut Requests, now: Duration) -> Vec<(u64, bool)> {
        std::iter::from_fn(|| requests.poll(now)).map(|decision| (decision.conn, decision.receive)).collect()
    }

    #[test]
    fn a_silent_peer_is_left_for_each_other_in_turn() {
        let mut requests = requests(5);
        for conn in 1..=3 {
            requests.handle_claim(at(0), conn, &FEED, Some(9));
        }
        assert_eq!(decisions(&mut requests, at(0)), [(1, true)]);
        assert_eq!(decisions(&mut requests, at(2_999)), []);
        assert_eq!(requests.next_deadline(), Some(at(3_000)));
        for (turn, [from, to]) in [[1, 2], [2, 3], [3, 1], [1, 2]].into_iter().enumerate() {
            let now = at(3_000 * (turn as u64 + 1));
            assert_eq!(decisions(&mut requests, now), [(from, false), (to, true)], "turn {turn}");
        }
        requests.handle_progress(at(12_001), &FEED, 9, Some(2));
        assert_eq!(decisions(&mut requests, at(60_000)), [], "nobody owes any more");
        assert_eq!((requests.next_deadline(), requests.asked(&FEED)), (None, Some(2)));
    }

    #[test]
    fn a_peer_at_work_on_other_feeds_keeps_one_for_a_while() {
        let mut requests = requests(0);
        let other = PublicKey([2; 32]);
        requests.handle_wanted(&other, Some(0));
        for conn in 1..=2 {
            requests.handle_claim(at(0), conn, &FEED, Some(9));
        }
        assert_eq!(decisions(&mut requests, at(0)), [(1, true)]);
        for second in 1..30 {
            let now = at(second * 1_000);
            requests.handle_progress(now, &other, u32::try_from(second).expect("small"), Some(1));
            assert_eq!(decisions(&mut requests, now), [], "{second} s");
        }
        assert_eq!(decisions(&mut requests, at(30_000)), [(1, false), (2, true)]);
    }

    #[test]
    fn the_feed_of_a_peer_that_is_gone_is_asked_of_another() {
        let mut requests = requests(9);
        assert!(requests.ask_first(at(0), 1, &FEED));
        assert!(!requests.ask_first(at(0), 2, &FEED));
        requests.handle_claim(at(0), 2, &FEED, Some(9));
        assert_eq!(decisions(&mut requests, at(0)), []);
        requests.handle_gone(at(1), 1);
        assert_eq!(decisions(&mut requests, at(1)), [(2, true)], "for what is to come");
        requests.handle_claim(at(2), 2, &FEED, None);
        assert_eq!((decisions(&mut requests, at(2)), requests.asked(&FEED)), (vec![], None));
    }

    #[test]
    fn who_is_ahead_is_asked_instead_of_who_has_nothing_new() {
        let mut requests = requests(9);
        requests.handle_claim(at(0), 1, &FEED, Some(9));
        requests.handle_claim(at(0), 2, &FEED, Some(10));
        assert_eq!(decisions(&mut requests, at(0)), [(1, true), (1, false), (2, true)]);
        requests.handle_duplicate(at(1), 2, &FEED);
        assert_eq!(decisions(&mut requests, at(1)), [(2, true)], "the only one, from where we are");
    }

    #[test]
    fn a_peer_that_sent_what_does_not_verify_is_not_asked_again() {
        let mut requests = requests(0);
        requests.handle_claim(at(0), 1, &FEED, Some(9));
        requests.handle_refused(at(1), 1, &FEED);
        requests.handle_claim(at(2), 1, &FEED, Some(90));
        assert_eq!(decisions(&mut requests, at(2)), [(1, true), (1, false)]);
        requests.handle_claim(at(3), 2, &FEED, Some(1));
        assert_eq!(decisions(&mut requests, at(99_000)), [(2, true)]);
        requests.handle_wanted(&FEED, None);
        assert_eq!(decisions(&mut requests, at(99_000)), [(2, false)]);
        requests.handle_claim(at(99_000), 2, &FEED, Some(10));
        assert_eq!((decisions(&mut requests, at(99_000)), requests.next_deadline()), (vec![], None));
    }

    #[test]
    fn feeds_are_spread_over_the_peers_that_have_them() {
        let mut requests = Requests::new(at(3_000));
        let feeds: Vec<_> = (0..40).map(|byte| PublicKey([byte; 32])).collect();
        for feed in &feeds {
            requests.handle_wanted(feed, Some(0));
            // The first who claims is asked; who is gone leaves its feeds to all.
            for conn in 1..=5 {
                requests.handle_claim(at(0), conn, feed, Some(3));
            }
        }
        requests.handle_gone(at(0), 1);
        for conn in 2..=5 {
            assert_eq!(feeds.iter().filter(|feed| requests.asked(feed) == Some(conn)).count(), 10);
        }
    }
}
