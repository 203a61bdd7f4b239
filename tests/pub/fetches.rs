//! Peers that lie, hang up and know less: what is stored is what was wanted, or nothing.

use crate::{
    fakes::{Fake, Manner},
    rig::{Rig, blob, eventually},
};
use futures_lite::FutureExt;
use push_mux::{Address, ssb::BlobId};
use serde_json::json;
use std::{sync::mpsc, time::Duration};

/// Wants blobs as the owner, and waits for them.
fn want(rig: &Rig, ids: &[BlobId]) {
    rig.run(async |client| {
        for id in ids {
            assert_eq!(client.call::<bool>("blobs.want", (id.to_string(),)).await, Ok(true));
        }
    });
}

/// Wants a blob in a thread of its own; says when it has come.
fn want_beside<'a>(scope: &'a std::thread::Scope<'a, '_>, rig: &'a Rig, id: BlobId) -> mpsc::Receiver<()> {
    let (told, hears) = mpsc::channel();
    scope.spawn(move || {
        want(rig, &[id]);
        let _ = told.send(());
    });
    hears
}

#[test]
fn wrong_bytes_are_refused_deleted_and_the_next_peer_is_asked() {
    let blobs: Vec<_> = (1..=8).map(|mark| blob(mark, 100_000)).collect();
    let haves: Vec<_> = blobs.iter().map(|(bytes, id)| (*id, bytes.len())).collect();
    let ids: Vec<_> = blobs.iter().map(|(_, id)| *id).collect();
    // As long as what is wanted, so that only the hash tells.
    let liar = Fake::new(2, &haves, &Manner::Sends(blob(99, 100_000).0));
    let honest = Rig::new(3, &[]);
    for (bytes, _) in &blobs {
        honest.add(bytes, ()).unwrap();
    }
    let rig = Rig::new(1, &[&liar.address]);
    std::thread::scope(|scope| {
        let came = want_beside(scope, &rig, ids[0]);
        eventually("the liar is asked", || !liar.asked().is_empty());
        eventually("what it sent is gone", || rig.files("blobs/tmp") == 0);
        assert!(!rig.has(&ids[0]) && came.try_recv().is_err());
        assert_eq!(rig.call("conn.connect", (honest.address.to_string(),)).map(|_| ()), Ok(()));
    });
    want(&rig, &ids);
    for (bytes, id) in &blobs {
        assert_eq!(rig.read("blobs.get", (id.to_string(),)).as_ref(), Ok(bytes));
    }
    let asked = liar.asked();
    for (bytes, id) in &blobs {
        let whole = json!({ "key": id.to_string(), "max": bytes.len() });
        assert!(asked.iter().filter(|(_, args)| *args == whole).count() <= 1, "once wrong, not asked again");
    }
    assert_eq!(rig.files("blobs/tmp"), 0);
}

#[test]
fn of_two_that_have_it_the_second_serves_what_the_first_does_not() {
    let (bytes, id) = blob(1, 70_000);
    let more = [bytes.clone(), vec![1]].concat();
    let fewer = bytes[..69_999].to_vec();
    for lie in [more, fewer, Vec::new()] {
        let have = [(id, bytes.len())];
        let liar = Fake::new(2, &have, &Manner::Fails(lie.clone()));
        let other = Fake::new(4, &have, &Manner::Sends(lie));
        let honest = Fake::new(3, &have, &Manner::Slices(bytes.clone()));
        let rig = Rig::new(1, &[&liar.address, &other.address, &honest.address]);
        want(&rig, &[id]);
        assert_eq!(rig.read("blobs.get", (id.to_string(),)).as_ref(), Ok(&bytes));
        assert!(!honest.asked().is_empty());
    }
}

/// A pub that has the first 131,072 bytes of a blob from a peer that hung up, and dials these.
fn cut_off(sent: &[u8], id: BlobId, size: usize, connect: &[&Address]) -> Rig {
    let cut = Fake::new(2, &[(id, size)], &Manner::HangsUp(sent.to_vec(), 131_072));
    let rig = Rig::new(1, &[&cut.address]);
    std::thread::scope(|scope| {
        want_beside(scope, &rig, id);
        eventually("it hangs up", || {
            let peers = rig.call("status", ()).expect("it is answered");
            peers["peers"] == 0 && rig.files("blobs/tmp") == 1
        });
        // It comes back otherwise.
        drop(cut);
        for address in connect {
            rig.call("conn.connect", (address.to_string(),)).expect("it is reached");
        }
    });
    rig
}

#[test]
fn a_fetch_goes_on_where_another_peer_hung_up() {
    let (bytes, id) = blob(1, 300_000);
    let whole = Fake::new(3, &[(id, bytes.len())], &Manner::Slices(bytes.clone()));
    let rig = cut_off(&bytes, id, bytes.len(), &[&whole.address]);
    assert_eq!(rig.read("blobs.get", (id.to_string(),)).as_ref(), Ok(&bytes));
    let slice = json!({ "key": id.to_string(), "start": 131_072, "end": 300_000 });
    assert_eq!(whole.asked(), [("getSlice", slice)]);
}

#[test]
fn a_peer_without_slices_is_asked_for_the_whole() {
    let (bytes, id) = blob(1, 300_000);
    let whole = Fake::new(3, &[(id, bytes.len())], &Manner::Sends(bytes.clone()));
    let rig = cut_off(&bytes, id, bytes.len(), &[&whole.address]);
    assert_eq!(rig.read("blobs.get", (id.to_string(),)).as_ref(), Ok(&bytes));
    assert_eq!(whole.asked(), [("get", json!({ "key": id.to_string(), "max": 300_000 }))]);
}

#[test]
fn a_wrong_part_of_one_peer_does_not_fall_back_on_another() {
    let (bytes, id) = blob(1, 300_000);
    let whole = Fake::new(3, &[(id, bytes.len())], &Manner::Slices(bytes.clone()));
    let rig = cut_off(&blob(2, 300_000).0, id, bytes.len(), &[&whole.address]);
    assert_eq!(rig.read("blobs.get", (id.to_string(),)).as_ref(), Ok(&bytes));
    let asked: Vec<_> = whole.asked().into_iter().map(|(name, _)| name).collect();
    assert_eq!(asked, ["getSlice", "get"]);
}

#[test]
fn a_blob_is_there_once_its_bytes_are_though_the_peer_hangs_up_on_it() {
    // As JavaScript peers do after a blob of a multiple of 64 KiB: a frame of no bytes, which ends the session.
    let (bytes, id) = blob(1, 131_072);
    let peer = Fake::new(2, &[(id, bytes.len())], &Manner::HangsUp(bytes.clone(), bytes.len()));
    let rig = Rig::new(1, &[]);
    rig.call("conn.connect", (peer.address.to_string(),)).expect("it is reached");
    want(&rig, &[id]);
    assert_eq!(rig.read("blobs.get", (id.to_string(),)).as_ref(), Ok(&bytes));
    assert_eq!(peer.asked().len(), 1);
}

#[test]
fn what_is_too_large_is_not_asked_for() {
    let (large, small) = (blob(1, 1_000), blob(2, 999));
    let haves = [(large.1, 1_000), (small.1, 999)];
    let peer = Fake::new(2, &haves, &Manner::Sends(small.0));
    let rig = Rig::with(1, &[&peer.address], |options| options.blob_bytes_max = 1_000);
    let (wanted, came) = rig.run(async |client| {
        let ask = client.clone();
        let waiting =
            glommio::spawn_local(async move { ask.call::<bool>("blobs.want", (large.1.to_string(),)).await });
        let came = client.call::<bool>("blobs.want", (small.1.to_string(),)).await;
        let late = async {
            glommio::timer::sleep(Duration::from_millis(300)).await;
            None
        };
        (async { Some(waiting.await) }.or(late).await, came)
    });
    assert_eq!((wanted, came), (None, Ok(true)));
    assert_eq!(peer.asked(), [("get", json!({ "key": small.1.to_string(), "max": 999 }))]);
    assert_eq!(rig.add(&large.0, ()).unwrap_err().to_string(), "Cannot add blob, it's bigger than blobs.max");
    assert_eq!((rig.has(&large.1), rig.files("blobs/tmp")), (false, 0));
}
