//! What an application does on its streams: it sends what is planned, reads and checks what comes, now and then rests,
//! and now and then gives a stream up.

use crate::{plan::Plan, random::Random};
use push_mux::{
    mux::{Event, InboundRequest, Outgoing, Received, Sent, Session, StreamKey, error_body},
    wire::Body,
};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
struct Work {
    plan: Plan,
    /// Whether we opened it.
    is_ours: bool,
    sent: u32,
    received: u32,
    is_finished: bool,
    is_ended: bool,
    /// No sending, no reading before.
    rests_until: u64,
    may_send: bool,
    may_read: bool,
}

impl Work {
    fn new(plan: Plan, is_ours: bool) -> Self {
        Self {
            plan,
            is_ours,
            sent: 0,
            received: 0,
            is_finished: false,
            is_ended: false,
            rests_until: 0,
            may_send: true,
            may_read: true,
        }
    }

    const fn frames(&self, is_ours: bool) -> u32 {
        match if is_ours { self.plan.out } else { self.plan.back } {
            Some(flow) => flow.frames,
            None => 0,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct App {
    work: BTreeMap<StreamKey, Work>,
    requests: Vec<(InboundRequest, Body, u64)>,
    asked: BTreeMap<i32, u64>,
    pub(crate) to_open: Vec<u64>,
    pub(crate) to_ask: Vec<u64>,
    /// Streams may be given up before their end.
    pub(crate) is_fickle: bool,
    pub(crate) completed: u32,
    pub(crate) torn: u32,
    pub(crate) refused: u32,
}

impl App {
    pub(crate) fn is_done(&self) -> bool {
        self.work.is_empty()
            && self.requests.is_empty()
            && self.asked.is_empty()
            && self.to_open.is_empty()
            && self.to_ask.is_empty()
    }

    pub(crate) fn open_streams(&self) -> usize {
        self.work.len()
    }

    /// One turn of everything.
    pub(crate) fn turn(&mut self, session: &mut Session, now: u64, random: &mut Random) {
        self.hear(session, now, random);
        self.start(session, random);
        let ready: Vec<_> =
            self.work.iter().filter(|(_, work)| work.rests_until <= now).map(|(key, _)| *key).collect();
        for key in ready {
            self.work_on(session, key, now, random);
        }
        let (due, waiting) =
            std::mem::take(&mut self.requests).into_iter().partition(|request| request.2 <= now);
        self.requests = waiting;
        let due: Vec<(InboundRequest, Body, u64)> = due;
        for (request, body, _) in due {
            session.reply(request, &Outgoing::from(body)).expect("it was short enough to come");
        }
        session.settle();
    }

    /// When somebody here wakes by himself.
    pub(crate) fn next_at(&self, now: u64) -> Option<u64> {
        // Whoever stopped reading for no reason goes on in the next moment.
        let rests = self.work.values().map(|work| match work.may_read && !work.is_ended {
            true => work.rests_until.max(now + 1),
            false => work.rests_until,
        });
        rests.chain(self.requests.iter().map(|request| request.2)).filter(|at| *at > now).min()
    }

    fn hear(&mut self, session: &mut Session, now: u64, random: &mut Random) {
        while let Some(event) = session.poll_event() {
            match event {
                Event::Opened(key, body) => {
                    let plan = Plan::read(&body);
                    let halves = plan.halves();
                    session.accept(key, push_mux::mux::Halves { send: halves.recv, recv: halves.send });
                    self.work.insert(key, Work::new(plan, false));
                }
                Event::Request(request, body) => {
                    let at = if random.one_in(2) { now } else { now + random.spread(10, 1_000_000) };
                    self.requests.push((request, body, at));
                }
                Event::Reply(id, reply) => {
                    let seed = self.asked.remove(&id).expect("each is answered once");
                    match reply {
                        Ok(body) => assert_eq!(body, question(seed), "the answer is the question"),
                        Err(_) => self.refused += 1,
                    }
                }
                Event::Readable(key) => self.with(key, |work| work.may_read = true),
                Event::Writable(key) => self.with(key, |work| work.may_send = true),
                Event::Aborted(key, _) => {
                    if self.work.remove(&key).is_some() {
                        assert!(self.is_fickle, "nobody gives a stream up here");
                        self.torn += 1;
                        session.release(key);
                    }
                }
                Event::RequestsWritable => {}
            }
        }
    }

    fn with(&mut self, key: StreamKey, change: impl FnOnce(&mut Work)) {
        if let Some(work) = self.work.get_mut(&key) {
            change(work);
        }
    }

    fn start(&mut self, session: &mut Session, random: &mut Random) {
        if random.one_in(2)
            && let Some(seed) = self.to_open.pop()
        {
            let plan = Plan::new(seed);
            let key = session.open(plan.halves(), &Outgoing::from(plan.opening())).expect("it is open");
            self.work.insert(key, Work::new(plan, true));
        }
        if random.one_in(2)
            && let Some(seed) = self.to_ask.pop()
            && let Some(id) = session.request(&Outgoing::from(question(seed))).expect("it is open")
        {
            self.asked.insert(id, seed);
        }
    }

    fn work_on(&mut self, session: &mut Session, key: StreamKey, now: u64, random: &mut Random) {
        let Some(work) = self.work.get_mut(&key) else { return };
        if self.is_fickle && random.one_in(3000) {
            session.cancel(key, random.one_in(2).then(|| error_body("enough")));
            session.release(key);
            self.work.remove(&key);
            self.torn += 1;
            return;
        }
        if random.one_in(50) {
            work.rests_until = now + random.spread(10, 3_000_000);
            return;
        }
        Self::send(session, key, work);
        let is_torn = Self::read(session, key, work, self.is_fickle, random);
        if is_torn {
            assert!(self.is_fickle, "an error comes of giving up");
            self.torn += 1;
        } else if !(work.is_finished && work.is_ended) {
            return;
        } else {
            self.completed += 1;
        }
        session.release(key);
        self.work.remove(&key);
    }

    fn send(session: &mut Session, key: StreamKey, work: &mut Work) {
        let frames = work.frames(work.is_ours);
        while work.may_send && work.sent < frames {
            let body = work.plan.body(!work.is_ours, work.sent);
            match session.send(key, &Outgoing::from(body)) {
                Ok(Sent::Queued) => work.sent += 1,
                Ok(Sent::Blocked) => work.may_send = false,
                Err(_) => return,
            }
        }
        // A half that carries no data is ended in answer to the other's end.
        let sends = if work.is_ours { work.plan.out } else { work.plan.back }.is_some();
        if work.sent == frames && !work.is_finished && (sends || work.is_ended) {
            session.finish(key);
            work.is_finished = true;
        }
    }

    /// Reads some; says whether the stream was given up by the other side.
    fn read(
        session: &mut Session,
        key: StreamKey,
        work: &mut Work,
        is_fickle: bool,
        random: &mut Random,
    ) -> bool {
        let expected = work.frames(!work.is_ours);
        while work.may_read && !work.is_ended {
            match session.recv(key) {
                Received::Body(body) => {
                    assert!(work.received < expected, "no more than was planned");
                    assert_eq!(body, work.plan.body(work.is_ours, work.received), "in order, unchanged");
                    work.received += 1;
                    if random.one_in(10) {
                        return false;
                    }
                }
                Received::Pending => work.may_read = false,
                // Giving up may be said politely.
                Received::End if is_fickle && work.received < expected => return true,
                Received::End => {
                    assert_eq!(work.received, expected, "an end comes after everything");
                    work.is_ended = true;
                }
                Received::Error(_) => return true,
                Received::Closed(error) => panic!("the session ended: {error}"),
            }
        }
        false
    }
}

fn question(seed: u64) -> Body {
    let mut random = Random::new(seed);
    let bytes = random.spread(1, 9000);
    Body::binary(vec![u8::try_from(seed % 256).expect("below 256"); usize::try_from(bytes).expect("small")])
}
