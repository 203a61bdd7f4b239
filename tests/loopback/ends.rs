//! Shutdown and goodbye.

use crate::rig::{Rig, options};
use glommio::timer::sleep;
use push_mux::{Call, CallError, RecvStream, Router, SendStream, mux::SessionError, runtime::ServeOptions};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

#[test]
fn a_shutdown_lets_work_at_hand_finish() {
    let long = ServeOptions { drain_max: Duration::from_secs(30), ..options() };
    let rig = Rig::with("net:127.0.0.1:0", long, |_| {
        Router::new().on_async("slow", async |_call: Call| {
            sleep(Duration::from_millis(300)).await;
            Ok("done")
        })
    });
    let shutdown = rig.shutdown();
    rig.run(async |client| {
        let asking = client.clone();
        let slow = glommio::spawn_local(async move { asking.call::<String>("slow", ()).await });
        client.manifest().await.expect("the call before it has arrived too");
        shutdown.ask();
        assert_eq!(slow.await, Ok("done".to_owned()));
        assert_eq!(client.connection().closed().await, SessionError::Goodbye);
    });
}

#[test]
fn a_shutdown_ends_streams_that_do_not_end_themselves() {
    let rig = Rig::new(|_| {
        Router::new().on_source("ticks", async |_call: Call, tx: &mut SendStream| {
            loop {
                tx.send("tick").await?;
                sleep(Duration::from_millis(1)).await;
            }
        })
    });
    let shutdown = rig.shutdown();
    rig.run(async |client| {
        let mut rx = client.source("ticks", ()).await.expect("it is sent");
        assert!(rx.next().await.is_some());
        shutdown.ask();
        let ended = loop {
            match rx.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => break CallError::from(error).to_string(),
                None => panic!("an end that nobody meant looks like one that somebody did"),
            }
        };
        assert_eq!(ended, "unexpected end of parent stream");
    });
    rig.stop().expect("the server ends well");
}

#[test]
fn what_arrived_before_goodbye_is_still_read() {
    let totals = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&totals);
    let rig = Rig::new(move |_| {
        let seen = Arc::clone(&seen);
        Router::new().on_sink("collect", async move |_call: Call, rx: &mut RecvStream| {
            let mut bytes = 0;
            while let Some(body) = rx.next().await {
                bytes += body?.bytes.len();
            }
            seen.lock().expect("nobody panicked").push(bytes);
            Ok(())
        })
    });
    rig.run(async |client| {
        let mut sink = client.sink("collect", ()).await.expect("it is sent");
        for _ in 0..1000 {
            sink.send(&[7; 100][..]).await.expect("the stream is open");
        }
        sink.finish().await.expect("all was read");
        client.close().await;
    });
    rig.stop().expect("the server ends well");
    assert_eq!(*totals.lock().expect("nobody panicked"), [100_000]);
}

#[test]
fn connections_are_spread_evenly_over_shards() {
    let rig = Rig::with("net:127.0.0.1:0", ServeOptions { shards: Some(2), ..options() }, |shard| {
        let index = shard.index();
        Router::new().on_async("shard", async move |_call: Call| Ok(index))
    });
    rig.run(async |first| {
        let mut clients = vec![first];
        for _ in 0..7 {
            clients.push(rig.connect().await);
        }
        let mut spread = BTreeMap::new();
        for client in &clients {
            let shard: usize = client.call("shard", ()).await.expect("it is answered");
            *spread.entry(shard).or_insert(0) += 1;
        }
        assert_eq!(spread, BTreeMap::from([(0, 4), (1, 4)]));
    });
}
