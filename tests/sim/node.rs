//! One end: a session, its decoder and output, an application, and a driver that does what a driver does.

use crate::{app::App, line::Line, random::Random};
use bytes::Bytes;
use push_mux::{
    mux::{Config, Output, Session, Time},
    wire::Decoder,
};
use std::{io::IoSlice, time::Duration};

pub(crate) struct Node {
    pub(crate) session: Session,
    decoder: Decoder,
    output: Output,
    pub(crate) app: App,
}

impl Node {
    pub(crate) fn new(config: Config, rtt: u64) -> Self {
        let decoder = Decoder::new(config.limits.body_bytes_max);
        let mut session = Session::new(config, Time::from_micros(0));
        session.handle_rtt(Duration::from_micros(rtt));
        Self { session, decoder, output: Output::default(), app: App::default() }
    }

    /// One turn; says how many bytes moved.
    pub(crate) fn turn(&mut self, now: u64, input: &mut Line, line: &mut Line, random: &mut Random) -> usize {
        let time = Time::from_micros(now);
        self.session.handle_timeout(time).expect("nobody misbehaves");
        let read = if self.session.is_paused() { Vec::new() } else { input.read(now, random) };
        self.feed(time, &read);
        self.app.turn(&mut self.session, now, random);
        let written = self.write(now, line, random);
        self.check();
        read.len() + written
    }

    fn feed(&mut self, time: Time, read: &[u8]) {
        self.decoder.push(Bytes::copy_from_slice(read));
        while let Some(item) = self.decoder.next_item().expect("frames") {
            self.session.handle_item(time, item).expect("nobody misbehaves");
        }
    }

    fn write(&mut self, now: u64, line: &mut Line, random: &mut Random) -> usize {
        let mut moved = 0;
        for _ in 0..4 {
            if self.output.is_empty() && self.session.wants_transmit() {
                let bytes_max = random.size(64 << 10) + 1;
                self.session.poll_transmit(Time::from_micros(now), &mut self.output, bytes_max);
            }
            let room = line.room(now, random);
            let mut slices = [IoSlice::new(&[]); 4];
            let count = self.output.slices(&mut slices);
            let mut bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
            bytes.truncate(room);
            line.write(now, &bytes);
            self.output.advance(bytes.len());
            moved += bytes.len();
        }
        moved
    }

    /// Budgets and bounds, at any time.
    fn check(&self) {
        let limits = self.session.limits();
        let slack = u64::from(limits.body_bytes_max) + limits.overdraft_bytes_max;
        assert!(self.session.received_bytes() <= limits.receive_bytes_max + slack, "I2");
        assert!(
            self.session.queued_bytes() <= limits.send_bytes_max as u64 + (2 << 20),
            "what is unsent is bounded"
        );
        let floor = self.session.streams_open() as u64 * (limits.overdraft_bytes_max + 1);
        assert!(self.session.committed_bytes() <= limits.receive_bytes_max + floor, "credit is bounded");
        let counters = self.session.counters();
        assert_eq!((counters.window_violations, counters.watchdog_resets), (0, 0), "nobody is accused");
    }

    /// Whether all is done and given back.
    pub(crate) fn is_idle(&self) -> bool {
        self.app.is_done() && self.output.is_empty() && !self.session.wants_transmit()
    }

    pub(crate) fn must_be_clean(&self) {
        let session = &self.session;
        assert_eq!(session.streams_open(), 0);
        assert_eq!(session.requests_open(), 0);
        assert_eq!((session.received_bytes(), session.committed_bytes(), session.queued_bytes()), (0, 0, 0));
        assert!(!session.is_paused());
    }

    /// When something here is due next.
    pub(crate) fn next_at(&self, now: u64) -> Option<u64> {
        let timer = self.session.next_timeout().map(|at| at.as_micros().max(now + 1));
        [timer, self.app.next_at(now)].into_iter().flatten().min()
    }
}
