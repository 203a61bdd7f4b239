//! Servers that break the protocol, stall or vanish: a row with what came before, and never a hang.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use push_mux::wire::{BodyKind, HEADER_BYTES, Header, Headline};
use serde_json::Value;

use crate::{loadgen, objects, row, stderr};

/// What a server does once it has answered so many calls.
#[derive(Clone, Copy, Debug)]
enum Then {
    Vanish,
    Stall,
    Garble,
}

/// A server on a port of its own that answers calls, and then does not.
fn serve(calls: u32, then: Then) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.expect("a connection");
            thread::spawn(move || answer(&mut socket, calls, then));
        }
    });
    port
}

fn answer(socket: &mut TcpStream, calls: u32, then: Then) {
    let mut head = [0; HEADER_BYTES];
    for _ in 0..calls {
        if socket.read_exact(&mut head).is_err() {
            return;
        }
        let Ok(Headline::Frame(header)) = Header::decode(&head, 1 << 20) else { return };
        let mut body = vec![0; header.body_bytes as usize];
        socket.read_exact(&mut body).expect("a body");
        let reply = Header { stream: false, ..Header::data(-header.id, BodyKind::Json, 2) };
        socket.write_all(&[&reply.encode()[..], b"{}"].concat()).expect("room");
    }
    match then {
        Then::Vanish => {}
        Then::Stall => thread::park(),
        Then::Garble => {
            socket.write_all(&[0xff; 64]).expect("room");
            // To close with calls unread would reset the connection, and what was written be lost.
            thread::park();
        }
    }
}

#[test]
fn partial_figures_are_told_and_the_run_ends() {
    for (then, word) in
        [(Then::Vanish, "clos"), (Then::Stall, "stalled after"), (Then::Garble, "over the limit")]
    {
        let port = serve(50, then);
        let line = format!(
            "run async --json --server net:127.0.0.1:{port} --method any.thing --depth 2 --warmup 0 --patience 1"
        );
        let output = loadgen(&line);
        assert_eq!(output.status.code(), Some(1), "{then:?}: {}", stderr(&output));
        let rows = objects(&output);
        let row = &rows[0];
        assert!(row["errors"].as_u64() > Some(0), "{then:?}: {row}");
        let failed = row["failed"].as_str().unwrap_or_default();
        assert!(failed.contains(word) || then_is_reset(then, failed), "{then:?}: {failed}");
        // One of the fifty is the question whether there is credit.
        assert!((40..=49).contains(&row["messages"].as_u64().unwrap_or_default()), "{then:?}: {row}");
        assert!(row["messages_per_second"]["median"].as_f64() > Some(0.0), "{then:?}: {row}");
    }
}

#[test]
fn a_server_that_closes_behind_its_last_message_has_vanished() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a connection");
        let mut head = [0; HEADER_BYTES];
        // The question about credit is answered, and the opening of the one source; then data and the end at once.
        for is_stream in [false, true] {
            socket.read_exact(&mut head).expect("a header");
            let Ok(Headline::Frame(header)) = Header::decode(&head, 1 << 20) else { return };
            let mut body = vec![0; header.body_bytes as usize];
            socket.read_exact(&mut body).expect("a body");
            let reply = Header { stream: is_stream, ..Header::data(-header.id, BodyKind::Json, 2) };
            let frame = [&reply.encode()[..], b"{}"].concat();
            socket.write_all(&frame.repeat(if is_stream { 5 } else { 1 })).expect("room");
        }
    });
    let line = format!(
        "run source --json --server net:127.0.0.1:{port} --method any.thing --warmup 0 --duration 20 --patience 15"
    );
    let output = loadgen(&line);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let row = &objects(&output)[0];
    assert!(
        row["failed"].as_str().is_some_and(|why| why.contains("closed") || why.contains("reset")),
        "{row}"
    );
    assert_eq!(row["messages"], 5, "{row}");
}

/// A socket that is closed with calls unread is reset.
fn then_is_reset(then: Then, failed: &str) -> bool {
    matches!(then, Then::Vanish) && (failed.contains("reset") || failed.contains("Broken pipe"))
}

#[test]
fn a_server_that_answers_is_driven_by_calls_and_sources() {
    let mut demo = Demo::start();
    for (line, timed) in [
        ("run async --method hello --args [\"you\"] --depth 4", true),
        ("run source --method count --args [20]", true),
    ] {
        let line = format!("{line} --json --duration 0.5 --server {}", demo.address);
        let row: Value = row(&line);
        assert!(row["messages"].as_u64() > Some(1), "{line}: {row}");
        assert_eq!(
            (row["latency_us"].is_object(), &row["peer"]),
            (timed, &demo.address.as_str().into()),
            "{line}"
        );
    }
    let whole = row(&format!(
        "run source --json --messages 3 --streams 2 --method count --args [50000] --server {}",
        demo.address
    ));
    assert_eq!(whole["messages"], 150_000, "every message of three whole streams, and nothing else");
    let refused =
        loadgen(&format!("run async --json --duration 0.2 --server {} --method not.there", demo.address));
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    assert!(objects(&refused)[0]["remarks"][0].as_str().is_some_and(|text| text.contains("not in list")));
    demo.child.kill().expect("it runs");
}

/// `loadgen`'s own server, reached as one that is not ours.
struct Demo {
    child: std::process::Child,
    address: String,
}

impl Demo {
    fn start() -> Self {
        let (child, address) = crate::history::serve(None);
        Self { child, address }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
