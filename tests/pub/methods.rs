//! Methods that an application adds to those of a pub, and the figures of all.

use crate::rig::{Rig, bind, eventually, keypair};
use push_mux::{Call, Json, PublicKey};
use serde_json::{Value, json};
use std::{thread, time::Duration};

#[test]
fn an_application_adds_methods_of_its_own() {
    let dir = tempfile::tempdir().expect("there is a disk");
    let rig = Rig::made(
        dir,
        1,
        &[],
        |_| {},
        |options, listen| {
            bind(options, listen)
                .routes(|shard, router| {
                    let index = shard.index();
                    router
                        .on_async("greet", async |call: Call| {
                            Ok(format!("hello, {}!", call.arg::<String>(0)?))
                        })
                        .on_async("shard", async move |_: Call| Ok(index))
                })
                .anonymous(["greet"])
        },
    );
    assert_eq!(rig.call("shard", ()), Ok(json!(0)), "the owner has all");
    rig.run_as(9, async |client| {
        assert_eq!(client.call::<String>("greet", ("world",)).await.as_deref(), Ok("hello, world!"));
        assert!(client.call::<Value>("whoami", ()).await.is_ok(), "what the pub has stays");
        let refused = client.call::<Value>("shard", ()).await.unwrap_err().to_string();
        assert_eq!(refused, "method:shard is not in list of allowed methods");
    });
}

#[test]
fn calls_are_counted_by_method() {
    let rig = Rig::new(1, &[]);
    rig.run_as(9, async |client| {
        assert!(client.call::<Value>("whoami", ()).await.is_ok());
        assert!(client.call::<Value>("publish", (json!({ "type": "test" }),)).await.is_err());
    });
    let line = "push_mux_calls_total{method=\"whoami\",kind=\"sync\",outcome=\"answered\"} 1\n";
    eventually("the figures", || {
        let page = rig.board.render();
        page.contains(line) && page.contains("push_mux_calls_refused_total 1\n")
    });
}

/// What the owner is told of a feed.
fn listed(rig: &Rig, feed: &PublicKey) -> Value {
    rig.run(async |client| {
        let mut rx = client.source("feeds", ()).await.expect("it is answered");
        while let Some(body) = rx.next().await {
            let entry: Value = serde_json::from_slice(&body.expect("it goes on").bytes).expect("it is JSON");
            if entry["id"] == feed.to_string() {
                return entry;
            }
        }
        panic!("{feed} is not listed");
    })
}

#[test]
fn a_feed_of_which_a_peer_owes_messages_lags() {
    let feed = keypair(7).public();
    let rig = Rig::with(1, &[], |options| options.replicate = vec![feed]);
    rig.run_as(9, async |client| {
        let args = (json!({ "version": 3, "format": "classic" }),);
        let (mut tx, mut rx) = client.duplex("ebt.replicate", args).await.expect("it is answered");
        assert!(rx.next().await.expect("it speaks first").is_ok());
        // Five messages, and more are not wanted.
        tx.send(Json(json!({ feed.to_string(): 5 << 1 | 1 })).body().expect("a body"))
            .await
            .expect("it listens");
        for _ in 0..1_000 {
            glommio::timer::sleep(Duration::from_millis(10)).await;
            // The owner's client has an executor of its own.
            let listed =
                thread::scope(|scope| scope.spawn(|| listed(&rig, &feed)).join().expect("it is listed"));
            if listed["lag"] == 5 {
                assert_eq!((&listed["sequence"], &listed["hops"]), (&json!(0), &json!(0)));
                return;
            }
            assert_eq!(listed["lag"], Value::Null);
        }
        panic!("the lag is not told");
    });
}
