//! Strangers: handshakes that go wrong, never end, or come in floods.

use crate::{
    raw::{NOTHING, PATIENCE, Raw, authenticate, client, client_of, dial, keypair, rest},
    rig::{Rig, SERVER, as_peer, counting, options, secret},
};
use push_mux::{
    Access, Address, Call, Client, Error, Router, Server,
    runtime::{HandshakeLimits, ServeOptions},
    secret::{HELLO_BYTES, NetworkKey},
};
use std::{
    io::Write,
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

fn quick() -> HandshakeLimits {
    HandshakeLimits { duration_max: Duration::from_millis(1500), ..HandshakeLimits::default() }
}

fn strict() -> ServeOptions {
    ServeOptions { handshake: quick(), ..secret() }
}

/// A server where nobody should get as far as to be asked who it is.
fn closed_rig() -> (Rig, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let tweak = |server: Server| {
        server.authorise(move |peer| {
            count.fetch_add(usize::from(peer.key.is_some()), Ordering::SeqCst);
            Access::Full
        })
    };
    (Rig::secret(strict(), tweak, |_| counting()), asked)
}

fn first(address: &Address, bytes: &[u8]) -> TcpStream {
    let mut socket = dial(address);
    socket.write_all(bytes).expect("they are taken");
    socket
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

#[test]
fn a_hello_that_is_none_hears_nothing() {
    let (rig, asked) = closed_rig();
    let address = &rig.address;
    let hello = client(address, 2).take_output().to_vec();
    let server = keypair(SERVER).public();
    let foreign = client_of(&server, &NetworkKey::new([9; 32]), &keypair(2)).take_output().to_vec();
    let mut wrong =
        vec![foreign, vec![0; HELLO_BYTES], vec![0xff; 4096], b"GET / HTTP/1.1\r\n\r\n".repeat(9)];
    wrong.extend([0, 7, 255, 256, 300, 511].map(|bit| flipped(&hello, bit)));
    let count = wrong.len() as u64;
    for bytes in wrong {
        assert_eq!(rest(&mut first(address, &bytes)), NOTHING, "to {:?}", &bytes[..8]);
    }
    rig.await_count("handshake_client_hello_network", count);
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn an_authentication_that_is_none_hears_no_more_than_the_hello() {
    let (rig, asked) = closed_rig();
    let address = &rig.address;
    // Of another session, with the very same hello.
    let mut replayed = client(address, 2);
    let hello = replayed.take_output();
    let old = authenticate(&mut first(address, &hello), &mut replayed);
    let mut socket = first(address, &hello);
    std::io::Read::read_exact(&mut socket, &mut [0; HELLO_BYTES]).expect("message 2 comes");
    socket.write_all(&old).expect("it is taken");
    assert_eq!(rest(&mut socket), NOTHING);
    rig.await_count("handshake_client_auth_box", 1);
    // Meant for another server.
    let mut lost = client_of(&keypair(99).public(), &NetworkKey::MAIN, &keypair(2));
    let mut socket = first(address, &lost.take_output());
    let auth = authenticate(&mut socket, &mut lost);
    socket.write_all(&auth).expect("it is taken");
    assert_eq!(rest(&mut socket), NOTHING);
    rig.await_count("handshake_client_auth_box", 2);
    let bits = [0, 127, 128, 500, 895];
    for bit in bits {
        let mut handshake = client(address, 2);
        let mut socket = first(address, &handshake.take_output());
        let auth = authenticate(&mut socket, &mut handshake);
        socket.write_all(&flipped(&auth, bit)).expect("it is taken");
        assert_eq!(rest(&mut socket), NOTHING, "bit {bit}");
    }
    rig.await_count("handshake_client_auth_box", 2 + bits.len() as u64);
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn messages_cut_short_end_the_handshake() {
    let (rig, asked) = closed_rig();
    let address = &rig.address;
    let lengths = [0, 1, 31, 32, 63];
    for length in lengths {
        let mut socket = first(address, &client(address, 2).take_output()[..length]);
        socket.shutdown(std::net::Shutdown::Write).expect("it is open");
        assert_eq!(rest(&mut socket), NOTHING, "{length} bytes of message 1");
    }
    let later = [0, 1, 16, 111];
    for length in later {
        let mut handshake = client(address, 2);
        let mut socket = first(address, &handshake.take_output());
        let auth = authenticate(&mut socket, &mut handshake);
        socket.write_all(&auth[..length]).expect("it is taken");
        socket.shutdown(std::net::Shutdown::Write).expect("it is open");
        assert_eq!(rest(&mut socket), NOTHING, "{length} bytes of message 3");
    }
    rig.await_count("handshake_hung_up", (lengths.len() + later.len()) as u64);
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn messages_that_never_end_are_not_waited_for() {
    let (rig, asked) = closed_rig();
    let address = &rig.address;
    let hello = client(address, 2).take_output();
    let mut sockets: Vec<_> = [0, 1, 63].map(|length| first(address, &hello[..length])).into();
    let mut handshake = client(address, 2);
    let mut socket = first(address, &handshake.take_output());
    let auth = authenticate(&mut socket, &mut handshake);
    socket.write_all(&auth[..111]).expect("it is taken");
    sockets.push(socket);
    for mut socket in sockets {
        assert_eq!(rest(&mut socket), NOTHING);
    }
    rig.await_count("handshake_timed_out", 4);
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn messages_in_single_bytes_are_as_good() {
    let (rig, asked) = closed_rig();
    let mut socket = dial(&rig.address);
    let mut handshake = client(&rig.address, 2);
    let send = |socket: &mut TcpStream, bytes: &[u8]| {
        bytes.chunks(1).for_each(|byte| socket.write_all(byte).expect("it is taken"));
    };
    send(&mut socket, &handshake.take_output());
    let auth = authenticate(&mut socket, &mut handshake);
    send(&mut socket, &auth);
    std::io::Read::read_exact(&mut socket, &mut [0; 80]).expect("message 4 comes");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn silent_strangers_do_not_keep_honest_peers_waiting() {
    let handshake = HandshakeLimits {
        half_open_per_source_max: 4,
        // Long for an honest handshake, even where the machine has much else to do.
        patience: Duration::from_millis(1500),
        duration_max: Duration::from_secs(8),
        ..HandshakeLimits::default()
    };
    let rig = Rig::secret(ServeOptions { handshake, ..secret() }, |server| server, |_| counting());
    let silent: Vec<_> = (0..10).map(|_| dial(&rig.address)).collect();
    rig.within(async || {
        let join = |number| {
            let address = rig.address.clone();
            let mut options = as_peer(number);
            options.connect.timeout = Some(2 * PATIENCE);
            glommio::spawn_local(async move { Client::connect_with(&address, options).await })
        };
        let joining: Vec<_> = (10..30).map(join).collect();
        let mut clients = Vec::new();
        for joined in joining {
            clients.push(joined.await.expect("it is let in"));
        }
        for client in &clients {
            client.call_body("counts", ()).await.expect("it is served");
        }
    });
    for mut socket in silent {
        assert_eq!(rest(&mut socket), NOTHING);
    }
    let counts = rig.counts();
    let count = |name| counts.get(name).copied().unwrap_or(0);
    // Who got in last may have been the last one in line, with nobody behind who wanted its place.
    assert_eq!(count("handshake_evicted") + count("handshake_timed_out"), 10, "{counts:?}");
    assert!(count("handshake_evicted") >= 4, "{counts:?}");
}

#[test]
fn a_full_line_takes_nobody_more() {
    let handshake = HandshakeLimits {
        half_open_max: 2,
        waiting_max: 3,
        patience: Duration::from_secs(60),
        duration_max: Duration::from_secs(2),
        ..HandshakeLimits::default()
    };
    let rig = Rig::secret(ServeOptions { handshake, ..secret() }, |server| server, |_| counting());
    let silent: Vec<_> = (0..10).map(|_| dial(&rig.address)).collect();
    rig.await_count("handshakes_full", 5);
    for mut socket in silent {
        assert_eq!(rest(&mut socket), NOTHING);
    }
    rig.await_count("handshake_timed_out", 5);
    let client = rig.within(async || rig.join(2).await.map(drop));
    assert!(client.is_ok(), "there is room again: {client:?}");
}

#[test]
fn a_source_that_connects_too_fast_is_turned_away() {
    let handshake = HandshakeLimits { rate_per_source_max: 1, rate_burst_max: 3, ..quick() };
    let rig = Rig::secret(ServeOptions { handshake, ..secret() }, |server| server, |_| counting());
    let sockets: Vec<_> = (0..20).map(|_| dial(&rig.address)).collect();
    for mut socket in sockets {
        assert_eq!(rest(&mut socket), NOTHING);
    }
    let counts = rig.counts();
    let count = |name| counts.get(name).copied().unwrap_or(0);
    // The rate lets one or the other in while the test runs.
    assert_eq!(count("connection_rate_exceeded") + count("handshake_timed_out"), 20, "{counts:?}");
    assert!(count("connection_rate_exceeded") >= 10 && count("handshake_timed_out") >= 3, "{counts:?}");
}

#[test]
fn a_full_shard_takes_nobody_more() {
    let full = ServeOptions { connections_max: 2, ..strict() };
    let rig = Rig::secret(full, |server| server, |_| counting());
    rig.within(async || {
        let (first, second) = (rig.join(2).await.expect("a place"), rig.join(3).await.expect("a place"));
        first.call_body("counts", ()).await.expect("it is served");
        let third = rig.join(4).await.map(drop).expect_err("there is no place");
        assert!(matches!(third, Error::Handshake { .. }), "{third}");
        let counts: std::collections::BTreeMap<String, u64> =
            second.call("counts", ()).await.expect("it is served");
        assert_eq!(counts.get("connections_full"), Some(&1), "{counts:?}");
        second.close().await;
        // The place is free when the server has seen the end.
        while rig.join(4).await.is_err() {
            glommio::timer::sleep(Duration::from_millis(10)).await;
        }
    });
}

#[test]
fn a_shutdown_waits_for_no_handshake() {
    let handshake = HandshakeLimits {
        duration_max: Duration::from_secs(600),
        half_open_max: 6,
        patience: Duration::from_secs(600),
        ..HandshakeLimits::default()
    };
    let slow = ServeOptions { handshake, drain_max: Duration::from_secs(600), ..secret() };
    let rig = Rig::secret(slow, |server| server, |_| Router::new().on_async("x", async |_call: Call| Ok(1)));
    let address = rig.address.clone();
    // Some have a place and some wait for one.
    let mut sockets: Vec<_> = (0..4).map(|_| dial(&address)).collect();
    sockets.extend((0..6).map(|_| first(&address, &client(&address, 2).take_output())));
    thread::sleep(Duration::from_millis(100));
    let (ended, ends) = mpsc::channel();
    thread::spawn(move || ended.send(rig.stop()));
    ends.recv_timeout(Duration::from_secs(20)).expect("it ends soon").expect("it ends well");
    for mut socket in sockets {
        let heard = rest(&mut socket).len();
        assert!(heard == 0 || heard == HELLO_BYTES, "{heard}");
    }
}

#[test]
fn a_secret_listener_wants_an_identity() {
    let server = Server::bind("net:127.0.0.1:0~shs").expect("the address is free").options(options());
    let error = server.serve(|_| Router::new()).expect_err("there is no identity");
    assert!(matches!(&error, Error::Options(text) if text.contains("identity")), "{error}");
}

#[test]
fn a_peer_by_hand_is_served() {
    let rig = Rig::secret(secret(), |server| server, |_| counting());
    let mut raw = Raw::shake(&rig.address, 2);
    assert_eq!(raw.call(1, "counts"), "{}");
}
