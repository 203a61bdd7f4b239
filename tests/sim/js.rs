//! push-mux 1.0.7 as it is, line by line as far as flow control goes: `index.js`, `sub.js` and `stream.js`, over a
//! socket that pauses its writer when it holds much and says `drain` when it is empty.

use crate::{line::Line, plan::Plan, random::Random};
use bytes::Bytes;
use push_mux::wire::{Body, BodyKind, Decoder, Frame, Header, Item};
use std::collections::{BTreeMap, VecDeque};

/// A substream. Credits and totals are doubled, so that half a credit is a whole number.
#[derive(Clone, Debug)]
struct Sub {
    /// `None` is JavaScript's -1: no flow control.
    credit: Option<u64>,
    is_paused: bool,
    writes: u64,
    reads: u64,
    /// What was granted last.
    granted: u64,
    buffer: VecDeque<Body>,
    is_ended: bool,
    has_ended: bool,
    plan: Plan,
    is_ours: bool,
    sent: u32,
    received: u32,
    /// The reader rests.
    rests_until: u64,
}

pub(crate) struct Js {
    credit: u64,
    /// Whether a writer that met a full socket waits for the next credit, as the real one does.
    has_drain_bug: bool,
    has_control: bool,
    subs: BTreeMap<i32, Sub>,
    next_id: i32,
    decoder: Decoder,
    buffer: VecDeque<Vec<u8>>,
    socket: Vec<u8>,
    socket_bytes_max: usize,
    is_socket_paused: bool,
    pub(crate) to_open: Vec<Plan>,
    pub(crate) completed: usize,
    /// Readers rest now and then.
    pub(crate) is_slow: bool,
}

impl Js {
    pub(crate) fn new(credit: u64, socket_bytes_max: usize, has_drain_bug: bool) -> Self {
        let mut js = Self {
            credit,
            has_drain_bug,
            has_control: true,
            subs: BTreeMap::new(),
            next_id: 1,
            decoder: Decoder::new(1 << 20),
            buffer: VecDeque::new(),
            socket: Vec::new(),
            socket_bytes_max,
            is_socket_paused: false,
            to_open: Vec::new(),
            completed: 0,
            is_slow: false,
        };
        js.write_frame(1, false, &Body::text("control"));
        js
    }

    pub(crate) fn is_done(&self) -> bool {
        self.subs.is_empty() && self.to_open.is_empty() && self.socket.is_empty()
    }

    /// One turn; says how many bytes moved.
    pub(crate) fn turn(&mut self, now: u64, input: &mut Line, line: &mut Line, random: &mut Random) -> usize {
        let read = input.read(now, random);
        self.decoder.push(Bytes::copy_from_slice(&read));
        while let Some(item) = self.decoder.next_item().expect("frames") {
            self.hear(item, now, random);
        }
        if let Some(plan) = self.to_open.pop() {
            self.next_id += 1;
            let id = self.next_id;
            self.subs.insert(id, self.sub(plan, true));
            self.write_frame(id, false, &plan.opening());
            self.resume_source(id);
        }
        let resting: Vec<i32> = self
            .subs
            .iter()
            .filter(|(_, sub)| sub.rests_until <= now && !sub.buffer.is_empty())
            .map(|(id, _)| *id)
            .collect();
        for id in resting {
            self.resume_sink(id, now, random);
        }
        let room = line.room(now, random).min(self.socket.len());
        line.write(now, &self.socket[..room]);
        self.socket.drain(..room);
        if self.is_socket_paused && self.socket.is_empty() {
            self.drain();
        }
        read.len() + room
    }

    pub(crate) fn next_at(&self, now: u64) -> Option<u64> {
        let resting = self.subs.values().filter(|sub| !sub.buffer.is_empty()).map(|sub| sub.rests_until);
        resting.filter(|at| *at > now).min()
    }

    fn sub(&self, plan: Plan, is_ours: bool) -> Sub {
        Sub {
            credit: self.has_control.then_some(0),
            is_paused: false,
            writes: 0,
            reads: 0,
            granted: 0,
            buffer: VecDeque::new(),
            is_ended: false,
            has_ended: false,
            plan,
            is_ours,
            sent: 0,
            received: 0,
            rests_until: 0,
        }
    }

    fn hear(&mut self, item: Item, now: u64, random: &mut Random) {
        match item {
            Item::Run(mut run) => {
                let id = run.id;
                while let Some(body) = run.pop() {
                    self.hear_frame(id, false, body, now, random);
                }
            }
            Item::Frame(Frame { header, body }) => {
                assert!(header.stream, "nobody asks anything here");
                self.hear_frame(header.id, header.end, body, now, random);
            }
            Item::Goodbye => panic!("nobody hangs up"),
        }
    }

    fn hear_frame(&mut self, req: i32, is_end: bool, body: Body, now: u64, random: &mut Random) {
        if req == 1 {
            if body.kind == BodyKind::Json && !is_end {
                self.hear_credits(&body);
            }
        } else if req == -1 && is_end {
            self.lose_control();
        } else if self.subs.contains_key(&-req) {
            self.hear_data(-req, is_end, body, now, random);
        } else if req > 0 && !is_end {
            let plan = Plan::read(&body);
            let sub = self.sub(plan, false);
            self.subs.insert(-req, sub);
            self.resume_source(-req);
        }
    }

    fn hear_credits(&mut self, body: &Body) {
        let Some(list) = body.bytes.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) else {
            return;
        };
        let text = std::str::from_utf8(list).expect("JSON is text");
        let numbers: Vec<i64> = text.split(',').map(|number| number.parse().expect("a number")).collect();
        for pair in numbers.chunks_exact(2) {
            let id = i32::try_from(-pair[0]).expect("an id");
            let Some(sub) = self.subs.get_mut(&id) else { continue };
            let credit = 2 * u64::try_from(pair[1]).expect("no credit is negative");
            sub.credit = Some(credit);
            if sub.is_paused && credit + 2 * self.credit >= sub.writes {
                sub.is_paused = false;
                self.resume_source(id);
            }
        }
    }

    fn lose_control(&mut self) {
        if !std::mem::take(&mut self.has_control) {
            return;
        }
        for id in self.subs.keys().copied().collect::<Vec<_>>() {
            let sub = self.subs.get_mut(&id).expect("listed");
            sub.credit = None;
            if std::mem::take(&mut sub.is_paused) {
                self.resume_source(id);
            }
        }
        self.write_frame(1, true, &Body::end());
    }

    fn hear_data(&mut self, id: i32, is_end: bool, body: Body, now: u64, random: &mut Random) {
        let sub = self.subs.get_mut(&id).expect("looked up");
        if is_end {
            assert!(body.is_true(), "nobody gives up: {body:?}");
            sub.is_ended = true;
            self.end_if_over(id);
        } else {
            sub.buffer.push_back(body);
            if sub.rests_until <= now {
                self.resume_sink(id, now, random);
            }
        }
    }

    /// `DuplexStream.resume`: the reader takes what is there, and one credit is given afterwards.
    fn resume_sink(&mut self, id: i32, now: u64, random: &mut Random) {
        let sub = self.subs.get_mut(&id).expect("looked up");
        while sub.rests_until <= now
            && let Some(body) = sub.buffer.pop_front()
        {
            assert_eq!(body, sub.plan.body(sub.is_ours, sub.received), "in order, unchanged");
            sub.received += 1;
            sub.reads += 2 * (body.bytes.len() as u64 + 9);
            if self.is_slow && random.one_in(30) {
                sub.rests_until = now + random.spread(10, 2_000_000);
            }
        }
        if self.has_control && sub.granted + self.credit <= sub.reads {
            sub.granted = sub.reads + 2 * self.credit;
            let json = format!("[{id},{}]", sub.granted / 2);
            self.write_frame(1, false, &Body::json(json));
        }
        self.end_if_over(id);
    }

    /// What was planned has come and so has its end: the reader answers with an end of its own.
    fn end_if_over(&mut self, id: i32) {
        let sub = self.subs.get_mut(&id).expect("looked up");
        if !sub.is_ended || !sub.buffer.is_empty() {
            return;
        }
        let coming = if sub.is_ours { sub.plan.back } else { sub.plan.out };
        assert_eq!(sub.received, coming.map_or(0, |flow| flow.frames), "an end comes after everything");
        let sends = if sub.is_ours { sub.plan.out } else { sub.plan.back }.is_some();
        if !sends && !std::mem::replace(&mut sub.has_ended, true) {
            self.write_frame(id, true, &Body::end());
        }
        self.count(id);
    }

    fn count(&mut self, id: i32) {
        let sub = &self.subs[&id];
        if sub.is_ended && sub.has_ended && sub.buffer.is_empty() {
            self.completed += 1;
            self.subs.remove(&id);
        }
    }

    /// The source writes until its substream pauses.
    fn resume_source(&mut self, id: i32) {
        loop {
            let Some(sub) = self.subs.get_mut(&id) else { return };
            let Some(flow) = (if sub.is_ours { sub.plan.out } else { sub.plan.back }) else { return };
            if sub.has_ended || sub.is_paused {
                return;
            }
            if sub.sent == flow.frames {
                sub.has_ended = true;
                self.write_frame(id, true, &Body::end());
                return self.count(id);
            }
            let body = sub.plan.body(!sub.is_ours, sub.sent);
            sub.sent += 1;
            sub.writes += 2 * (body.bytes.len() as u64 + 9);
            self.write_frame(id, false, &body);
            let sub = self.subs.get_mut(&id).expect("it was there");
            let is_spent = sub.credit.is_some_and(|credit| sub.writes >= credit + self.credit);
            sub.is_paused = self.is_socket_paused || is_spent;
        }
    }

    fn write_frame(&mut self, id: i32, end: bool, body: &Body) {
        let body_bytes = u32::try_from(body.bytes.len()).expect("short");
        let header = Header { id, stream: true, end, kind: body.kind, body_bytes };
        let frame = [&header.encode()[..], &body.bytes].concat();
        if self.is_socket_paused || !self.buffer.is_empty() {
            self.buffer.push_back(frame);
        } else {
            self.write_socket(&frame);
        }
    }

    fn write_socket(&mut self, frame: &[u8]) {
        self.socket.extend_from_slice(frame);
        self.is_socket_paused = self.socket.len() >= self.socket_bytes_max;
    }

    /// `Mux.resume`. It resumes the reading side of each substream; that nobody resumes the writing side is the bug.
    fn drain(&mut self) {
        self.is_socket_paused = false;
        while !self.is_socket_paused
            && let Some(frame) = self.buffer.pop_front()
        {
            self.write_socket(&frame);
        }
        if self.has_drain_bug {
            return;
        }
        for id in self.subs.keys().copied().collect::<Vec<_>>() {
            let Some(sub) = self.subs.get_mut(&id) else { continue };
            let is_spent = sub.credit.is_some_and(|credit| sub.writes >= credit + self.credit);
            if !self.is_socket_paused && sub.is_paused && !is_spent {
                sub.is_paused = false;
                self.resume_source(id);
            }
        }
    }
}
