//! Calls of every kind, and what callers are told when they fit nothing.

use crate::rig::{BACKENDS, Rig, options};
use push_mux::{
    Body, Call, CallError, Client, ClientOptions, Json, Plugin, RecvStream, Router, SendStream,
    mux::Outgoing, runtime::ServeOptions, wire::BodyKind,
};
use std::{cell::Cell, rc::Rc};

async fn hello(call: Call) -> Result<String, CallError> {
    Ok(format!("hello, {}!", call.arg::<String>(0)?))
}

async fn count(call: Call, tx: &mut SendStream) -> Result<(), CallError> {
    for number in 1..=call.arg::<u32>(0)? {
        tx.send(Json(number).body()?).await?;
    }
    Ok(())
}

async fn total(_call: Call, rx: &mut RecvStream) -> Result<(), CallError> {
    let mut bytes = 0;
    while let Some(body) = rx.next().await {
        bytes += body?.bytes.len();
    }
    if bytes == 0 { Err(CallError::new("nothing came")) } else { Ok(()) }
}

async fn echo(_call: Call, tx: &mut SendStream, rx: &mut RecvStream) -> Result<(), CallError> {
    while let Some(body) = rx.next().await {
        tx.send(body?).await?;
    }
    Ok(())
}

fn router() -> Router {
    Router::new()
        .on_async("hello", hello)
        .on_source("count", count)
        .on_sink("total", total)
        .on_duplex("echo", echo)
}

async fn numbers(client: &Client, n: u32) -> Vec<u32> {
    let mut rx = client.source("count", (n,)).await.expect("it is sent");
    let mut all = Vec::new();
    while let Some(body) = rx.next().await {
        all.push(serde_json::from_slice(&body.expect("no error comes").bytes).expect("a number"));
    }
    all
}

#[test]
fn every_kind_works_on_every_backend_and_transport() {
    let folder = tempfile::tempdir().expect("there is a place for it");
    let unix = format!("unix:{}", folder.path().join("mux.sock").display());
    for backend in BACKENDS {
        for address in ["net:127.0.0.1:0", unix.as_str()] {
            let rig = Rig::with(address, ServeOptions { backend, ..options() }, |_| router());
            rig.run(async |client| {
                assert_eq!(client.call::<String>("hello", ("world",)).await, Ok("hello, world!".to_owned()));
                assert_eq!(numbers(&client, 5000).await, (1..=5000).collect::<Vec<_>>());
                let mut sink = client.sink("total", 5).await.expect_err("a number is no array");
                assert!(sink.to_string().contains("array"), "{sink}");
                let mut fed = client.sink("total", ()).await.expect("it is sent");
                fed.send(&b"four"[..]).await.expect("the stream is open");
                assert_eq!(fed.finish().await, Ok(()));
                let unfed = client.sink("total", ()).await.expect("it is sent");
                sink = unfed.finish().await.expect_err("nothing was sent");
                assert_eq!(sink.to_string(), "nothing came");
                client.close().await;
            });
        }
    }
}

#[test]
fn a_duplex_gives_every_body_back_in_its_kind() {
    let rig = Rig::new(|_| router());
    rig.run(async |client| {
        let (mut tx, mut rx) = client.duplex("echo", ()).await.expect("it is sent");
        let bodies = [Body::binary(vec![7; 100_000]), Body::text("täxt"), Body::json("{\"a\":[1]}")];
        for body in &bodies {
            tx.send(body.clone()).await.expect("the stream is open");
            assert_eq!(rx.next().await, Some(Ok(body.clone())));
        }
        tx.send("").await.expect("the empty text goes as JSON");
        assert_eq!(rx.next().await, Some(Ok(Body::json("\"\""))));
        tx.send(&[][..]).await.expect_err("an empty body would be goodbye");
        tx.finish();
        assert_eq!(rx.next().await, None);
    });
}

#[test]
fn what_fits_nothing_is_answered_with_the_words_peers_test_for() {
    let rig = Rig::new(|_| router());
    rig.run(async |client| {
        let told = |error: CallError| error.to_string();
        let unknown = client.call_body("room.metadata", ()).await.map_err(told);
        assert_eq!(unknown, Err("method:room,metadata is not in list of allowed methods".to_owned()));
        let mut source = client.source("nope", ()).await.expect("it is sent");
        let ended = source.next().await.expect("it ends").expect_err("with an error");
        assert_eq!(CallError::from(ended).to_string(), "method:nope is not in list of allowed methods");
        let wrong = client.call_body("count", [1]).await.map_err(told);
        assert_eq!(wrong, Err("count is of kind source, but was called as \"async\"".to_owned()));
        let missing = client.call_body("hello", ()).await.map_err(told);
        assert_eq!(missing, Err("argument 0 of hello: it is missing".to_owned()));
        let misfit = client.call_body("hello", (1,)).await.map_err(told);
        assert_eq!(
            misfit,
            Err("argument 0 of hello: invalid type: integer `1`, expected a string".to_owned())
        );
    });
}

#[test]
fn the_manifest_lists_what_is_registered_and_allowed() {
    let rig = Rig::new(|_| router().plugin(Nested::default()));
    rig.run(async |client| {
        let manifest = client.manifest().await.expect("there is one").to_json();
        let wanted = r#"{"control":"duplex","count":"source","echo":"duplex","hello":"async","manifest":"sync","nested":{"served":"async"},"total":"sink"}"#;
        assert_eq!(manifest, wanted);
    });
}

/// A plugin with state that is not `Send`.
#[derive(Default)]
struct Nested {
    served: Cell<u32>,
}

impl Plugin for Nested {
    const NAME: &'static str = "nested";

    fn routes(self: Rc<Self>, routes: Router) -> Router {
        routes.on_async("served", async move |_call: Call| {
            self.served.set(self.served.get() + 1);
            Ok(self.served.get())
        })
    }
}

#[test]
fn a_plugin_keeps_its_state_across_connections_of_a_shard() {
    let rig = Rig::new(|_| Router::new().plugin(Nested::default()));
    for served in 1..=3 {
        let count = rig.run(async |client| client.call::<u32>("nested.served", ()).await);
        assert_eq!(count, Ok(served));
    }
}

#[test]
fn permissions_change_while_the_connection_lives() {
    let rig = Rig::new(|_| {
        router().on_async("lock", async |call: Call| {
            call.permissions().deny_only(["hello"]);
            Ok(true)
        })
    });
    rig.run(async |client| {
        assert!(client.call::<String>("hello", ("a",)).await.is_ok());
        assert_eq!(client.call::<bool>("lock", ()).await, Ok(true));
        let refused = client.call::<String>("hello", ("a",)).await.expect_err("it is denied now");
        assert_eq!(refused.to_string(), "method:hello is not in list of allowed methods");
        let manifest = client.manifest().await.expect("there is one");
        assert_eq!(manifest.kind("hello"), None);
        // Another connection has lists of its own.
        let other = rig.connect().await;
        assert!(other.call::<String>("hello", ("a",)).await.is_ok());
    });
}

#[test]
fn a_server_calls_its_client_back() {
    let rig = Rig::new(|_| {
        Router::new().on_async("ask-me", async |call: Call| {
            let reply = call.connection().request(Body::json(r#"{"name":["name"],"args":[]}"#)).await?;
            let name = reply.map_err(|error| CallError::new(format!("{error:?}")))?;
            Ok(format!("you are {}", String::from_utf8_lossy(&name.bytes)))
        })
    });
    let reply = push_mux::block_on(async {
        let router = Router::new().on_async("name", async |_call: Call| Ok("carol"));
        let options = ClientOptions { router, ..ClientOptions::default() };
        let client = Client::connect_with(&rig.address, options).await.expect("the server listens");
        client.call::<String>("ask-me", ()).await
    });
    assert_eq!(reply.expect("the machine is fit"), Ok("you are \"carol\"".to_owned()));
}

#[test]
fn many_calls_and_streams_share_a_connection() {
    let rig = Rig::new(|_| router());
    rig.run(async |client| {
        let mut tasks = Vec::new();
        for n in 0..200 {
            let client = client.clone();
            tasks.push(glommio::spawn_local(async move {
                assert_eq!(numbers(&client, n).await.len(), n as usize);
                client.call::<String>("hello", (n.to_string(),)).await.expect("it is answered")
            }));
        }
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await, format!("hello, {n}!"));
        }
        // The last of them let go of their streams; the driver frees what is left.
        client.call::<String>("hello", ("x",)).await.expect("it is answered");
        assert_eq!(client.connection().inspect(|session| session.streams_open()), 0);
    });
}

#[test]
fn text_and_binary_replies_are_read_as_they_are() {
    let rig = Rig::new(|_| {
        Router::new().on_async("text", async |_call: Call| Ok(Body::text("plain"))).on_source(
            "mixed",
            async |_call: Call, tx: &mut SendStream| {
                tx.send("text").await?;
                tx.send(Outgoing::borrowed(BodyKind::Json, b"null")).await?;
                tx.send(vec![1, 2]).await?;
                Err(CallError::new("and out"))
            },
        )
    });
    rig.run(async |client| {
        assert_eq!(client.call::<String>("text", ()).await, Ok("plain".to_owned()));
        let mut rx = client.source("mixed", ()).await.expect("it is sent");
        assert_eq!(rx.next().await, Some(Ok(Body::text("text"))));
        assert_eq!(rx.next().await, Some(Ok(Body::json("null"))));
        assert_eq!(rx.next().await, Some(Ok(Body::binary(vec![1, 2]))));
        let ended = rx.next().await.expect("it ends").expect_err("with an error");
        assert_eq!(CallError::from(ended).to_string(), "and out");
        assert!(rx.next().await.is_none());
    });
}
