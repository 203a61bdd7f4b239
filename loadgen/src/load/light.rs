//! Sources read without a session: a blocking socket and a loop over headers. It costs so little that the server, not
//! the generator, decides how fast a run is; credit is off.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use push_mux::Address;
use push_mux::secret::Transport;
use push_mux::wire::{BodyKind, HEADER_BYTES, Header, Headline};

use super::bench::{Bench, Lost};
use super::fleet::{Plan, Ran};
use super::streams::Work;
use crate::compare::verify::Check;
use crate::latency::Recorder;
use crate::measure::Tally;
use crate::row::CreditCounts;
use crate::server::Stats;
use crate::usage::Sample;

/// How long a server may say nothing.
const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes of a read.
const ROOM: usize = 256 << 10;

/// The longest body of ours that a header may announce.
const BODY_MAX: u32 = 1 << 20;

trait Socket: Read + Write + Send {}

impl<T: Read + Write + Send> Socket for T {}

/// Reads `work.streams` sources on each connection, a thread for each.
pub(crate) fn run(bench: &Bench, plan: Plan, work: Work) -> anyhow::Result<Ran> {
    let connections = 0..plan.connections;
    let sockets: Vec<_> = connections.map(|_| dial(&bench.dial.address)).collect::<anyhow::Result<_>>()?;
    bench.connected();
    // Threads stay until their processor time has been read.
    let (done, leave) = (Barrier::new(sockets.len() + 1), Barrier::new(sockets.len() + 1));
    let client = std::process::id();
    let before = Sample::take(bench.server(), client);
    let began = Instant::now();
    let end = plan.seconds.map(|seconds| began + Duration::from_secs_f64(seconds));
    let (after, seconds, tallies) = thread::scope(|scope| {
        let threads: Vec<_> = sockets
            .into_iter()
            .map(|mut socket| {
                let (done, leave) = (&done, &leave);
                scope.spawn(move || {
                    let tally = read_all(&mut socket, work, end);
                    done.wait();
                    leave.wait();
                    tally
                })
            })
            .collect();
        done.wait();
        let (after, seconds) = (Sample::take(bench.server(), client), began.elapsed().as_secs_f64());
        leave.wait();
        let ended =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("a reader panicked")));
        (after, seconds, ended.collect::<Vec<_>>())
    });
    let mut tally = Tally::default();
    for one in tallies {
        tally.add(one.map_err(|error| Lost(format!("{error:#}")))?);
    }
    Ok(Ran {
        tally,
        latency: Recorder::new(),
        complaint: (tally.errors > 0).then(|| "a message is not the one that was due".to_owned()),
        credit: CreditCounts::default(),
        server: Stats::default(),
        seconds,
        cpu_seconds: after.cpu_since(&before),
        rss_bytes: after.rss(),
    })
}

fn dial(address: &Address) -> anyhow::Result<Box<dyn Socket>> {
    let endpoint = address.endpoints().first().context("the address is empty")?;
    ensure!(endpoint.key().is_none(), "the light generator shakes no hands: use --transport tcp or unix");
    Ok(match &endpoint.transport {
        Transport::Unix(path) => {
            let socket = UnixStream::connect(path)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            Box::new(socket)
        }
        Transport::Net { host, port } => {
            let socket = TcpStream::connect((host.as_str(), *port))?;
            socket.set_read_timeout(Some(PATIENCE))?;
            Box::new(socket)
        }
        _ => bail!("the light generator uses tcp or unix"),
    })
}

fn read_all(socket: &mut impl Socket, work: Work, end: Option<Instant>) -> anyhow::Result<Tally> {
    let opening = format!(
        r#"{{"name":["count"],"args":[{},{}],"type":"source"}}"#,
        work.messages.unwrap_or(u32::MAX),
        work.body
    );
    for stream in 0..work.streams {
        let header = Header::data(i32::try_from(stream)? + 1, BodyKind::Json, u32::try_from(opening.len())?);
        socket.write_all(&header.encode())?;
        socket.write_all(opening.as_bytes())?;
    }
    let mut readers =
        Readers { checks: vec![Check::new(work.body); work.streams as usize], open: work.streams };
    let mut buffer = vec![0; ROOM.max(work.body + HEADER_BYTES)];
    let mut held = 0;
    while readers.open > 0 && end.is_none_or(|end| Instant::now() < end) {
        let read = socket.read(&mut buffer[held..]).context("the server is silent")?;
        ensure!(read > 0, "the server closed the connection");
        held += read;
        let used = readers.frames(&buffer[..held])?;
        buffer.copy_within(used..held, 0);
        held -= used;
    }
    let mut tally = Tally::default();
    for check in &readers.checks {
        tally.add(check.tally());
        if let Some(messages) = work.messages {
            tally.errors += u64::from(messages).abs_diff(check.tally().messages);
        }
    }
    Ok(tally)
}

/// The streams of one connection.
struct Readers {
    checks: Vec<Check>,
    open: u32,
}

impl Readers {
    /// Takes whole frames; how many bytes they were.
    fn frames(&mut self, bytes: &[u8]) -> anyhow::Result<usize> {
        let mut used = 0;
        while let Some(head) = bytes[used..].first_chunk::<HEADER_BYTES>() {
            let Headline::Frame(header) = Header::decode(head, BODY_MAX)? else {
                bail!("the server said goodbye")
            };
            let start = used + HEADER_BYTES;
            let Some(body) = bytes[start..].get(..header.body_bytes as usize) else { break };
            used = start + body.len();
            // What we opened bears the negative of our number; the rest is of no interest.
            let ours = usize::try_from(-i64::from(header.id) - 1).ok().and_then(|at| self.checks.get_mut(at));
            let Some(check) = ours else { continue };
            if !header.end {
                check.message(body);
            } else if body == b"true" {
                self.open -= 1;
            } else {
                bail!("the server ended a stream with {}", String::from_utf8_lossy(body));
            }
        }
        Ok(used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(id: i32, end: bool, body: &[u8]) -> Vec<u8> {
        let header = Header { end, ..Header::data(id, BodyKind::Binary, body.len() as u32) };
        [&header.encode()[..], body].concat()
    }

    #[test]
    fn frames_are_dealt_to_their_streams_however_they_are_cut() {
        let bytes = [
            frame(-1, false, &[0, 0, 0, 0, 9]),
            frame(3, false, b"not ours"),
            frame(-2, false, &[0, 0, 0, 0, 9]),
            frame(-1, false, &[0, 0, 0, 1, 9]),
            frame(-2, true, b"true"),
        ]
        .concat();
        for cut in 0..bytes.len() {
            let mut readers = Readers { checks: vec![Check::new(5); 2], open: 2 };
            let used = readers.frames(&bytes[..cut]).expect("legal frames");
            let rest = readers.frames(&bytes[used..]).expect("legal frames");
            assert_eq!((used + rest, readers.open), (bytes.len(), 1));
            let counted = readers.checks.iter().map(|check| (check.tally().messages, check.tally().errors));
            assert_eq!(counted.collect::<Vec<_>>(), [(2, 0), (1, 0)]);
        }
    }

    #[test]
    fn an_error_of_the_server_is_quoted() {
        let mut readers = Readers { checks: vec![Check::new(5)], open: 1 };
        let error = readers.frames(&frame(-1, true, b"too many")).expect_err("an error end");
        assert!(error.to_string().contains("too many"));
    }
}
