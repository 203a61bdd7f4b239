//! A connection in virtual time, against a server whose stalls are known: what must be recorded follows from arithmetic.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use push_mux::CreditMode;
use push_mux::mux::Credit;
use push_mux::wire::{BodyKind, HEADER_BYTES, Header, Headline};

use super::conn::Conn;
use super::gauge::Gauge;
use super::line::{Line, Room};
use super::open::{ConnPlan, Params, Work};
use super::tape::{Tape, Times};
use crate::plan::Arrivals;
use crate::plan::schedule::Schedule;
use crate::record::latency::Recorder;
use crate::record::outcome::Phase;

const MS: u64 = 1_000_000;

/// Answers every call with its own argument, except while it stalls.
struct Server {
    socket: UnixStream,
    pending: Vec<u8>,
    stall: std::ops::Range<u64>,
}

impl Server {
    fn serve(&mut self, now: u64) {
        let mut piece = [0; 65_536];
        while let Ok(read) = self.socket.read(&mut piece)
            && read > 0
        {
            self.pending.extend_from_slice(&piece[..read]);
        }
        if self.stall.contains(&now) {
            return;
        }
        let mut used = 0;
        while let Some(head) = self.pending[used..].first_chunk::<HEADER_BYTES>() {
            let Ok(Headline::Frame(header)) = Header::decode(head, 1 << 20) else { panic!("an odd frame") };
            let start = used + HEADER_BYTES;
            let Some(body) = self.pending[start..].get(..header.body_bytes as usize) else { break };
            used = start + body.len();
            let call: serde_json::Value = serde_json::from_slice(body).expect("a call");
            let reply = call["args"][0].to_string();
            let answer =
                Header { stream: false, ..Header::data(-header.id, BodyKind::Json, reply.len() as u32) };
            self.socket.write_all(&[&answer.encode()[..], reply.as_bytes()].concat()).expect("room");
        }
        self.pending.drain(..used);
    }
}

/// One virtual millisecond after the other for three seconds, with a stall from 1 to 2 s.
fn run(rate: Option<f64>, depth: u32) -> (Phase, Tape) {
    let (ours, theirs) = UnixStream::pair().expect("two sockets");
    theirs.set_nonblocking(true).expect("a socket");
    let params =
        Params { body: 16, credit: Credit::Auto, mode: CreditMode::Off, is_ours: false, budget: 1 << 20 };
    let mut conn = Conn::over(Line::over(ours), &params, &ConnPlan::default()).expect("a connection");
    conn.begin(&Work::Calls { depth, messages: None }, 0);
    conn.schedule = rate.map(|rate| Schedule::new(Arrivals::Even, rate, 0, 1, 1));
    let mut server = Server { socket: theirs, pending: Vec::new(), stall: 1000 * MS..2000 * MS };
    let (mut room, gauge) = (Room::new(), Gauge::default());
    let times = Times { from: 0, until: 3000 * MS, interval: 100 * MS };
    let mut tape = Tape::new(times, rate.is_some(), 1);
    for at in 0..3000 {
        let now = at * MS;
        conn.produce(now, &mut tape);
        conn.flush().expect("room");
        server.serve(now);
        conn.receive(&mut room, || now, &mut tape).expect("replies");
        tape.turn(now, &gauge);
    }
    let (mut phases, _, tape) = tape.finish(3000 * MS, &gauge);
    (phases.remove(0), tape)
}

fn percentile_ms(recorder: &Recorder, quantile: f64) -> f64 {
    recorder.histogram().expect("times").value_at_quantile(quantile) as f64 / 1e6
}

#[test]
fn a_stall_shows_in_every_message_that_it_delayed() {
    let (phase, tape) = run(Some(1000.0), 4);
    assert_eq!((tape.errors, phase.messages), (0, phase.latency.count()));
    // At 1,000 a second the 1,000 messages that were due in the stalled second waited from 1,000 down to 1 ms, and those
    // queued behind them until four at a time a millisecond had caught up: 1,333 ms after the stall's begin. So of 3,000 times
    // the longest is the stall, and they fall in a straight line: by 1 ms a message in the stall.
    assert_eq!(phase.messages, 3000);
    let max = percentile_ms(&phase.latency, 1.0);
    assert!((999.0..=1001.5).contains(&max), "{max}");
    // The message due at 1 s + x waits until 2 s + x/4: 1 s - 3/4 x. Times above t are (1 s - t) * 4/3 messages of 3,000.
    for (quantile, wanted) in
        [(0.99, 1000.0 - 0.75 * 30.0), (0.9, 1000.0 - 0.75 * 300.0), (0.7, 1000.0 - 0.75 * 900.0)]
    {
        let got = percentile_ms(&phase.latency, quantile);
        assert!((got - wanted).abs() <= 3.0, "p{}: {got} ms, {wanted} wanted", quantile * 100.0);
    }
    // Everything before the stall, and after the queue was gone, took no time.
    assert!(percentile_ms(&phase.latency, 0.5) < 0.001);
    // Measured from the actual start, the same stall hides: only the four in flight saw it.
    assert!(percentile_ms(&phase.service, 0.99) < 0.001, "{}", percentile_ms(&phase.service, 0.99));
    assert!((999.0..=1001.5).contains(&percentile_ms(&phase.service, 1.0)));
}

#[test]
fn a_closed_loop_waits_with_the_server() {
    let (phase, tape) = run(None, 4);
    assert_eq!(tape.errors, 0);
    // Four a millisecond, but for the stalled second; each of the four in flight saw the stall once.
    assert_eq!(phase.messages, 4 * 2000);
    assert!(percentile_ms(&phase.latency, 0.999) < 0.001);
    assert!((999.0..=1001.5).contains(&percentile_ms(&phase.latency, 1.0)));
    assert!(phase.service.latency().is_none(), "without a schedule there is one start");
}
