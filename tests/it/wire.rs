//! Bytes to frames and back.

use crate::frames::{binary, data, end, frames, goodbye, json, kind_named, raw_header, text, transcript};
use bytes::Bytes;
use proptest::prelude::*;
use push_mux::wire::{Body, BodyKind, Decoder, Header, Headline, Item, WireError, mirror};

const VECTORS: &str = include_str!("../vectors/packet-stream-codec.txt");
const MAX: u32 = 1 << 20;

fn unhex(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(digit).collect()
}

struct Vector {
    header: Header,
    body: Body,
    wire: Vec<u8>,
}

fn vectors() -> Vec<Vector> {
    let lines = VECTORS.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let bytes = unhex(fields[4]);
            let body_bytes = u32::try_from(bytes.len()).expect("short");
            let kind = kind_named(fields[3]);
            let (id, stream, end) = (fields[0].parse().expect("an id"), fields[1] == "1", fields[2] == "1");
            Vector {
                header: Header { id, stream, end, kind, body_bytes },
                body: Body { kind, bytes: bytes.into() },
                wire: unhex(fields[5]),
            }
        })
        .collect()
}

fn decoded(chunks: &[&[u8]]) -> Vec<String> {
    let mut decoder = Decoder::new(MAX);
    chunks.iter().flat_map(|chunk| transcript(&mut decoder, Bytes::copy_from_slice(chunk))).collect()
}

#[test]
fn javascript_vectors_are_read_and_written_byte_for_byte() {
    for vector in vectors() {
        let mut written = vector.header.encode().to_vec();
        written.extend_from_slice(&vector.body.bytes);
        assert_eq!(written, vector.wire);
        let mut decoder = Decoder::new(MAX);
        decoder.push(vector.wire.into());
        let read = frames(&mut decoder);
        let frame = read[0].as_ref().expect("a frame");
        assert_eq!((frame.header, &frame.body, read.len()), (vector.header, &vector.body, 1));
    }
}

#[test]
fn a_cut_at_any_two_bytes_changes_nothing() {
    let mut wire: Vec<u8> = vectors().into_iter().flat_map(|vector| vector.wire).collect();
    wire.extend(data(2, &text("one more")));
    wire.extend(goodbye());
    wire.extend(data(2, &text("unheard")));
    let whole = decoded(&[&wire]);
    assert_eq!(whole.last().map(String::as_str), Some("goodbye"));
    for first in 0..=wire.len() {
        assert_eq!(decoded(&[&wire[..first], &wire[first..]]), whole, "cut at {first}");
        let second = (first + 11).min(wire.len());
        assert_eq!(decoded(&[&wire[..first], &wire[first..second], &wire[second..]]), whole);
    }
    let bytes: Vec<&[u8]> = wire.chunks(1).collect();
    assert_eq!(decoded(&bytes), whole, "byte by byte");
}

#[test]
fn chunks_pushed_before_the_last_was_drained_are_joined() {
    let wire: Vec<u8> = (0..5).flat_map(|id| data(id, &binary(20))).collect();
    let mut decoder = Decoder::new(MAX);
    wire.chunks(7).for_each(|chunk| decoder.push(Bytes::copy_from_slice(chunk)));
    assert_eq!(frames(&mut decoder).len(), 5);
}

#[test]
fn a_length_over_the_limit_is_refused_by_its_header_alone() {
    for body_bytes in [MAX + 1, u32::MAX] {
        let mut decoder = Decoder::new(MAX);
        decoder.push(Bytes::copy_from_slice(&raw_header(0b1000, body_bytes, 2)));
        let error = WireError::BodyTooLong { body_bytes, body_bytes_max: MAX };
        assert_eq!(decoder.next_item().err(), Some(error), "{body_bytes}");
        assert!(!decoder.has_partial(), "nothing of it is kept");
        decoder.push(Bytes::from_static(&[0; 64]));
        assert_eq!(decoder.next_item().err(), Some(error), "errors are sticky");
    }
    let mut decoder = Decoder::new(MAX);
    let body = binary(MAX as usize);
    decoder.push(data(2, &body).into());
    assert_eq!(frames(&mut decoder).len(), 1, "the limit itself is allowed");
}

#[test]
fn an_announced_length_buys_no_memory_before_its_bytes_arrive() {
    let mut decoder = Decoder::new(u32::MAX);
    decoder.push(Bytes::copy_from_slice(&raw_header(0b1000, u32::MAX - 9, 2)));
    assert!(decoder.next_item().expect("legal").is_none());
    assert!(decoder.has_partial());
}

#[test]
fn kind_three_ends_the_connection_after_what_came_before() {
    let mut wire = data(2, &text("before"));
    wire.extend(raw_header(0b1011, 4, 2));
    wire.extend(b"true");
    let mut decoder = Decoder::new(MAX);
    decoder.push(wire.into());
    assert!(matches!(decoder.next_item(), Ok(Some(Item::Run(run))) if run.id == 2));
    assert_eq!(decoder.next_item().err(), Some(WireError::BodyKind));
}

#[test]
fn the_id_without_a_mirror_image_ends_the_connection() {
    let mut decoder = Decoder::new(MAX);
    decoder.push(Bytes::copy_from_slice(&raw_header(0b1000, 1, i32::MIN)));
    assert_eq!(decoder.next_item().err(), Some(WireError::Id));
    assert_eq!(mirror(i32::MIN + 1), i32::MAX);
    assert_eq!(mirror(i32::MIN), i32::MIN);
}

#[test]
fn an_empty_body_is_goodbye_where_no_stream_is_named_and_data_elsewhere() {
    for flags in 0..=u8::MAX {
        assert_eq!(Header::decode(&raw_header(flags, 0, 0), MAX), Ok(Headline::Goodbye), "{flags:#b}");
        let named = Header::decode(&raw_header(flags, 0, 77), MAX);
        assert_ne!(named, Ok(Headline::Goodbye), "{flags:#b}");
        assert_eq!(named.is_ok(), flags & 3 != 3, "{flags:#b}");
    }
    // The last frames of a blob of 64 KiB as ssb-blobs sends it.
    let mut wire = data(-2, &Body::binary(vec![7; 64]));
    wire.extend(raw_header(8, 0, -2));
    wire.extend(end(-2, &Body::end()));
    for cut in 0..wire.len() {
        let heard = decoded(&[&wire[..cut], &wire[cut..]]);
        assert_eq!(
            heard,
            ["-2 data binary(64 bytes)", "-2 data binary(0 bytes)", "-2 end json(true)"],
            "{cut}"
        );
    }
}

#[test]
fn a_goodbye_inside_a_body_is_data() {
    let body = Body::binary(goodbye().repeat(3));
    let mut wire = data(2, &body);
    wire.extend(end(2, &Body::end()));
    for cut in 0..wire.len() {
        assert_eq!(decoded(&[&wire[..cut], &wire[cut..]]), ["2 data binary(27 bytes)", "2 end json(true)"]);
    }
}

#[test]
fn the_high_flag_bits_are_ignored() {
    let Ok(Headline::Frame(header)) = Header::decode(&raw_header(0b1111_1001, 1, 2), MAX) else {
        panic!("a frame");
    };
    assert_eq!((header.stream, header.end, header.kind), (true, false, BodyKind::Text));
}

#[test]
fn neighbouring_data_frames_of_one_stream_come_as_one_run_and_others_do_not() {
    let mut wire = data(2, &text("a"));
    wire.extend(data(2, &text("b")));
    wire.extend(data(3, &text("c")));
    wire.extend(end(3, &Body::end()));
    let mut decoder = Decoder::new(MAX);
    decoder.push(wire.into());
    let mut items = Vec::new();
    while let Some(item) = decoder.next_item().expect("frames") {
        items.push(match item {
            Item::Run(run) => format!("run {} {}", run.id, run.cost()),
            Item::Frame(frame) => format!("frame {}", frame.header.id),
            Item::Goodbye => "goodbye".to_owned(),
        });
    }
    assert_eq!(items, ["run 2 20", "run 3 10", "frame 3"]);
}

#[test]
fn whole_frames_are_slices_of_their_chunk() {
    let chunk = Bytes::from(data(2, &binary(4096)));
    let at = chunk.as_ptr();
    let mut decoder = Decoder::new(MAX);
    decoder.push(chunk);
    let Ok(Some(Item::Run(mut run))) = decoder.next_item() else { panic!("a run") };
    let body = run.pop().expect("a body");
    assert_eq!(body.bytes.as_ptr(), at.wrapping_add(9), "nothing was copied");
}

#[test]
fn a_clean_end_may_carry_white_space() {
    assert!(json("true\n").is_true());
    assert!(!text("true").is_true());
    assert!(!json("\"true\"").is_true());
}

fn any_frame() -> impl Strategy<Value = (i32, bool, bool, u8, Vec<u8>)> {
    let ids = prop_oneof![-3..4_i32, any::<i32>().prop_filter("MIN is illegal", |id| *id != i32::MIN)];
    (ids, any::<bool>(), any::<bool>(), 0..3_u8, prop::collection::vec(any::<u8>(), 1..80))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_whatever_the_cuts(
        sent in prop::collection::vec(any_frame(), 1..20),
        cuts in prop::collection::vec(1..90_usize, 1..40),
    ) {
        let mut wire = Vec::new();
        let mut expected = Vec::new();
        for (id, stream, end, kind, bytes) in sent {
            let body = Body { kind: BodyKind::from_bits(kind).expect("below 3"), bytes: bytes.into() };
            wire.extend(crate::frames::frame(id, stream, end, &body));
            expected.push((id, stream, end, body));
        }
        let mut decoder = Decoder::new(80);
        let (mut read, mut rest, mut cuts) = (Vec::new(), &wire[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (chunk, tail) = rest.split_at((*cuts.next().expect("endless")).min(rest.len()));
            rest = tail;
            decoder.push(Bytes::copy_from_slice(chunk));
            read.extend(frames(&mut decoder));
        }
        prop_assert!(!decoder.has_partial());
        let read: Vec<_> = read
            .into_iter()
            .map(|frame| frame.expect("no goodbye was sent"))
            .map(|frame| (frame.header.id, frame.header.stream, frame.header.end, frame.body))
            .collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn arbitrary_bytes_neither_panic_nor_yield_more_than_they_are(
        chunks in prop::collection::vec(prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..60), 0..20),
    ) {
        crate::fuzz_bodies::decoder_chunks(&chunks);
    }
}
