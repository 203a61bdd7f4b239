//! The bodies of the fuzz targets, as plain functions over bytes; ordinary tests run them with seeded input.

use super::pair::Pair;
use bytes::Bytes;
use push_mux::{
    mux::{
        Config, ControlMode, Credit, Event, Halves, Limits, Outgoing, Output, Received, Session, Time,
        error_body,
    },
    wire::{Body, Decoder, HEADER_BYTES, Item, WireError},
};
use std::time::Duration;

/// Chunks into a decoder: no panic, no more out than in, sticky errors, nothing after goodbye.
pub(crate) fn decoder_chunks(chunks: &[Vec<u8>]) {
    let mut decoder = Decoder::new(4096);
    let (mut fed, mut yielded) = (0, 0);
    let mut stopped: Option<Option<WireError>> = None;
    for chunk in chunks {
        fed += chunk.len();
        decoder.push(Bytes::copy_from_slice(chunk));
        loop {
            match (decoder.next_item(), &stopped) {
                (Ok(None), Some(None) | None) => break,
                (Err(error), None) => stopped = Some(Some(error)),
                (Err(error), Some(Some(first))) => {
                    assert_eq!(error, *first, "errors are sticky");
                    break;
                }
                (Ok(Some(item)), None) => {
                    yielded += item_bytes(item, &mut stopped);
                    assert!(yielded <= fed, "no byte is yielded twice");
                }
                (what, stopped) => panic!("{what:?} after {stopped:?}"),
            }
        }
    }
}

fn item_bytes(item: Item, stopped: &mut Option<Option<WireError>>) -> usize {
    match item {
        Item::Goodbye => {
            *stopped = Some(None);
            HEADER_BYTES
        }
        Item::Frame(frame) => {
            assert_eq!(frame.body.bytes.len(), frame.header.body_bytes as usize);
            HEADER_BYTES + frame.body.bytes.len()
        }
        Item::Run(mut run) => {
            let mut bytes = 0;
            while let Some(body) = run.pop() {
                bytes += HEADER_BYTES + body.bytes.len();
                assert!(body.bytes.len() <= 4096);
            }
            assert!(bytes > 0 && run.wire.is_empty(), "a run is whole frames");
            bytes
        }
    }
}

/// The first byte cuts the rest into chunks.
pub(crate) fn decoder_bytes(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else { return };
    let chunks: Vec<Vec<u8>> = rest.chunks(usize::from(*first).max(1)).map(<[u8]>::to_vec).collect();
    decoder_chunks(&chunks);
}

fn small_limits() -> Limits {
    Limits {
        body_bytes_max: 4096,
        streams_open_max: 16,
        requests_in_max: 8,
        receive_bytes_max: 32 << 10,
        overdraft_bytes_max: 4096,
        stream_send_bytes_max: 4096,
        send_bytes_max: 8192,
        replies_bytes_max: 8192,
        glitches_max: 200,
        resets_max: 50,
        ..Limits::default()
    }
}

/// Bytes into a session, with time and an application that reads some of it; memory stays within the budgets.
pub(crate) fn session_bytes(input: &[u8]) {
    let Some((modes, rest)) = input.split_first() else { return };
    let control = [ControlMode::Offer, ControlMode::Respond, ControlMode::Off][usize::from(modes % 3)];
    let credit = if modes & 4 == 0 { Credit::Auto } else { Credit::Fixed(u64::from(modes >> 3) * 100 + 1) };
    let limits = small_limits();
    let mut now = Time::from_micros(1);
    let mut session =
        Session::new(Config { control, credit, limits: limits.clone(), ..Config::default() }, now);
    let mut decoder = Decoder::new(limits.body_bytes_max);
    let mut output = Output::default();
    let mut keys = Vec::new();
    let mut sent = 0;
    for (turn, chunk) in rest.chunks(23).enumerate() {
        now = now + Duration::from_micros(u64::from(chunk[0]) * 5000);
        let is_alive = session.handle_timeout(now).is_ok();
        if is_alive && !session.is_paused() && feed(&mut session, &mut decoder, now, chunk).is_err() {
            break;
        }
        serve(&mut session, &mut keys, turn + usize::from(chunk[0]));
        session.settle();
        if turn % 3 != 1 {
            session.poll_transmit(now, &mut output, 4096);
            sent += output.take().len();
        }
        // I2, and I13: a run may pass the budget once before reading stops.
        assert!(session.received_bytes() <= limits.receive_bytes_max + 4096 + 200);
        assert!(session.streams_open() <= limits.streams_open_max + 1);
        assert!(session.queued_bytes() <= 64 << 10, "queued {}", session.queued_bytes());
    }
    assert!(sent <= 200 * rest.len() + 1000, "no amplification without bound");
    // Streams that nobody has been told of yet are somebody's too.
    let untold = std::iter::from_fn(|| session.poll_event()).filter_map(|event| match event {
        Event::Opened(key, _) => Some(key),
        _ => None,
    });
    keys.extend(untold.collect::<Vec<_>>());
    for key in keys {
        session.release(key);
    }
    assert_eq!(session.received_bytes(), 0, "nothing is kept of released streams");
}

fn feed(session: &mut Session, decoder: &mut Decoder, now: Time, chunk: &[u8]) -> Result<(), ()> {
    decoder.push(Bytes::copy_from_slice(chunk));
    loop {
        match decoder.next_item() {
            Ok(None) => return Ok(()),
            Ok(Some(item)) => session.handle_item(now, item).map_err(drop)?,
            Err(error) => {
                session.handle_closed(error.into());
                return Err(());
            }
        }
    }
}

/// An application that does something with every event, and now and then reads.
fn serve(session: &mut Session, keys: &mut Vec<push_mux::mux::StreamKey>, salt: usize) {
    while let Some(event) = session.poll_event() {
        match event {
            Event::Opened(key, body) => {
                keys.push(key);
                match (salt + body.bytes.len()) % 5 {
                    0 => session.cancel(key, Some(error_body("no"))),
                    1 => session.accept(key, Halves::SEND),
                    2 => session.accept(key, Halves::RECV),
                    3 => session.accept(key, Halves::BOTH),
                    _ => {}
                }
            }
            Event::Request(request, body) => {
                let _ = session.reply(request, &Outgoing::from(body));
            }
            Event::Readable(key) if !salt.is_multiple_of(4) => {
                while let Received::Body(_) = session.recv(key) {}
            }
            Event::Writable(key) => {
                let _ = session.send(key, &Outgoing::from("again"));
            }
            Event::Aborted(key, _) => session.release(key),
            _ => {}
        }
    }
    if let Some(key) = keys.get(salt % keys.len().max(1)).copied() {
        let _ = session.recv(key);
        let _ = session.send(key, &Outgoing::from("data"));
        if salt.is_multiple_of(11) {
            session.release(key);
            keys.retain(|other| *other != key);
        }
    }
}

/// Runs operations on two linked sessions; see [`super::ops`].
pub(crate) fn session_ops(input: &[u8]) {
    super::ops::run(input);
}

/// A configuration for operation sequences, drawn from a byte.
pub(crate) fn ops_config(byte: u8, control: ControlMode) -> Config {
    let credit = match byte % 4 {
        0 => Credit::Auto,
        1 => Credit::Fixed(1),
        2 => Credit::Fixed(100),
        _ => Credit::Fixed(3000),
    };
    // Time and mistakes are not what operation sequences are about.
    let limits = Limits { glitches_max: u32::MAX, resets_max: u32::MAX, ..small_limits() };
    Config { credit, control, limits, ..Config::default() }
}

pub(crate) fn ops_pair(byte: u8) -> Pair {
    let (client, server) = match byte >> 6 {
        0 => (ControlMode::Offer, ControlMode::Respond),
        1 => (ControlMode::Offer, ControlMode::Offer),
        2 => (ControlMode::Respond, ControlMode::Respond),
        _ => (ControlMode::Offer, ControlMode::Off),
    };
    Pair::new([ops_config(byte, client), ops_config(byte >> 2, server)], 64 + usize::from(byte) * 16)
}

/// The body of a numbered frame, so that a reader can tell what it should have got.
pub(crate) fn numbered(stream: i32, number: u32, bytes: usize) -> Body {
    let mut body = Vec::with_capacity(bytes.max(8));
    body.extend_from_slice(&stream.to_be_bytes());
    body.extend_from_slice(&number.to_be_bytes());
    body.resize(bytes.max(8), b'#');
    Body::binary(body)
}
