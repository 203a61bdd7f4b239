//! The hub's promises, each kept by both backends, under the executor that runs it in earnest.

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_lite::future::yield_now;
use glommio::LocalExecutorBuilder;

use super::*;

/// So few and so small that every test runs out of them.
const SCARCE: Shape = Shape { count: 4, size: 4096, window: 2, copy_below: 64 };

fn hubs() -> [fn() -> Hub; 3] {
    [
        || Hub::new(BackendChoice::Epoll).unwrap(),
        || Hub::new(BackendChoice::Ring).unwrap(),
        || Hub::with_shape(SCARCE).unwrap(),
    ]
}

/// Runs `test` with each kind of hub and its pump; afterwards no descriptor may be left.
fn with_each_hub<F: Future<Output = ()> + 'static>(test: fn(Hub) -> F) {
    for make in hubs() {
        run(async move {
            let hub = make();
            let pump = glommio::spawn_local({
                let hub = hub.clone();
                async move { hub.run().await }
            });
            test(hub.clone()).await;
            for _ in 0..1000 {
                if hub.lines() > 0 {
                    yield_now().await;
                }
            }
            assert_eq!(hub.lines(), 0, "{} kept a descriptor", hub.backend());
            hub.stop();
            pump.await;
        });
    }
}

fn run(test: impl Future<Output = ()> + 'static) {
    let builder = LocalExecutorBuilder::default().io_memory(64 << 10).ring_depth(128);
    let test = async move {
        let bounded = glommio::timer::timeout(Duration::from_secs(30), async move {
            test.await;
            Ok::<_, glommio::GlommioError<()>>(())
        });
        bounded.await.expect("the test hangs");
    };
    builder.make().unwrap().run(test);
}

async fn recv(socket: &mut Socket) -> io::Result<Bytes> {
    poll_fn(|cx| socket.poll_recv(cx)).await
}

async fn recv_exact(socket: &mut Socket, len: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < len {
        let piece = recv(socket).await.unwrap();
        assert!(!piece.is_empty(), "the stream ended after {} of {len} bytes", all.len());
        all.extend_from_slice(&piece);
    }
    assert_eq!(all.len(), len);
    all
}

async fn send_all(socket: &mut Socket, mut data: &[u8]) {
    while !data.is_empty() {
        let (first, second) = data.split_at(data.len() / 2);
        let slices = [IoSlice::new(first), IoSlice::new(second)];
        let sent = poll_fn(|cx| socket.poll_send(cx, &slices)).await.unwrap();
        data = &data[sent..];
    }
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

fn unix_attached(hub: &Hub) -> (Socket, Socket) {
    let (near, far) = UnixStream::pair().unwrap();
    (hub.attach(near.into()).unwrap(), hub.attach(far.into()).unwrap())
}

fn tcp_attached(hub: &Hub) -> (Socket, Socket) {
    let (near, far) = tcp_pair();
    (hub.attach(near.into()).unwrap(), hub.attach(far.into()).unwrap())
}

/// A stream in which every position tells a mix-up: no two sockets and no two places look alike.
fn pattern(seed: usize, len: usize) -> Vec<u8> {
    (0..len)
        .map(|i| (i.wrapping_mul(31) ^ (i >> 8).wrapping_mul(17) ^ seed.wrapping_mul(101)) as u8)
        .collect()
}

/// A small generator, so that sizes vary and a failure repeats.
struct Sizes(u64);

impl Sizes {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % bound
    }
}

fn raise_descriptor_limit() {
    // SAFETY: rlimit is two integers, and both calls get a pointer to a live one.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
    }
}

#[test]
fn auto_takes_the_ring_here() {
    run(async {
        assert_eq!(Hub::new(BackendChoice::Auto).unwrap().backend(), Backend::Ring);
    });
}

#[test]
fn echo_of_many_sizes() {
    with_each_hub(|hub| async move {
        for (mut near, mut far) in [unix_attached(&hub), tcp_attached(&hub)] {
            for len in [1, 63, 64, 2047, 2048, 4095, 4096, 4097, 20_000] {
                let data = pattern(len, len);
                send_all(&mut near, &data).await;
                let got = recv_exact(&mut far, len).await;
                send_all(&mut far, &got).await;
                assert!(recv_exact(&mut near, len).await == data, "{len} bytes came back changed");
            }
        }
    });
}

#[test]
fn end_of_stream_is_seen_after_the_data_and_ever_after() {
    with_each_hub(|hub| async move {
        for (mut near, mut far) in [unix_attached(&hub), tcp_attached(&hub)] {
            send_all(&mut near, b"last words").await;
            near.shutdown_write().unwrap();
            assert_eq!(recv_exact(&mut far, 10).await, b"last words");
            for _ in 0..3 {
                assert!(recv(&mut far).await.unwrap().is_empty());
            }
            send_all(&mut far, b"the other direction lives").await;
            assert_eq!(recv_exact(&mut near, 25).await, b"the other direction lives");
            drop(far);
            assert!(recv(&mut near).await.unwrap().is_empty());
        }
    });
}

#[test]
fn end_of_stream_wakes_a_reader() {
    with_each_hub(|hub| async move {
        let (near, far) = tcp_pair();
        let mut near = hub.attach(near.into()).unwrap();
        let closer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            drop(far);
        });
        assert!(recv(&mut near).await.unwrap().is_empty());
        closer.join().unwrap();
    });
}

#[test]
fn reset_is_an_error_for_reader_and_writer() {
    with_each_hub(|hub| async move {
        let (near, far) = tcp_pair();
        let mut near = hub.attach(near.into()).unwrap();
        let abrupt = libc::linger { l_onoff: 1, l_linger: 0 };
        // SAFETY: the pointer and the size describe `abrupt`, which lives across the call.
        let result = unsafe {
            libc::setsockopt(
                far.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_LINGER,
                (&raw const abrupt).cast(),
                size_of_val(&abrupt) as libc::socklen_t,
            )
        };
        assert_eq!(result, 0);
        drop(far);
        for _ in 0..3 {
            assert_eq!(recv(&mut near).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        }
        let slices = [IoSlice::new(b"anybody there?")];
        let sent = poll_fn(|cx| near.poll_send(cx, &slices)).await;
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn thousand_idle_sockets_do_not_disturb_one_busy_one() {
    raise_descriptor_limit();
    with_each_hub(|hub| async move {
        let mut idle: Vec<_> = (0..500).map(|_| unix_attached(&hub)).collect();
        for (near, far) in &mut idle {
            poll_fn(|cx| {
                assert!(near.poll_recv(cx).is_pending());
                assert!(far.poll_recv(cx).is_pending());
                Poll::Ready(())
            })
            .await;
        }
        let (mut near, mut far) = unix_attached(&hub);
        for turn in 0..200_u32 {
            send_all(&mut near, &turn.to_le_bytes()).await;
            assert_eq!(recv_exact(&mut far, 4).await, turn.to_le_bytes());
        }
        assert_eq!(hub.lines(), 1002);
    });
}

#[test]
fn dropping_an_armed_socket_closes_it() {
    with_each_hub(|hub| async move {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut near = hub.attach(near.into()).unwrap();
        poll_fn(|cx| Poll::Ready(near.poll_recv(cx).is_pending())).await;
        drop(near);
        for _ in 0..10 {
            yield_now().await;
        }
        assert_eq!(far.read(&mut [0; 1]).unwrap(), 0);

        // Armed in the kernel, with data on its way, and dropped in the same turn as its peer.
        for _ in 0..100 {
            let (mut near, mut far) = unix_attached(&hub);
            poll_fn(|cx| Poll::Ready(near.poll_recv(cx).is_pending())).await;
            yield_now().await;
            send_all(&mut far, &[7; 5000]).await;
        }
    });
}

#[test]
fn socket_dropped_after_the_pump_is_closed_at_once() {
    for make in hubs() {
        run(async move {
            let hub = make();
            let pump = glommio::spawn_local({
                let hub = hub.clone();
                async move { hub.run().await }
            });
            let (near, mut far) = UnixStream::pair().unwrap();
            let mut near = hub.attach(near.into()).unwrap();
            poll_fn(|cx| Poll::Ready(near.poll_recv(cx).is_pending())).await;
            yield_now().await;
            hub.stop();
            pump.await;
            drop(near);
            assert_eq!(hub.lines(), 0);
            far.set_nonblocking(true).unwrap();
            assert_eq!(far.read(&mut [0; 1]).unwrap(), 0);
        });
    }
}

#[test]
fn slices_outlive_the_hub_and_may_be_dropped_elsewhere() {
    for make in hubs() {
        let (give, take) = std::sync::mpsc::channel();
        run(async move {
            let hub = make();
            let pump = glommio::spawn_local({
                let hub = hub.clone();
                async move { hub.run().await }
            });
            let (mut near, mut far) = unix_attached(&hub);
            let data = pattern(1, 3000);
            send_all(&mut near, &data).await;
            let mut got = 0;
            while got < data.len() {
                let piece = recv(&mut far).await.unwrap();
                give.send((piece.clone(), data[got..got + piece.len()].to_vec())).unwrap();
                got += piece.len();
            }
            hub.stop();
            pump.await;
        });
        let reader = std::thread::spawn(move || {
            take.into_iter().for_each(|(piece, expected)| assert_eq!(piece, expected));
        });
        reader.join().unwrap();
    }
}

#[test]
fn slow_reader_is_bounded_and_loses_nothing() {
    with_each_hub(|hub| async move {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut near = hub.attach(near.into()).unwrap();
        far.set_nonblocking(true).unwrap();
        poll_fn(|cx| Poll::Ready(near.poll_recv(cx).is_pending())).await;
        let data = pattern(3, 12 << 20);
        let mut written = 0;
        let mut refusals = 0;
        while refusals < 200 {
            match far.write(&data[written..(written + 10_000).min(data.len())]) {
                Ok(0) => break,
                Ok(len) => (written, refusals) = (written + len, 0),
                Err(_) => refusals += 1,
            }
            yield_now().await;
        }
        assert!(written < 8 << 20, "{written} bytes were taken for a reader who reads nothing");
        drop(far);
        assert!(recv_exact(&mut near, written).await == data[..written], "data was changed or reordered");
        assert!(recv(&mut near).await.unwrap().is_empty());
    });
}

#[test]
fn more_in_flight_than_buffers_while_slices_are_kept() {
    with_each_hub(|hub| async move {
        const LEN: usize = 200_000;
        let tasks: Vec<_> = (0..32)
            .map(|seed| {
                let (mut near, mut far) =
                    if seed % 2 == 0 { unix_attached(&hub) } else { tcp_attached(&hub) };
                let sender = glommio::spawn_local(async move {
                    let data = pattern(seed, LEN);
                    let mut sizes = Sizes(seed as u64);
                    let mut rest = &data[..];
                    while !rest.is_empty() {
                        let len = (1 + sizes.below([100, 3000, 60_000][seed % 3])).min(rest.len());
                        send_all(&mut near, &rest[..len]).await;
                        rest = &rest[len..];
                        if sizes.below(3) == 0 {
                            yield_now().await;
                        }
                    }
                });
                glommio::spawn_local(async move {
                    // Each slice is compared only at the end, so one overwritten under us is seen.
                    let mut pieces = Vec::new();
                    loop {
                        let piece = recv(&mut far).await.unwrap();
                        if piece.is_empty() {
                            break;
                        }
                        pieces.push(piece);
                        if seed % 5 == 0 {
                            yield_now().await;
                        }
                    }
                    sender.await;
                    assert!(pieces.concat() == pattern(seed, LEN), "stream {seed} was changed");
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
    });
}

#[test]
fn writer_waits_for_room() {
    with_each_hub(|hub| async move {
        let (near, mut far) = tcp_pair();
        let mut near = hub.attach(near.into()).unwrap();
        let reader = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            let mut all = Vec::new();
            far.read_to_end(&mut all).unwrap();
            all
        });
        let data = pattern(9, 40 << 20);
        send_all(&mut near, &data).await;
        drop(near);
        assert!(reader.join().unwrap() == data, "data was changed");
    });
}

#[test]
fn foreign_thread_wakes_a_sleeping_shard() {
    with_each_hub(|hub| async move {
        let (near, mut far) = tcp_pair();
        let mut near = hub.attach(near.into()).unwrap();
        let peer = std::thread::spawn(move || {
            let mut byte = [0; 1];
            for turn in 0..300_u32 {
                if turn % 50 == 0 {
                    std::thread::sleep(Duration::from_millis(2));
                }
                far.write_all(&[turn as u8]).unwrap();
                far.read_exact(&mut byte).unwrap();
                assert_eq!(byte[0], turn as u8);
            }
        });
        for _ in 0..300 {
            let byte = recv_exact(&mut near, 1).await;
            send_all(&mut near, &byte).await;
        }
        peer.join().unwrap();
    });
}

#[test]
fn watched_listener_reports_every_connection() {
    with_each_hub(|hub| async move {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut watch = hub.watch(listener.into()).unwrap();
        for burst in [1, 3, 2] {
            let peers = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(5));
                (0..burst).map(|_| TcpStream::connect(address).unwrap()).collect::<Vec<_>>()
            });
            let mut accepted = 0;
            while accepted < burst {
                poll_fn(|cx| watch.poll_readable(cx)).await.unwrap();
                match sys::accept(watch.fd()).unwrap() {
                    Some(_) => accepted += 1,
                    None => watch.clear_ready(),
                }
            }
            peers.join().unwrap();
        }
        // A listener that nobody knocks at is dropped while it is waited for.
        watch.clear_ready();
        poll_fn(|cx| Poll::Ready(watch.poll_readable(cx).is_pending())).await;
    });
}

#[test]
fn watched_event_counter_is_signalled_from_another_thread() {
    with_each_hub(|hub| async move {
        let event = sys::eventfd().unwrap();
        let remote = event.try_clone().unwrap();
        let mut watch = hub.watch(event).unwrap();
        let signaller = std::thread::spawn(move || {
            for _ in 0..20 {
                std::thread::sleep(Duration::from_millis(1));
                sys::eventfd_signal(remote.as_fd()).unwrap();
            }
        });
        let mut count = 0;
        while count < 20 {
            poll_fn(|cx| watch.poll_readable(cx)).await.unwrap();
            match sys::eventfd_drain(watch.fd()).unwrap() {
                0 => watch.clear_ready(),
                some => count += some,
            }
        }
        signaller.join().unwrap();
    });
}

#[test]
fn tcp_options_and_measurements() {
    let (near, mut far) = tcp_pair();
    sys::set_quickack(near.as_fd()).unwrap();
    sys::set_congestion(near.as_fd(), "reno").unwrap();
    assert!(sys::set_congestion(near.as_fd(), "no such thing").is_err());
    far.write_all(b"x").unwrap();
    assert!(sys::tcp_rtt(near.as_fd()).unwrap() < Duration::from_secs(1));
    let (unix, _other) = UnixStream::pair().unwrap();
    assert_eq!(sys::tcp_rtt(unix.as_fd()), None);
}
