//! Who may come in and what they may call, decided by key.

use crate::{
    raw::keypair,
    rig::{Rig, as_peer, counting, options, secret},
};
use push_mux::{
    Access, Call, Client, ClientOptions, Error, PublicKey, Router, Server,
    runtime::{Blocklist, ConnectOptions, Credentials, ServeOptions},
    secret::NetworkKey,
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

fn router() -> Router {
    counting()
        .on_async("who", async |call: Call| Ok(call.peer().key.map(|key| key.to_string())))
        .on_async("room.metadata", async |_call: Call| Ok(true))
        .on_async("room.register", async |_call: Call| Ok(true))
}

/// Which of the router's methods a client is told of, and may call.
async fn allowed(client: &Client) -> Vec<&'static str> {
    let manifest = client.manifest().await.expect("it may always be asked for");
    let mut allowed = Vec::new();
    for method in ["counts", "who", "room.metadata", "room.register"] {
        let called = client.call_body(method, ()).await;
        assert_eq!(called.is_ok(), manifest.kind(method).is_some(), "{method}: {called:?}");
        if called.is_ok() {
            allowed.push(method);
        }
    }
    allowed
}

fn is_refused(joined: push_mux::Result<Client>) {
    let error = joined.map(drop).expect_err("it is refused");
    assert!(matches!(&error, Error::Handshake { reason, .. } if reason.contains("hung up")), "{error}");
}

#[test]
fn each_key_has_the_access_it_is_given() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let tweak = |server: Server| {
        server.anonymous(["room.metadata", "who"]).authorise(move |peer| {
            told.lock().expect("nobody panicked").push(peer.clone());
            match peer.key {
                None if peer.is_owner => Access::Full,
                Some(key) if key == keypair(2).public() => Access::Refuse,
                Some(key) if key == keypair(3).public() => Access::Only(vec!["room".to_owned()]),
                Some(key) if key == keypair(4).public() => Access::Full,
                _ => Access::Anonymous,
            }
        })
    };
    let rig = Rig::secret(secret(), tweak, |_| router());
    rig.within(async || {
        is_refused(rig.join(2).await);
        let only = rig.join(3).await.expect("it may come in");
        assert_eq!(allowed(&only).await, ["room.metadata", "room.register"]);
        let full = rig.join(4).await.expect("it may come in");
        assert_eq!(allowed(&full).await, ["counts", "who", "room.metadata", "room.register"]);
        let anonymous = rig.join(5).await.expect("it may come in");
        assert_eq!(allowed(&anonymous).await, ["who", "room.metadata"]);
        assert_eq!(anonymous.call("who", ()).await, Ok(keypair(5).public().to_string()));
        assert_eq!(anonymous.connection().peer().key, Some(keypair(1).public()), "whom it dialled");
    });
    rig.await_count("handshake_refused", 1);
    let seen = seen.lock().expect("nobody panicked");
    let keys: Vec<Option<PublicKey>> = seen.iter().take(4).map(|peer| peer.key).collect();
    assert_eq!(keys, [2, 3, 4, 5].map(|number| Some(keypair(number).public())));
    assert!(seen[..4].iter().all(|peer| peer.address.starts_with("127.0.0.1:") && !peer.is_owner));
    assert!(seen[4..].iter().all(|peer| peer.key.is_none() && peer.is_owner), "the one beside is ours");
}

#[test]
fn a_refused_peer_reaches_no_handler() {
    let reached = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reached);
    let tweak = |server: Server| {
        server.authorise(|peer| if peer.key.is_some() { Access::Refuse } else { Access::Full }).permissions(
            move |connection, _| {
                count.fetch_add(usize::from(connection.peer().key.is_some()), Ordering::SeqCst);
            },
        )
    };
    let rig = Rig::secret(secret(), tweak, |_| router());
    rig.within(async || {
        for number in 2..7 {
            is_refused(rig.join(number).await);
        }
    });
    rig.await_count("handshake_refused", 5);
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[test]
fn a_hook_that_panics_costs_its_peer_the_connection() {
    let tweak = |server: Server| {
        server.authorise(|peer| {
            assert_ne!(peer.key, Some(keypair(2).public()));
            Access::Full
        })
    };
    let rig = Rig::secret(secret(), tweak, |_| router());
    rig.within(async || {
        is_refused(rig.join(2).await);
        rig.join(3).await.expect("the shard lives on").call_body("who", ()).await.expect("it is served");
    });
    rig.await_count("handshake_panicked", 1);
}

#[test]
fn peers_of_other_networks_do_not_meet() {
    let rig = Rig::secret(secret(), |server| server, |_| router());
    rig.within(async || {
        let own = Credentials { network: NetworkKey::new([9; 32]), ..Credentials::new(keypair(2)) };
        let connect = ConnectOptions { credentials: Some(own), ..ConnectOptions::default() };
        let options = ClientOptions { connect, ..ClientOptions::default() };
        let error =
            Client::connect_with(&rig.address, options).await.map(drop).expect_err("no common network");
        assert!(matches!(error, Error::Handshake { .. }), "{error}");
        let elsewhere = rig.address.to_string();
        let key = keypair(1).public().to_base64();
        let elsewhere =
            elsewhere.replace(&key, &keypair(99).public().to_base64()).parse().expect("an address");
        is_refused(Client::connect_with(&elsewhere, as_peer(2)).await);
    });
    rig.await_count("handshake_client_hello_network", 1);
    rig.await_count("handshake_client_auth_box", 1);
}

#[test]
fn a_plain_listener_asks_too() {
    let server = Server::bind("net:127.0.0.1:0").expect("it is free").authorise(|peer| {
        assert!(peer.key.is_none() && !peer.is_owner);
        Access::Only(vec!["who".to_owned()])
    });
    let rig = Rig::serve(server, options(), |_| router());
    rig.run(async |client| assert_eq!(allowed(&client).await, ["who"]));
}

#[test]
fn a_block_ends_every_connection_of_an_identity() {
    let blocklist = Blocklist::default();
    let shards = thread::available_parallelism().map_or(1, |count| count.get().min(2));
    let options = ServeOptions { blocklist: blocklist.clone(), shards: Some(shards), ..secret() };
    let rig = Rig::secret(
        options,
        |server| server,
        |_| router().on_async("shard", async |call: Call| Ok(call.shard().index())),
    );
    let bad = keypair(2).public();
    rig.within(async || {
        let (mut all, mut spread) = (Vec::new(), vec![0; shards]);
        // In pairs, so that each shard has some of both.
        for number in [2, 2, 3, 3, 2, 2, 3, 3] {
            let client = rig.join(number).await.expect("it may come in");
            let shard: usize = client.call("shard", ()).await.expect("it is served");
            spread[shard] += 1;
            all.push((number, client));
        }
        assert!(spread.iter().all(|count| *count > 0), "{spread:?}");
        let blocking = blocklist.clone();
        thread::spawn(move || blocking.block(bad)).join().expect("no panic");
        for (number, client) in &all {
            if *number == 2 {
                client.connection().closed().await;
                client.call_body("who", ()).await.expect_err("it is cut off");
            }
        }
        is_refused(rig.join(2).await);
        for (number, client) in &all {
            if *number == 3 {
                assert_eq!(client.call("who", ()).await, Ok(keypair(3).public().to_string()));
            }
        }
        blocklist.unblock(&bad);
        let back = rig.join(2).await.expect("it may come in again");
        assert_eq!(back.call("who", ()).await, Ok(bad.to_string()));
    });
}
