use super::*;
use crate::{PublicKey, ssb::BlobId};
use std::collections::BTreeMap;

fn blob(byte: u8) -> BlobId {
    BlobId([byte; 32])
}

fn key(conn: u64) -> PublicKey {
    PublicKey([u8::try_from(conn).expect("small"); 32])
}

fn wants(conns: u64) -> Wants {
    let mut wants = Wants::new(WantsLimits::default());
    (1..=conns).for_each(|conn| wants.handle_open(conn, key(conn)));
    (1..=conns).for_each(|conn| assert_eq!(said(&mut wants, conn), Some(vec![])));
    wants
}

/// What a connection is told; `None` for nothing at all.
fn said(wants: &mut Wants, conn: u64) -> Option<Vec<(u8, i64)>> {
    let mut out = Vec::new();
    wants.poll_frame(conn, &mut out).then(|| {
        let mut all = Vec::new();
        frame::read(&out, |blob, number| all.push((blob.0[0], number))).expect("a frame");
        all
    })
}

fn hear(wants: &mut Wants, conn: u64, entries: &[(u8, i64)]) {
    let mut frame = b"{".to_vec();
    entries.iter().for_each(|(byte, number)| frame::write(&blob(*byte), *number, &mut frame));
    frame.push(b'}');
    // Blobs from 100 on are stored here.
    wants.handle_frame(conn, &frame, |blob| (blob.0[0] >= 100).then_some(7)).expect("a frame");
}

fn fetches(wants: &mut Wants) -> Vec<(u64, u8, u64)> {
    std::iter::from_fn(|| wants.poll_fetch()).map(|fetch| (fetch.conn, fetch.blob.0[0], fetch.size)).collect()
}

#[test]
fn a_want_goes_on_while_it_is_near_and_the_blob_comes_back() {
    let mut wants = wants(2);
    hear(&mut wants, 1, &[(1, -1), (2, -2), (3, -3), (4, 0), (100, -1)]);
    // Who asked is told as well: it may be pushing.
    assert_eq!(said(&mut wants, 1), Some(vec![(100, 7)]));
    assert_eq!(said(&mut wants, 1), Some(vec![(1, -2), (2, -3)]));
    assert_eq!(said(&mut wants, 2), Some(vec![(1, -2), (2, -3)]));
    hear(&mut wants, 2, &[(1, 500), (3, 500)]);
    assert_eq!(fetches(&mut wants), [(2, 1, 500)]);
    assert!(wants.handle_stored(&blob(1), 500));
    wants.handle_fetched(2, &blob(1), true);
    assert_eq!(said(&mut wants, 1), Some(vec![(1, 500)]));
    assert_eq!(fetches(&mut wants), []);
    assert!(!wants.is_wanted(&blob(1)) && wants.is_wanted(&blob(2)));
}

#[test]
fn the_nearest_want_counts() {
    let mut wants = wants(1);
    hear(&mut wants, 1, &[(1, -2)]);
    assert_eq!(said(&mut wants, 1), Some(vec![(1, -3)]));
    hear(&mut wants, 1, &[(1, -1)]);
    assert_eq!(said(&mut wants, 1), Some(vec![(1, -2)]));
    wants.want(blob(1));
    assert_eq!(said(&mut wants, 1), Some(vec![(1, -1)]));
    hear(&mut wants, 1, &[(1, -1)]);
    assert_eq!(said(&mut wants, 1), None);
}

#[test]
fn a_blob_is_fetched_from_one_peer_and_after_a_failure_from_the_next() {
    let mut wants = wants(3);
    wants.want(blob(1));
    for conn in 1..=3 {
        hear(&mut wants, conn, &[(1, 10)]);
    }
    let mut asked = Vec::new();
    for _ in 0..3 {
        let [(conn, 1, 10)] = fetches(&mut wants)[..] else { panic!("one at a time") };
        asked.push(conn);
        wants.handle_fetched(conn, &blob(1), false);
    }
    assert_eq!(asked, [1, 2, 3]);
    assert_eq!(fetches(&mut wants), []);
    hear(&mut wants, 2, &[(1, 10)]);
    assert_eq!(fetches(&mut wants), [(2, 1, 10)], "it says again that it has it");
    hear(&mut wants, 3, &[(1, 10)]);
    wants.handle_gone(2);
    assert_eq!(fetches(&mut wants), [(3, 1, 10)], "who was sending is gone");
}

#[test]
fn a_have_that_came_before_the_want_is_remembered_and_a_large_blob_is_not_fetched() {
    let mut wants = wants(1);
    hear(&mut wants, 1, &[(1, 5 << 20), (2, (5 << 20) - 1)]);
    wants.want(blob(1));
    wants.want(blob(2));
    assert_eq!(fetches(&mut wants), [(1, 2, (5 << 20) - 1)]);
    wants.want(BlobId::EMPTY);
    assert!(!wants.is_wanted(&BlobId::EMPTY), "everybody has it");
}

#[test]
fn what_only_a_lost_peer_wanted_is_forgotten() {
    let mut wants = wants(3);
    hear(&mut wants, 1, &[(1, -1), (2, -1), (3, -1)]);
    hear(&mut wants, 2, &[(2, -1)]);
    wants.want(blob(3));
    wants.handle_gone(1);
    assert_eq!([1, 2, 3].map(|byte| wants.is_wanted(&blob(byte))), [false, true, true]);
    assert_eq!(said(&mut wants, 3), Some(vec![(2, -2), (3, -1)]), "nobody is told what is over");
    wants.unwant(&blob(3));
    wants.handle_gone(2);
    assert_eq!([2, 3].map(|byte| wants.is_wanted(&blob(byte))), [false, false]);
    hear(&mut wants, 3, &[(4, -1), (4, 10)]);
    assert_eq!(fetches(&mut wants), [(3, 4, 10)]);
    wants.handle_gone(3);
    assert!(!wants.is_wanted(&blob(4)), "it was asker and sender");
}

#[test]
fn a_push_is_asked_for_until_three_have_it() {
    let mut wants = wants(2);
    assert!(!wants.handle_stored(&blob(100), 7));
    wants.push(blob(100));
    assert_eq!(said(&mut wants, 1), Some(vec![(100, 7)]));
    assert_eq!(said(&mut wants, 1), Some(vec![(100, -1)]), "both are news");
    // A peer that takes it asks for its size first.
    hear(&mut wants, 1, &[(100, -2)]);
    assert_eq!(said(&mut wants, 1), Some(vec![(100, 7)]));
    hear(&mut wants, 1, &[(100, 7)]);
    hear(&mut wants, 2, &[(100, 7)]);
    wants.handle_open(3, key(1));
    assert_eq!(said(&mut wants, 3), Some(vec![(100, -1)]));
    hear(&mut wants, 3, &[(100, 7)]);
    assert_eq!(wants.poll_pushed(), None, "the same peer again");
    wants.handle_open(4, key(4));
    hear(&mut wants, 4, &[(100, 7)]);
    assert_eq!((wants.poll_pushed(), wants.poll_pushed()), (Some(blob(100)), None));
    wants.handle_open(5, key(5));
    assert_eq!(said(&mut wants, 5), Some(vec![]));
}

#[test]
fn what_a_peer_can_make_us_keep_is_bounded() {
    let limits = WantsLimits {
        shared_max: 20,
        peer_wants_max: 15,
        peer_haves_max: 10,
        peer_news_max: 15,
        peer_fetches_max: 3,
        frame_bytes_max: 200,
        ..WantsLimits::default()
    };
    let mut wants = Wants::new(limits);
    wants.handle_open(1, key(1));
    wants.handle_open(2, key(2));
    for conn in [1, 2] {
        let first = u8::try_from(conn).expect("small") * 40;
        for byte in first..first + 40 {
            hear(&mut wants, conn, &[(byte, -1)]);
        }
    }
    assert_eq!((40..120).filter(|byte| wants.is_wanted(&blob(*byte))).count(), 20);
    // Unwanted haves fill the table, wanted ones take their places.
    (0..40).for_each(|byte| hear(&mut wants, 1, &[(byte, 1)]));
    (80..100).for_each(|byte| hear(&mut wants, 1, &[(byte, 1)]));
    assert_eq!(fetches(&mut wants).len(), 3);
    wants.handle_fetched(1, &blob(80), true);
    assert_eq!(fetches(&mut wants).len(), 1);
    let mut frame = Vec::new();
    let mut told = BTreeMap::new();
    while wants.poll_frame(2, &mut frame) {
        assert!(frame.len() <= 200);
        frame::read(&frame, |blob, number| {
            told.insert(blob, number);
        })
        .expect("a frame");
        frame.clear();
    }
    assert_eq!(told.len(), 30, "fifteen sizes, fifteen wants");
}

#[test]
fn what_is_no_want_is_ignored_and_what_is_no_object_refused() {
    let mut wants = wants(1);
    let id = blob(1);
    for value in ["\"-1\"", "null", "-0.5", "1e300", "[-1]", "{\"a\":-1}", "true"] {
        let frame = format!("{{\"{id}\":{value},\"&x\":-1,\"y\":{{}}}}");
        wants.handle_frame(1, frame.as_bytes(), |_| None).expect("an object");
        assert!(!wants.is_wanted(&id), "{value}");
    }
    wants.handle_frame(1, format!("{{\"{id}\":-1.0}}").as_bytes(), |_| None).expect("an object");
    assert!(wants.is_wanted(&id));
    for wrong in ["", "[]", "1", "{", "{} {}"] {
        assert!(wants.handle_frame(1, wrong.as_bytes(), |_| None).is_err(), "{wrong}");
    }
}
