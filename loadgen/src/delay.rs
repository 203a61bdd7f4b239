//! A longer, narrower line than loopback: the kernel's netem inside a network namespace of our own where that is to be had, else
//! a process that holds every byte back.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use push_mux::secret::{Endpoint, Transport};
use serde::{Deserialize, Serialize};

use crate::plan::Settings;
use crate::process::{self, Worker};

/// How long the relay may take to listen.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// Bytes that the relay reads at once.
const PIECE: usize = 64 << 10;

/// Bytes that a line holds besides those that are on their way: a router's queue.
const QUEUE: usize = 256 << 10;

/// What the line is to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LineOptions {
    /// Port of the server, on loopback.
    pub(crate) port: u16,
    /// There and back together.
    pub(crate) round_trip_ms: f64,
    /// In each direction; without a bound when 0.
    pub(crate) megabits: f64,
}

/// A line that is delayed while this exists.
#[derive(Debug)]
pub(crate) enum DelayedLine {
    /// By the kernel, for everything on the loopback interface of our namespace.
    Netem(LineOptions),
    /// By a process between, which ends with this.
    Relay {
        /// What it does.
        options: LineOptions,
        /// Where it listens.
        endpoint: Box<Endpoint>,
        /// The process.
        _worker: Box<Worker>,
    },
}

impl DelayedLine {
    /// Delays the line to `server` as settings have it; nothing where they do not.
    pub(crate) fn start(server: &Endpoint, settings: &Settings) -> anyhow::Result<Option<Self>> {
        if settings.delay_ms == 0.0 && settings.megabits == 0.0 {
            return Ok(None);
        }
        let Transport::Net { host, port } = &server.transport else {
            bail!("only tcp and shs can be delayed")
        };
        let options =
            LineOptions { port: *port, round_trip_ms: settings.delay_ms, megabits: settings.megabits };
        if crate::netns::is_inside() && netem(options).is_ok() {
            return Ok(Some(Self::Netem(options)));
        }
        let worker = Worker::again(&["relay".to_owned(), serde_json::to_string(&options)?])?;
        let port = match worker.line(READY_WITHIN) {
            Ok(line) => line.parse().with_context(|| format!("the delay line said {line:?}"))?,
            Err(_) => bail!("the delay line did not start"),
        };
        let transport = Transport::Net { host: host.clone(), port };
        let endpoint = Box::new(Endpoint { transport, auth: server.auth.clone() });
        Ok(Some(Self::Relay { options, endpoint, _worker: Box::new(worker) }))
    }

    /// Where to dial instead of the server.
    pub(crate) fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Self::Netem(_) => None,
            Self::Relay { endpoint, .. } => Some(endpoint),
        }
    }

    /// For the remarks of a row.
    pub(crate) fn describe(&self) -> String {
        let (how, options) = match self {
            Self::Netem(options) => ("netem in a network namespace", options),
            Self::Relay { options, .. } => {
                ("a delay line in a process of ours, as there is no netem here", options)
            }
        };
        let width =
            if options.megabits > 0.0 { format!(", {} Mbit/s", options.megabits) } else { String::new() };
        format!("line: {} ms there and back{width}, by {how}", options.round_trip_ms)
    }
}

impl Drop for DelayedLine {
    fn drop(&mut self) {
        if let Self::Netem(_) = self {
            // The namespace ends soon in any case.
            let _best_effort =
                Command::new("tc").args(["qdisc", "del", "dev", "lo", "root"]).stderr(Stdio::null()).status();
        }
    }
}

fn netem(options: LineOptions) -> anyhow::Result<()> {
    let half = format!("{}us", (options.round_trip_ms * 500.0).round());
    let mut command = Command::new("tc");
    command.args(["qdisc", "replace", "dev", "lo", "root", "netem", "delay", &half, "limit", "100000"]);
    if options.megabits > 0.0 {
        command.args(["rate", &format!("{}kbit", (options.megabits * 1e3).round())]);
    }
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    anyhow::ensure!(status.success(), "tc refused");
    Ok(())
}

/// The relay's process: accepts connections, delays what they carry, prints its port once it listens.
pub(crate) fn relay(options: LineOptions) -> anyhow::Result<()> {
    process::die_with_parent();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?.port());
    std::io::stdout().flush()?;
    // One line for all: what one connection sends, another waits for.
    let ways = [Arc::new(Mutex::new(None)), Arc::new(Mutex::new(None))];
    for client in listener.incoming() {
        let client = client?;
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, options.port))?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        for (way, (from, to)) in
            ways.iter().zip([(client.try_clone()?, server.try_clone()?), (server, client)])
        {
            let pipe = Arc::new(Pipe::new(options, Arc::clone(way)));
            let other = Arc::clone(&pipe);
            thread::spawn(move || take(&pipe, from));
            thread::spawn(move || give(&other, to));
        }
    }
    Ok(())
}

/// One direction: bytes on their way, and when each piece arrives.
#[derive(Debug)]
struct Pipe {
    delay: Duration,
    bytes_per_second: f64,
    /// When this direction of the line will have put the last piece of any connection on the wire.
    free_at: Arc<Mutex<Option<Instant>>>,
    /// What may be on its way at once: what the line holds at its rate, and a router's queue.
    room: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    is_ended: bool,
}

impl Pipe {
    fn new(options: LineOptions, free_at: Arc<Mutex<Option<Instant>>>) -> Self {
        let delay = Duration::from_secs_f64(options.round_trip_ms / 2e3);
        let bytes_per_second = options.megabits * 1e6 / 8.0;
        // Without a rate, as much as the fastest loopback carries in that time.
        let rate = if bytes_per_second > 0.0 { bytes_per_second } else { 4e9 };
        let room = (rate * delay.as_secs_f64()) as usize + QUEUE;
        Self { delay, bytes_per_second, free_at, room, state: Mutex::default(), changed: Condvar::new() }
    }

    /// When a piece that is handed over now has arrived.
    fn arrival(&self, bytes: usize, now: Instant) -> Instant {
        if self.bytes_per_second == 0.0 {
            return now + self.delay;
        }
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = free_at.map_or(now, |free| free.max(now));
        let on_wire = begins + Duration::from_secs_f64(bytes as f64 / self.bytes_per_second);
        *free_at = Some(on_wire);
        on_wire + self.delay
    }
}

fn take(pipe: &Pipe, mut from: TcpStream) {
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).unwrap_or(0);
        let mut state = pipe.state.lock().unwrap_or_else(PoisonError::into_inner);
        if read == 0 || state.is_ended {
            state.is_ended = true;
            pipe.changed.notify_all();
            return;
        }
        let arrival = pipe.arrival(read, Instant::now());
        state.pieces.push_back((arrival, piece[..read].to_vec()));
        state.bytes += read;
        pipe.changed.notify_all();
        // A full line stops reading, as a full router would drop: the sender's socket fills.
        let full = |state: &mut State| state.bytes > pipe.room && !state.is_ended;
        drop(pipe.changed.wait_while(state, full));
    }
}

fn give(pipe: &Pipe, mut to: TcpStream) {
    loop {
        let mut state = pipe.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = |state: &mut State| state.pieces.is_empty() && !state.is_ended;
        state = pipe.changed.wait_while(state, waiting).unwrap_or_else(PoisonError::into_inner);
        let Some((arrival, piece)) = state.pieces.pop_front() else {
            // Each direction ends by itself.
            let _gone = to.shutdown(Shutdown::Write);
            return;
        };
        drop(state);
        thread::sleep(arrival.saturating_duration_since(Instant::now()));
        let written = to.write_all(&piece);
        let mut state = pipe.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.bytes -= piece.len();
        state.is_ended |= written.is_err();
        pipe.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: LineOptions = LineOptions { port: 1, round_trip_ms: 20.0, megabits: 8.0 };

    #[test]
    fn a_piece_arrives_when_the_line_has_carried_it_and_those_before_it() {
        let (line, now) = (Arc::default(), Instant::now());
        let (pipe, other) = (Pipe::new(OPTIONS, Arc::clone(&line)), Pipe::new(OPTIONS, line));
        // A million bytes a second, and half the round trip.
        assert_eq!(pipe.arrival(1000, now) - now, Duration::from_millis(11));
        assert_eq!(pipe.arrival(1000, now) - now, Duration::from_millis(12));
        assert_eq!(other.arrival(1000, now) - now, Duration::from_millis(13), "of another connection too");
        assert_eq!(pipe.room, 10_000 + QUEUE);
    }

    #[test]
    fn bytes_come_through_late_and_whole() {
        let echo = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = echo.local_addr().expect("bound").port();
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let near = TcpStream::connect(server.local_addr().expect("bound")).expect("a connection");
        let (client, _) = server.accept().expect("a connection");
        let far = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
        let (mut end, _) = echo.accept().expect("a connection");
        let pipe = Arc::new(Pipe::new(LineOptions { megabits: 0.0, ..OPTIONS }, Arc::default()));
        let other = Arc::clone(&pipe);
        thread::spawn(move || take(&pipe, client));
        thread::spawn(move || give(&other, far));
        let began = Instant::now();
        let mut near = near;
        near.write_all(&[7; 100_000]).expect("room");
        near.shutdown(Shutdown::Write).expect("open");
        let mut all = Vec::new();
        end.read_to_end(&mut all).expect("bytes and an end");
        assert_eq!(all, vec![7; 100_000]);
        assert!(began.elapsed() >= Duration::from_millis(10));
    }
}
