//! The methods of blobs, and blobs that travel between pubs.

use crate::rig::{Rig, blob, eventually, read_all};
use push_mux::ssb::{BlobId, metrics::BlobFigures};
use serde_json::{Value, json};

/// Sizes of blobs that are awkward in one way or another; the last is the largest that peers fetch.
const SIZES: [usize; 5] = [0, 1, 65_536, 1 << 20, (5 << 20) - 1];

#[test]
fn what_is_added_is_read_listed_measured_and_removed() {
    let rig = Rig::new(1, &[]);
    for (mark, size) in (1..).zip(SIZES) {
        let (bytes, id) = blob(mark, size);
        let text = id.to_string();
        assert_eq!(rig.has(&id), size == 0, "everybody has the blob of no bytes");
        rig.add(&bytes, ()).unwrap();
        assert!(rig.has(&id));
        assert_eq!(rig.call("blobs.size", (&text,)), Ok(json!(size)));
        for wanted in
            [json!(text), json!({ "key": text, "max": size }), json!({ "hash": text, "size": size })]
        {
            assert_eq!(rig.read("blobs.get", (wanted,)).as_ref(), Ok(&bytes));
        }
        assert_eq!(rig.call("blobs.want", (json!({ "id": text }),)), Ok(json!(true)));
    }
    let (one, id) = blob(2, 1);
    assert_eq!(rig.add(&one, (id.to_string(),)), Ok(()), "it may come twice");
    let missing = blob(99, 9).1.to_string();
    assert_eq!(rig.call("blobs.size", ([&id.to_string(), &missing],)), Ok(json!([1, null])));
    assert_eq!(rig.call("blobs.has", ([&missing, &id.to_string()],)), Ok(json!([false, true])));
    let listed: Vec<Value> = rig.run(async |client| {
        let mut rx = client.source("blobs.ls", (json!({ "meta": true }),)).await.unwrap();
        let mut listed = Vec::new();
        while let Some(body) = rx.next().await.transpose().unwrap() {
            listed.push(serde_json::from_slice(&body.bytes).unwrap());
        }
        listed
    });
    let mut sizes: Vec<_> = listed.iter().map(|blob| blob["size"].as_u64().unwrap()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 65_536, 1 << 20, (5 << 20) - 1]);
    assert!(listed.iter().all(|blob| blob["ts"].as_u64().unwrap() > 1_600_000_000_000));
    let counted = sizes.iter().map(|size| size.max(&4_096)).sum();
    let figures = BlobFigures { count: 4, bytes: counted, wanted: 0 };
    eventually("the figures", || rig.board.snapshots().iter().any(|shard| shard.blobs == Some(figures)));
    assert_eq!(rig.call("blobs.rm", (id.to_string(),)), Ok(json!(true)));
    assert!(!rig.has(&id));
    assert!(rig.call("blobs.rm", (id.to_string(),)).is_err());
    let error = rig.read("blobs.get", (id.to_string(),)).unwrap_err();
    assert_eq!(error.to_string(), "could not get blob");
}

#[test]
fn slices_are_half_open() {
    let rig = Rig::new(1, &[]);
    let (bytes, id) = blob(1, 200_000);
    rig.add(&bytes, ()).unwrap();
    let slice = |start: usize, end: usize| {
        rig.read("blobs.getSlice", (json!({ "key": id.to_string(), "start": start, "end": end }),)).unwrap()
    };
    for (start, end) in [(0, 1), (0, 65_536), (1, 65_537), (65_535, 65_537), (199_999, 200_000), (7, 199_000)]
    {
        assert_eq!(slice(start, end), bytes[start..end], "{start}..{end}");
    }
    assert_eq!(slice(150_000, 1_000_000), bytes[150_000..]);
    assert!(slice(5, 5).is_empty() && slice(300_000, 400_000).is_empty());
    let backwards = json!({ "key": id.to_string(), "start": 9, "end": 3 });
    assert!(rig.read("blobs.getSlice", (backwards,)).is_err());
    let wrong = json!({ "key": id.to_string(), "start": 0, "end": 5, "max": 10 });
    let error = rig.read("blobs.getSlice", (wrong,)).unwrap_err().to_string();
    assert_eq!(error, format!("incorrect file length, requested:10 file was:200000 for file:{id}"));
}

#[test]
fn what_is_malformed_is_answered_with_an_error() {
    let rig = Rig::new(1, &[]);
    let bad = [json!(null), json!(5), json!("&short.sha256"), json!({}), json!({ "id": [] }), json!([1])];
    rig.run(async |client| {
        for value in &bad {
            for name in ["blobs.has", "blobs.size", "blobs.want", "blobs.rm", "blobs.push"] {
                let answer = client.call::<Value>(name, (value,)).await;
                assert!(answer.is_err(), "{name} {value}: {answer:?}");
            }
            for name in ["blobs.get", "blobs.getSlice"] {
                assert!(read_all(&client, name, (value,)).await.is_err(), "{name} {value}");
            }
        }
        for name in ["blobs.has", "blobs.size", "blobs.get", "blobs.ls"] {
            assert!(client.call::<Value>(name, (1, 2)).await.is_err(), "{name}");
        }
        let error = read_all(&client, "blobs.ls", (5,)).await.unwrap_err().to_string();
        assert!(error.contains("blobs.ls"), "{error}");
        let mut sink = client.sink("blobs.add", ("nonsense",)).await.unwrap();
        let _ = sink.send(&b"x"[..]).await;
        assert_eq!(sink.finish().await.unwrap_err().to_string(), "not a valid hash: nonsense");
    });
    let (bytes, other) = (b"these bytes", blob(1, 5).1);
    let error = rig.add(bytes, (other.to_string(),)).unwrap_err().to_string();
    assert!(error.starts_with("actual hash:&") && error.ends_with(&other.to_string()), "{error}");
    assert_eq!(rig.files("blobs/tmp"), 0);
}

#[test]
fn strangers_read_and_change_nothing() {
    let rig = Rig::new(1, &[]);
    let (bytes, id) = blob(1, 1_000);
    rig.add(&bytes, ()).unwrap();
    rig.run_as(9, async |client| {
        let text = id.to_string();
        assert_eq!(read_all(&client, "blobs.get", (&text,)).await.as_ref(), Ok(&bytes));
        assert_eq!(client.call::<bool>("blobs.has", (&text,)).await, Ok(true));
        assert_eq!(client.call::<u64>("blobs.size", (&text,)).await, Ok(1_000));
        for name in ["blobs.rm", "blobs.want", "blobs.push"] {
            let refused = client.call::<Value>(name, (&text,)).await.unwrap_err().to_string();
            assert!(refused.ends_with("is not in list of allowed methods"), "{refused}");
        }
        assert!(client.sink("blobs.add", ()).await.unwrap().finish().await.is_err());
        assert!(read_all(&client, "blobs.ls", ()).await.is_err());
    });
    assert!(rig.has(&id));
}

#[test]
fn changes_are_told_as_they_come() {
    let rig = Rig::new(1, &[]);
    let (old, _) = blob(1, 10);
    let (bytes, id) = blob(2, 20);
    rig.add(&old, ()).unwrap();
    rig.run(async |client| {
        let mut changes = client.source("blobs.changes", ()).await.unwrap();
        let mut live = client.source("blobs.ls", (json!({ "live": true, "long": true }),)).await.unwrap();
        let listed = live.next().await.unwrap().unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&listed.bytes).unwrap()["size"], 10);
        let synced = live.next().await.unwrap().unwrap();
        assert_eq!(synced.bytes, r#"{"sync":true}"#);
        let mut sink = client.sink("blobs.add", ()).await.unwrap();
        sink.send(&bytes[..]).await.unwrap();
        sink.finish().await.unwrap();
        assert_eq!(changes.next().await.unwrap().unwrap().bytes, id.to_string());
        let told: Value = serde_json::from_slice(&live.next().await.unwrap().unwrap().bytes).unwrap();
        assert_eq!((&told["id"], &told["size"]), (&json!(id.to_string()), &json!(20)));
        let more: Vec<_> = (0..3).map(|_| client.source("blobs.changes", ())).collect();
        let mut held = Vec::new();
        for stream in more {
            held.push(stream.await.unwrap());
        }
        assert!(read_all(&client, "blobs.changes", ()).await.is_err(), "four are enough");
    });
}

/// Waits in threads of their own for blobs on `rig`, adds them on `from` meanwhile, and compares.
fn travel(from: &Rig, rig: &Rig, blobs: &[(Vec<u8>, BlobId)]) {
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            for (_, id) in blobs {
                assert_eq!(rig.call("blobs.want", (id.to_string(),)), Ok(json!(true)));
            }
        });
        for (bytes, id) in blobs {
            from.add(bytes, (id.to_string(),)).unwrap();
        }
        waiting.join().unwrap();
    });
    for (bytes, id) in blobs {
        assert_eq!(rig.read("blobs.get", (id.to_string(),)).as_ref(), Ok(bytes));
    }
}

#[test]
fn a_blob_travels_through_a_pub_that_sympathises() {
    for shards in [1, 2] {
        let many = |options: &mut push_mux::ssb::PubOptions| options.serve.shards = Some(shards);
        let between = Rig::with(3, &[], many);
        let from = Rig::with(1, &[&between.address], many);
        let rig = Rig::with(2, &[&between.address], many);
        let blobs: Vec<_> = (1..).zip(SIZES).map(|(mark, size)| blob(mark, size)).collect();
        travel(&from, &rig, &blobs);
        assert!(blobs.iter().all(|(_, id)| between.has(id)), "who sympathises keeps what it fetched");
        // What was there before the want is found too.
        let (bytes, id) = blob(77, 5_000);
        from.add(&bytes, ()).unwrap();
        assert_eq!(rig.call("blobs.want", (id.to_string(),)), Ok(json!(true)));
    }
}

#[test]
fn a_remote_has_is_a_want() {
    let from = Rig::new(1, &[]);
    let rig = Rig::new(2, &[&from.address]);
    let (bytes, id) = blob(1, 10_000);
    from.add(&bytes, ()).unwrap();
    rig.run_as(9, async |client| {
        let asked = client.call::<Vec<bool>>("blobs.has", ([id.to_string()],)).await;
        // Sympathy may be quick, not that quick: a want takes a round trip to the other pub.
        assert_eq!(asked, Ok(vec![false]));
    });
    // The stranger is gone, and what it wanted is on its way or forgotten; one that stays gets it.
    rig.run_as(9, async |client| {
        while client.call::<bool>("blobs.has", (id.to_string(),)).await != Ok(true) {
            glommio::timer::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    assert_eq!(rig.read("blobs.get", (id.to_string(),)), Ok(bytes));
}

#[test]
fn a_pushed_blob_is_taken_by_three_also_after_a_restart() {
    let (bytes, id) = blob(1, 10_000);
    let from = Rig::new(1, &[]);
    from.add(&bytes, ()).unwrap();
    assert_eq!(from.call("blobs.push", (id.to_string(),)), Ok(json!(true)));
    let first = Rig::new(2, &[&from.address]);
    eventually("the blob", || first.has(&id));
    let from = Rig::within(from.stop(), 1, &[], |_| {});
    let others = [3, 4, 5].map(|number| Rig::new(number, &[&from.address]));
    for rig in &others {
        eventually("the blob", || rig.has(&id));
    }
    // Three have it: nobody who comes now is asked to take it.
    let late = Rig::new(6, &[&from.address]);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(!late.has(&id));
}

#[test]
fn the_quota_is_kept_and_what_the_owner_added_stays() {
    let quota = 100_000;
    let from = Rig::new(1, &[]);
    let rig = Rig::with(2, &[&from.address], |options| options.blobs_bytes_max = quota);
    let (own, own_id) = blob(1, 40_000);
    rig.add(&own, ()).unwrap();
    let blobs: Vec<_> = (2..=6).map(|mark| blob(mark, 30_000)).collect();
    for (bytes, id) in &blobs {
        from.add(bytes, ()).unwrap();
        assert_eq!(rig.call("blobs.want", (id.to_string(),)), Ok(json!(true)));
        // Uses are told apart by their time.
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let have: Vec<_> = blobs.iter().map(|(_, id)| rig.has(id)).collect();
    assert_eq!(have, [false, false, false, true, true]);
    assert!(rig.has(&own_id));
    let (large, large_id) = blob(9, 70_000);
    let error = rig.add(&large, ()).unwrap_err().to_string();
    assert!(error.contains("100000 bytes"), "{error}");
    assert!(rig.has(&own_id) && !rig.has(&large_id));
}
