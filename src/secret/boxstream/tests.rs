use super::{boxes::Boxes, *};
use crate::secret::BoxStreamError;
use bytes::BytesMut;
use dryoc::classic::crypto_secretbox::crypto_secretbox_easy;
use proptest::prelude::*;
use std::io::IoSlice;

const KEY: [u8; 32] = [7; 32];
const NONCE: [u8; 24] = [9; 24];

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|index| (index % 251).to_le_bytes()[0]).collect()
}

fn sealer() -> Sealer {
    Sealer::new(&KEY, &NONCE)
}

fn opener() -> Opener {
    Opener::new(&KEY, &NONCE)
}

fn sealed(pieces: &[&[u8]]) -> Vec<u8> {
    let (mut sealer, mut wire) = (sealer(), BytesMut::new());
    pieces.iter().for_each(|piece| sealer.seal(&[IoSlice::new(piece)], &mut wire));
    wire.to_vec()
}

fn goodbye_after(pieces: &[&[u8]]) -> Vec<u8> {
    let (mut sealer, mut wire) = (sealer(), BytesMut::new());
    pieces.iter().for_each(|piece| sealer.seal(&[IoSlice::new(piece)], &mut wire));
    sealer.seal_goodbye(&mut wire);
    wire.to_vec()
}

/// A header sealed with the right key, and bytes behind it.
fn forged(header: [u8; HEADER_BYTES], behind: usize) -> Vec<u8> {
    let start = BoxKey { key: KEY, nonce: NONCE };
    let mut wire = Boxes::new(&start).next_header().seal(&header).to_vec();
    wire.resize(wire.len() + behind, 1);
    wire
}

fn open_all(wire: &[u8]) -> (Result<Opened, BoxStreamError>, Vec<u8>) {
    let mut out = BytesMut::new();
    let result = opener().open(wire, &mut out);
    (result, out.to_vec())
}

#[test]
fn segments_are_secretboxes_with_nonces_that_count_up() {
    let body = bytes(100);
    let wire = sealed(&[&body, &body]);
    let mut nonce = NONCE;
    let mut expected = Vec::new();
    for _ in 0..2 {
        let header_nonce = nonce;
        nonce[23] += 1;
        let mut sealed_body = vec![0; 116];
        crypto_secretbox_easy(&mut sealed_body, &body, &nonce, &KEY).expect("lengths agree");
        nonce[23] += 1;
        let header = [&[0, 100], &sealed_body[..16]].concat();
        let mut header_box = [0; 34];
        crypto_secretbox_easy(&mut header_box, &header, &header_nonce, &KEY).expect("lengths agree");
        expected.extend([&header_box[..], &sealed_body[16..]].concat());
    }
    assert_eq!(wire, expected);
}

/// The library derives everything from the whole nonce each time, so it is the judge of what is kept between boxes.
#[test]
fn nonces_carry_into_every_byte_and_wrap() {
    let mut before_carry = NONCE;
    before_carry[16..].fill(0xff);
    let mut before_wrap = [0xff; 24];
    before_wrap[23] = 0xfd;
    for (start, boxes) in [(before_carry, 4), (before_wrap, 6), ([0xff; 24], 4)] {
        let mut wire = BytesMut::new();
        let (mut sealer, mut opener) = (Sealer::new(&KEY, &start), Opener::new(&KEY, &start));
        for _ in 0..boxes / 2 {
            sealer.seal(&[IoSlice::new(b"body")], &mut wire);
        }
        let mut nonce = start;
        for segment in wire.chunks(38) {
            let header_nonce = nonce;
            increment(&mut nonce);
            let mut body = [0; 20];
            crypto_secretbox_easy(&mut body, b"body", &nonce, &KEY).expect("lengths agree");
            increment(&mut nonce);
            let mut header = [0; 34];
            let plain = [&[0, 4], &body[..16]].concat();
            crypto_secretbox_easy(&mut header, &plain, &header_nonce, &KEY).expect("lengths agree");
            assert_eq!(segment, [&header[..], &body[16..]].concat());
        }
        let mut out = BytesMut::new();
        assert_eq!(opener.open(&wire, &mut out), Ok(Opened::More));
        assert_eq!(out.len(), 4 * boxes / 2);
    }
}

fn increment(nonce: &mut [u8; 24]) {
    for byte in nonce.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
}

#[test]
fn segments_are_filled_across_slices() {
    let (header, body) = (bytes(9), bytes(5000));
    let mut wire = BytesMut::new();
    let slices = [&header[..], &[], &body, &[]].map(IoSlice::new);
    sealer().seal(&slices, &mut wire);
    assert_eq!(wire, sealed(&[&[&header[..], &body].concat()]));
    assert_eq!(wire.len(), 5009 + 2 * 34);
    assert_eq!(wire.len(), Sealer::sealed_len(5009));
    assert_eq!(open_all(&wire), (Ok(Opened::More), [header, body].concat()));
}

#[test]
fn nothing_is_sealed_for_nothing() {
    let mut wire = BytesMut::new();
    sealer().seal(&[], &mut wire);
    sealer().seal(&[IoSlice::new(&[])], &mut wire);
    assert!(wire.is_empty());
    for (plain, sealed) in [(0, 0), (1, 35), (4096, 4130), (4097, 4165), (8192, 8260)] {
        assert_eq!(Sealer::sealed_len(plain), sealed);
    }
}

#[test]
fn every_bit_of_a_stream_counts() {
    let wire = goodbye_after(&[b"first", b"second"]);
    let whole = b"firstsecond";
    assert_eq!(open_all(&wire), (Ok(Opened::Goodbye), whole.to_vec()));
    for bit in 0..wire.len() * 8 {
        let mut changed = wire.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let (mut opener, mut out) = (opener(), BytesMut::new());
        let error = opener.open(&changed, &mut out).expect_err("it was changed");
        let is_body = (34..39).contains(&(bit / 8)) || (73..79).contains(&(bit / 8));
        let expected = if is_body { BoxStreamError::BodyForged } else { BoxStreamError::HeaderForged };
        assert_eq!(error, expected, "bit {bit}");
        let before: &[u8] = if bit / 8 < 39 {
            b""
        } else if bit / 8 < 79 {
            b"first"
        } else {
            whole
        };
        assert_eq!(out, before, "bit {bit}: whole segments before it, and nothing of it");
        assert_eq!(opener.open(&wire, &mut out), Err(error), "errors are sticky");
        assert_eq!((out.len(), opener.end(), opener.is_finished()), (before.len(), Err(error), false));
    }
}

#[test]
fn segments_cannot_be_swapped_repeated_or_left_out() {
    let wire = sealed(&[b"one", b"two", b"six"]);
    let segments: Vec<&[u8]> = wire.chunks(37).collect();
    for order in [[1, 0, 2], [0, 0, 1], [0, 2, 1]] {
        let changed = order.map(|index| segments[index]).concat();
        assert_eq!(open_all(&changed).0, Err(BoxStreamError::HeaderForged));
    }
}

#[test]
fn a_stream_cut_anywhere_is_truncated() {
    let wire = goodbye_after(&[b"first", b"second"]);
    for cut in 0..wire.len() {
        let (mut opener, mut out) = (opener(), BytesMut::new());
        assert_eq!(opener.open(&wire[..cut], &mut out), Ok(Opened::More));
        assert_eq!(opener.end(), Err(BoxStreamError::Truncated));
        assert_eq!(opener.has_partial(), ![0, 39, 79].contains(&cut), "cut at {cut}");
        assert!(b"firstsecond".starts_with(&out));
        assert_eq!(opener.open(&wire[cut..], &mut out), Ok(Opened::Goodbye), "the rest completes it");
        assert_eq!((opener.end(), opener.has_partial(), opener.is_finished()), (Ok(()), false, true));
    }
}

#[test]
fn what_follows_a_goodbye_is_ignored() {
    let mut wire = goodbye_after(&[b"last"]);
    wire.extend([1; 100]);
    let (mut opener, mut out) = (opener(), BytesMut::new());
    for _ in 0..2 {
        assert_eq!(opener.open(&wire, &mut out), Ok(Opened::Goodbye));
        assert_eq!((&out[..], opener.has_partial()), (&b"last"[..], false));
    }
}

#[test]
#[cfg_attr(debug_assertions, should_panic(expected = "goodbye"))]
fn nothing_is_sealed_after_a_goodbye() {
    let (mut sealer, mut wire) = (sealer(), BytesMut::new());
    sealer.seal_goodbye(&mut wire);
    sealer.seal_goodbye(&mut wire);
    sealer.seal(&[IoSlice::new(b"more")], &mut wire);
    assert_eq!(wire.len(), HEADER_BOX_BYTES);
}

#[test]
fn lengths_out_of_range_are_refused_even_with_the_right_key() {
    let mut header = [1; HEADER_BYTES];
    for (bytes, error) in [
        (0_u16, BoxStreamError::SegmentEmpty),
        (4097, BoxStreamError::SegmentTooLong(4097)),
        (65535, BoxStreamError::SegmentTooLong(65535)),
    ] {
        header[..2].copy_from_slice(&bytes.to_be_bytes());
        let (mut opener, mut out) = (opener(), BytesMut::new());
        assert_eq!(opener.open(&forged(header, 70_000), &mut out), Err(error));
        assert!(out.is_empty() && opener.partial.capacity() == 0);
    }
    header[..2].copy_from_slice(&4096_u16.to_be_bytes());
    assert_eq!(open_all(&forged(header, 4095)).0, Ok(Opened::More), "4096 is allowed");
}

#[test]
fn an_idle_end_is_small() {
    assert!(size_of::<Sealer>() < 200 && size_of::<Opener>() < 200);
    let wire = sealed(&[&bytes(4096), &bytes(10)]);
    let (mut opener, mut out) = (opener(), BytesMut::new());
    for (chunk, held) in
        [(0..34, 0), (34..35, 4096), (35..4129, 4096), (4129..4130, 0), (4130..4140, 34), (4140..4174, 0)]
    {
        let end = chunk.end;
        assert_eq!(opener.open(&wire[chunk], &mut out), Ok(Opened::More));
        assert_eq!(opener.partial.capacity(), held, "up to byte {end}");
    }
    assert_eq!(out.len(), 4106);
}

#[test]
fn no_key_is_printed() {
    assert_eq!(format!("{:?}", sealer()), "Sealer { boxes: Boxes { .. }, said_goodbye: false }");
    assert_eq!(format!("{:?}", opener()), "Opener { boxes: Boxes { .. }, state: Header, partial: [] }");
}

#[test]
fn names_are_different() {
    let errors = [
        BoxStreamError::HeaderForged,
        BoxStreamError::BodyForged,
        BoxStreamError::SegmentTooLong(5000),
        BoxStreamError::SegmentEmpty,
        BoxStreamError::Truncated,
    ];
    let names: std::collections::BTreeSet<&str> = errors.iter().map(BoxStreamError::name).collect();
    assert_eq!(names.len(), errors.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn neither_writes_nor_cuts_matter(
        writes in prop::collection::vec(prop::collection::vec(0_usize..9000, 0..4), 1..5),
        cuts in prop::collection::vec(prop_oneof![1_usize..80, 1_usize..10_000], 1..8),
    ) {
        let (mut sealer, mut wire, mut plain) = (sealer(), BytesMut::new(), Vec::new());
        for write in writes {
            let pieces: Vec<Vec<u8>> = write.into_iter().map(bytes).collect();
            let slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            let before = wire.len();
            sealer.seal(&slices, &mut wire);
            plain.extend(pieces.concat());
            let sealed: usize = pieces.iter().map(Vec::len).sum();
            prop_assert_eq!(wire.len() - before, Sealer::sealed_len(sealed));
        }
        sealer.seal_goodbye(&mut wire);
        let (mut opener, mut out, mut rest) = (opener(), BytesMut::new(), &wire[..]);
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at(rest.len().min(*cut));
            let state = opener.open(now, &mut out).expect("it is genuine");
            prop_assert_eq!(state == Opened::Goodbye, later.is_empty());
            prop_assert!(plain.starts_with(&out));
            rest = later;
        }
        prop_assert_eq!(&out[..], &plain[..]);
    }
}
