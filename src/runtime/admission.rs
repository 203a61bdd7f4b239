use super::clock::Clock;
use crate::mux::{Bucket, Time};
use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    net::{IpAddr, Ipv6Addr},
    rc::Rc,
    task::Waker,
    time::Duration,
};

/// What keeps strangers from taking a server's places before they have said who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeLimits {
    /// How long a handshake may take, WebSocket and TLS included (10 s). Stops silent connections from staying.
    pub duration_max: Duration,
    /// Handshakes under way per shard (1,024). Stops a flood of connects from taking all memory and time.
    pub half_open_max: usize,
    /// Of these, from one source address (256); IPv6 counts by /64. Stops one host from taking all places.
    pub half_open_per_source_max: usize,
    /// Connections per shard that wait for such a place (8,192). More are closed at once.
    pub waiting_max: usize,
    /// How long a handshake may make no progress while others wait for its place (1 s). Stops silent connections from
    /// delaying honest ones.
    pub patience: Duration,
    /// Connections a second from one source address in the long run (200); 0 sets no bound.
    pub rate_per_source_max: u32,
    /// Connections from one source address at once (4,000): a room behind one address that comes back after a restart.
    pub rate_burst_max: u32,
}

impl Default for HandshakeLimits {
    fn default() -> Self {
        Self {
            duration_max: Duration::from_secs(10),
            half_open_max: 1024,
            half_open_per_source_max: 256,
            waiting_max: 8192,
            patience: Duration::from_secs(1),
            rate_per_source_max: 200,
            rate_burst_max: 4000,
        }
    }
}

/// Whom a connection is counted for: an IPv4 address, or the /64 that an IPv6 host may choose its address from. `None` is
/// this machine, by a Unix socket, and is not counted.
pub(crate) type Source = Option<IpAddr>;

pub(crate) fn source(address: Option<IpAddr>) -> Source {
    address.map(|address| match address.to_canonical() {
        IpAddr::V6(v6) => {
            let prefix = u128::from(v6) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
        v4 @ IpAddr::V4(_) => v4,
    })
}

/// Sources remembered at a time. Those that have been quiet long enough to be forgotten go first.
const SOURCES_MAX: usize = 64 << 10;

/// How often each source may connect. Belongs to the shard that accepts.
pub(crate) struct Rates {
    per_second: u32,
    burst: u32,
    buckets: HashMap<IpAddr, Bucket>,
}

impl Rates {
    pub(crate) fn new(limits: &HandshakeLimits) -> Self {
        Self { per_second: limits.rate_per_source_max, burst: limits.rate_burst_max, buckets: HashMap::new() }
    }

    /// Whether a connection from there is within its rate.
    pub(crate) fn admit(&mut self, source: Source, now: Time) -> bool {
        let Some(address) = source.filter(|_| self.per_second > 0) else { return true };
        if self.buckets.len() >= SOURCES_MAX && !self.buckets.contains_key(&address) {
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
            if self.buckets.len() >= SOURCES_MAX {
                // So many sources at once are no rate of one source: the other bounds hold.
                return true;
            }
        }
        let (burst, per_second) = (self.burst, self.per_second);
        self.buckets.entry(address).or_insert_with(|| Bucket::new(burst, per_second, now)).take(1, now)
    }
}

/// A handshake under way.
pub(crate) struct Slot {
    id: u64,
    source: Source,
    progressed: Cell<Time>,
    is_evicted: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Slot {
    /// The peer has said something that makes sense.
    pub(crate) fn progress(&self, now: Time) {
        self.progressed.set(now);
    }

    fn evict(&self) {
        self.is_evicted.set(true);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Resolves when the place is wanted back.
    pub(crate) async fn evicted(&self) {
        std::future::poll_fn(|cx| {
            if self.is_evicted.get() {
                return std::task::Poll::Ready(());
            }
            *self.waker.borrow_mut() = Some(cx.waker().clone());
            std::task::Poll::Pending
        })
        .await;
    }
}

/// Who may shake hands now, and who waits for a place. One per shard; `W` is what waits.
pub(crate) struct Gate<W> {
    limits: HandshakeLimits,
    clock: Clock,
    next: Cell<u64>,
    state: RefCell<State<W>>,
}

struct State<W> {
    slots: HashMap<u64, Rc<Slot>>,
    per_source: HashMap<IpAddr, usize>,
    waiting: VecDeque<(Source, W)>,
}

impl<W> Gate<W> {
    pub(crate) fn new(limits: HandshakeLimits, clock: Clock) -> Self {
        let state = State { slots: HashMap::new(), per_source: HashMap::new(), waiting: VecDeque::new() };
        Self { limits, clock, next: Cell::new(0), state: RefCell::new(state) }
    }

    /// Takes a place, waits in line, or gives `waiter` back when the line is full.
    pub(crate) fn enter(&self, source: Source, waiter: W) -> Result<Option<(Rc<Slot>, W)>, W> {
        let mut state = self.state.borrow_mut();
        if state.has_place(source, &self.limits) {
            return Ok(Some((self.take_place(&mut state, source), waiter)));
        }
        if state.waiting.len() >= self.limits.waiting_max {
            return Err(waiter);
        }
        state.waiting.push_back((source, waiter));
        Ok(None)
    }

    fn take_place(&self, state: &mut State<W>, source: Source) -> Rc<Slot> {
        let id = self.next.replace(self.next.get() + 1);
        let slot = Rc::new(Slot {
            id,
            source,
            progressed: Cell::new(self.clock.now()),
            is_evicted: Cell::new(false),
            waker: RefCell::new(None),
        });
        state.slots.insert(id, Rc::clone(&slot));
        if let Some(address) = source {
            *state.per_source.entry(address).or_default() += 1;
        }
        slot
    }

    /// Gives a place back.
    pub(crate) fn leave(&self, slot: &Slot) {
        let mut state = self.state.borrow_mut();
        if state.slots.remove(&slot.id).is_none() {
            return;
        }
        if let Some(address) = slot.source
            && let Some(count) = state.per_source.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                state.per_source.remove(&address);
            }
        }
    }

    /// The next in line for whom there is a place.
    pub(crate) fn next(&self) -> Option<(Rc<Slot>, W)> {
        let mut state = self.state.borrow_mut();
        if state.slots.len() >= self.limits.half_open_max {
            return None;
        }
        let at = state.waiting.iter().position(|(source, _)| state.has_place(*source, &self.limits))?;
        let (source, waiter) = state.waiting.remove(at)?;
        Some((self.take_place(&mut state, source), waiter))
    }

    pub(crate) fn is_waited_for(&self) -> bool {
        !self.state.borrow().waiting.is_empty()
    }

    /// Asks for the places of those that have said nothing for too long while somebody waits for such a place; yields how
    /// many.
    pub(crate) fn evict(&self) -> usize {
        let now = self.clock.now();
        let state = self.state.borrow();
        let is_full = state.slots.len() >= self.limits.half_open_max;
        let mut evicted = 0;
        for slot in state.slots.values() {
            let is_silent = now.since(slot.progressed.get()) >= self.limits.patience;
            let is_wanted = is_full || state.waiting.iter().any(|(source, _)| *source == slot.source);
            if is_silent && is_wanted && !slot.is_evicted.get() {
                evicted += 1;
                slot.evict();
            }
        }
        evicted
    }

    /// Empties the line, of so many, and asks for all places.
    pub(crate) fn close(&self) -> usize {
        let mut state = self.state.borrow_mut();
        state.slots.values().for_each(|slot| slot.evict());
        std::mem::take(&mut state.waiting).len()
    }
}

impl<W> State<W> {
    fn has_place(&self, source: Source, limits: &HandshakeLimits) -> bool {
        let taken = source.and_then(|address| self.per_source.get(&address)).copied().unwrap_or(0);
        self.slots.len() < limits.half_open_max && taken < limits.half_open_per_source_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Source {
        source(Some(IpAddr::from([10, 0, 0, last])))
    }

    fn limits() -> HandshakeLimits {
        HandshakeLimits {
            half_open_max: 3,
            half_open_per_source_max: 2,
            waiting_max: 2,
            patience: Duration::ZERO,
            ..HandshakeLimits::default()
        }
    }

    #[test]
    fn one_source_cannot_take_the_place_of_another() {
        let gate = Gate::new(limits(), Clock::start());
        let (first, _) = gate.enter(address(1), 'a').unwrap().expect("a place");
        let _second = gate.enter(address(1), 'b').unwrap().expect("a place");
        assert!(gate.enter(address(1), 'c').unwrap().is_none(), "the source has its share");
        let _other = gate.enter(address(2), 'd').unwrap().expect("another source has a place");
        assert!(gate.enter(address(3), 'e').unwrap().is_none(), "the shard is full");
        assert_eq!(gate.enter(address(3), 'f').err(), Some('f'), "the line is full");
        assert!(gate.next().is_none());
        gate.leave(&first);
        gate.leave(&first);
        assert_eq!(gate.next().map(|(_, waiter)| waiter), Some('c'));
        assert!(gate.next().is_none(), "twice given back counts once");
    }

    #[test]
    fn the_silent_are_evicted_only_where_somebody_waits() {
        let gate = Gate::new(HandshakeLimits { half_open_max: 9, ..limits() }, Clock::start());
        for source in [1, 1, 2] {
            assert!(gate.enter(address(source), ()).unwrap().is_some());
        }
        assert_eq!(gate.evict(), 0, "nobody waits");
        assert!(gate.enter(address(1), ()).unwrap().is_none());
        assert_eq!(gate.evict(), 2, "those of the source that waits");
        assert_eq!(gate.evict(), 0, "each once");
    }

    #[test]
    fn a_source_has_a_burst_and_a_rate() {
        let limits =
            HandshakeLimits { rate_per_source_max: 1, rate_burst_max: 2, ..HandshakeLimits::default() };
        let mut rates = Rates::new(&limits);
        let now = Time::default();
        assert!(rates.admit(address(1), now) && rates.admit(address(1), now));
        assert!(!rates.admit(address(1), now));
        assert!(rates.admit(address(2), now), "each source has its own");
        assert!(rates.admit(None, now), "this machine is not counted");
        assert!(rates.admit(address(1), now + Duration::from_secs(1)));
        assert!(!rates.admit(address(1), now + Duration::from_secs(1)));
    }

    #[test]
    fn an_ipv6_host_is_its_prefix() {
        let a = source(Some("2001:db8:1:2::1".parse().unwrap()));
        assert_eq!(a, source(Some("2001:db8:1:2:ffff::9".parse().unwrap())));
        assert_ne!(a, source(Some("2001:db8:1:3::1".parse().unwrap())));
        assert_eq!(source(Some("::ffff:10.0.0.1".parse().unwrap())), address(1));
    }
}
