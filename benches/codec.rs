//! Frames in memory: what the decoder and the session cost without sockets, in nanoseconds a frame.

use bytes::{BufMut, Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use push_mux::{
    mux::{Config, Event, Halves, Outgoing, Output, Received, Sent, Session, StreamKey, Time},
    wire::{BodyKind, Decoder, Header, Item},
};
use std::hint::black_box;

const FRAMES: u32 = 1000;

fn frames(body: usize, streams: u32) -> Bytes {
    let mut wire = BytesMut::new();
    for index in 0..FRAMES {
        let id = 2 + (index % streams).cast_signed();
        let header = Header::data(id, BodyKind::Binary, u32::try_from(body).expect("it is short"));
        wire.extend_from_slice(&header.encode());
        wire.put_bytes(7, body);
    }
    wire.freeze()
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(u64::from(FRAMES)));
    for (name, body, streams) in
        [("64 B, 1 stream", 64, 1), ("64 B, 100 streams", 64, 100), ("4 KiB", 4096, 1)]
    {
        let wire = frames(body, streams);
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut decoder = Decoder::new(1 << 20);
                decoder.push(wire.clone());
                while let Ok(Some(item)) = decoder.next_item() {
                    if let Item::Run(mut run) = item {
                        while let Some(body) = run.pop() {
                            black_box(body);
                        }
                    }
                }
            });
        });
    }
    group.finish();
}

/// A session with one open stream on which it sends.
fn sender() -> (Session, StreamKey) {
    let mut session = Session::new(Config::default(), Time::default());
    let key = session.open(Halves::SEND, &Outgoing::borrowed(BodyKind::Json, b"{}")).expect("it is open");
    let mut output = Output::default();
    session.poll_transmit(Time::default(), &mut output, 1 << 20);
    (session, key)
}

fn send(c: &mut Criterion) {
    let mut group = c.benchmark_group("session send");
    group.throughput(Throughput::Elements(u64::from(FRAMES)));
    for body in [64_usize, 4096] {
        let bytes = Bytes::from(vec![7; body]);
        let (mut session, key) = sender();
        let mut output = Output::default();
        group.bench_function(format!("{body} B"), |b| {
            b.iter(|| {
                for _ in 0..FRAMES {
                    let body = Outgoing::owned(BodyKind::Binary, bytes.clone());
                    while session.send(key, &body) == Ok(Sent::Blocked) {
                        session.poll_transmit(Time::default(), &mut output, 256 << 10);
                        while session.poll_event().is_some() {}
                        let len = output.len();
                        let mut slices = [std::io::IoSlice::new(&[]); 64];
                        black_box(output.slices(&mut slices));
                        output.advance(len);
                    }
                }
            });
        });
    }
    group.finish();
}

fn receive(c: &mut Criterion) {
    let mut group = c.benchmark_group("session receive");
    group.throughput(Throughput::Elements(u64::from(FRAMES)));
    let opening = Header::data(2, BodyKind::Json, 2);
    let wire = frames(64, 1);
    group.bench_function("64 B", |b| {
        b.iter_batched(
            || {
                let mut session = Session::new(Config::default(), Time::default());
                let mut decoder = Decoder::new(1 << 20);
                decoder.push(Bytes::from([&opening.encode()[..], b"{}"].concat()));
                let item = decoder.next_item().expect("it is whole").expect("it is there");
                session.handle_item(Time::default(), item).expect("it is legal");
                let Some(Event::Opened(key, _)) = session.poll_event() else { panic!("a stream was opened") };
                session.accept(key, Halves::RECV);
                (session, decoder, key)
            },
            |(mut session, mut decoder, key)| {
                decoder.push(wire.clone());
                while let Ok(Some(item)) = decoder.next_item() {
                    session.handle_item(Time::default(), item).expect("it is legal");
                }
                while let Received::Body(body) = session.recv(key) {
                    black_box(body);
                }
                (session, decoder)
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, decode, send, receive);
criterion_main!(benches);
