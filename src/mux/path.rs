use super::{StreamKey, Time};
use crate::flow::RoundTrip;
use std::time::Duration;

/// What a session knows of the path to its peer: how long a round trip takes.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    /// As the kernel measures it, which is to the next hop.
    hop: Duration,
    /// As credit shows it.
    trip: RoundTrip,
    /// The stream whose grant is watched for it.
    watched: Option<StreamKey>,
    /// When our control stream was opened.
    offered_at: Time,
    /// From when on what arrives needed its grant.
    exact_from: Option<Time>,
}

/// A path before anything was measured: a fast local line.
const HOP_UNKNOWN: Duration = Duration::from_micros(200);

impl Path {
    pub(crate) fn new(now: Time) -> Self {
        Self {
            hop: HOP_UNKNOWN,
            trip: RoundTrip::default(),
            watched: None,
            offered_at: now,
            exact_from: None,
        }
    }

    /// The kernel's figure.
    pub(crate) const fn hop(&self) -> Duration {
        self.hop
    }

    pub(crate) const fn set_hop(&mut self, hop: Duration) {
        self.hop = hop;
    }

    /// Our control stream leaves.
    pub(crate) const fn offered(&mut self, now: Time) {
        self.offered_at = now;
    }

    /// The peer says that it needs no overdraft. It used one until it had heard the same from us, and what it sent by it is still
    /// on its way: a round trip, which the offer and this answer have shown at its longest, and a quarter for good measure.
    pub(crate) fn became_exact(&mut self, now: Time) {
        let round_trip = now.since(self.offered_at);
        self.exact_from.get_or_insert(now + round_trip * 5 / 4);
    }

    /// Whether arrivals say something about the path.
    pub(crate) fn is_exact(&self, now: Time) -> bool {
        self.exact_from.is_some_and(|from| now >= from)
    }

    /// A grant leaves that raises a stream's total.
    pub(crate) fn granted(&mut self, key: StreamKey, total: u64, now: Time) {
        if self.is_exact(now) && self.trip.granted(total, now.as_micros()) {
            self.watched = Some(key);
        }
    }

    /// Data arrived on a stream; so much had before it.
    pub(crate) fn arrived(&mut self, key: StreamKey, before: u64, now: Time) {
        if self.watched == Some(key) && self.trip.arrived(before, now.as_micros()) {
            self.watched = None;
        }
    }

    /// Nothing more is looked at on a stream: another one may be watched.
    pub(crate) fn forget(&mut self, key: StreamKey) {
        if self.watched == Some(key) {
            self.watched = None;
            self.trip.forget();
        }
    }

    /// The round trip in microseconds. The kernel sees the next hop and credit the whole path, but also a sender that pauses: the
    /// longer is taken, and what a pause adds ends when growth no longer pays.
    pub(crate) fn micros(&self) -> u64 {
        u64::try_from(self.hop.as_micros()).unwrap_or(u64::MAX).max(self.trip.micros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_sent_by_its_overdraft_says_nothing() {
        let at = |millis: u64| Time::default() + Duration::from_millis(millis);
        let key = StreamKey::new(0, 2);
        let mut path = Path::new(at(0));
        path.offered(at(0));
        path.became_exact(at(600));
        path.granted(key, 100, at(700));
        path.arrived(key, 100, at(701));
        assert_eq!(path.micros(), 200, "still within a round trip of the offer's answer");
        path.granted(key, 200, at(1350));
        path.arrived(key, 200, at(1950));
        assert_eq!(path.micros(), 600_000);
    }

    #[test]
    fn a_stream_that_is_gone_makes_room_for_another() {
        let at = |millis: u64| Time::default() + Duration::from_millis(millis);
        let (first, second) = (StreamKey::new(0, 2), StreamKey::new(1, 3));
        let mut path = Path::new(at(0));
        path.became_exact(at(0));
        path.granted(first, 100, at(1));
        path.forget(first);
        path.granted(second, 50, at(2));
        path.arrived(first, 100, at(3));
        path.arrived(second, 50, at(7));
        assert_eq!(path.micros(), 5000);
    }
}
