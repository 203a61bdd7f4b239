//! `createHistoryStream` as any peer may ask for it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use push_mux::{CallError, Client};
use serde_json::{Value, json};

/// A server with one feed of ten messages; killed at the end.
struct Server {
    child: Child,
    address: String,
}

/// Starts a server of the load generator, with so many messages to serve.
pub(crate) fn serve(messages: Option<u64>) -> (Child, String) {
    let options = json!({
        "address": "net:127.0.0.1:0",
        "cores": [],
        "connections_max": 64,
        "streams_max": 64,
        "receive_max": 1 << 20,
        "receive_shard_max": 1 << 20,
        "settings": {},
        "feeds": messages.map(|messages| json!({ "file": null, "messages": messages, "seed": 1 })),
    });
    let mut child = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["serve", &options.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program was built for this test");
    let mut first = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut first).expect("a line");
    let ready: Value = serde_json::from_str(&first).expect("an object");
    (child, ready["address"].as_str().expect("an address").to_owned())
}

impl Server {
    fn start() -> Self {
        let (child, address) = serve(Some(10));
        Self { child, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

async fn ask(client: &Client, query: Value) -> Result<Vec<Value>, CallError> {
    let mut rx = client.source("createHistoryStream", [query]).await?;
    let mut all = Vec::new();
    while let Some(body) = rx.next().await {
        all.push(serde_json::from_slice(&body?.bytes).expect("JSON"));
    }
    Ok(all)
}

/// The id of the one feed: what is made up with the seed 1.
async fn author(client: &Client) -> String {
    // Made up from the same seed for ever; asking a second program for it keeps this test free of its value.
    let feeds: Vec<String> = client.call("feeds", [(); 0]).await.expect("the ids of the feeds");
    feeds[0].clone()
}

#[test]
fn every_option_has_its_effect() {
    let server = Server::start();
    let address = server.address.clone();
    push_mux::block_on(async move {
        let client = Client::connect(&address).await.expect("it listens");
        let id = author(&client).await;
        let sequences = async |query: Value| -> Vec<u64> {
            let mut query = query;
            query["id"] = id.as_str().into();
            query["keys"] = false.into();
            let all = ask(&client, query).await.expect("a feed");
            all.iter().map(|message| message["sequence"].as_u64().expect("a number")).collect()
        };
        assert_eq!(sequences(json!({})).await, (1..=10).collect::<Vec<_>>());
        assert_eq!(sequences(json!({ "sequence": 9 })).await, [9, 10]);
        assert_eq!(sequences(json!({ "seq": 9, "limit": 1 })).await, [9]);
        assert_eq!(sequences(json!({ "limit": -1 })).await.len(), 10);
        assert!(sequences(json!({ "old": false })).await.is_empty());
        // A live stream that has all it may have ends by itself.
        assert_eq!(sequences(json!({ "live": true, "limit": 3 })).await, [1, 2, 3]);

        let stored = ask(&client, json!({ "id": id, "limit": 2 })).await.expect("a feed");
        assert_eq!(stored[1]["value"]["previous"], stored[0]["key"]);
        assert!(stored[0]["timestamp"].is_number());
        let keys = ask(&client, json!({ "id": id, "limit": 1, "values": false })).await.expect("a feed");
        assert_eq!(keys, [stored[0]["key"].clone()]);
        assert!(ask(&client, json!({ "id": "@nobody" })).await.expect("no feed is no error").is_empty());
        client.close().await;
    })
    .expect("an executor");
}

#[test]
fn a_live_stream_stays_open_until_it_is_dropped() {
    let server = Server::start();
    let address = server.address.clone();
    push_mux::block_on(async move {
        let client = Client::connect(&address).await.expect("it listens");
        let id = author(&client).await;
        let mut rx =
            client.source("createHistoryStream", [json!({ "id": id, "live": true })]).await.expect("sent");
        for _ in 0..10 {
            rx.next().await.expect("a message").expect("no error");
        }
        let more = futures_lite::future::or(async { Some(rx.next().await) }, async {
            // An answer to a later call shows that the stream had its chance to end.
            client.call::<Value>("stats", [(); 0]).await.expect("an answer");
            None
        });
        assert_eq!(more.await, None);
        drop(rx);
        client.close().await;
    })
    .expect("an executor");
}

#[test]
fn a_call_that_makes_no_sense_is_answered_with_the_reason() {
    let server = Server::start();
    let address = server.address.clone();
    push_mux::block_on(async move {
        let client = Client::connect(&address).await.expect("it listens");
        for (query, reason) in [
            (json!({}), "needs the id"),
            (json!(null), "needs the id"),
            (json!({ "id": 7 }), "argument 0 of createHistoryStream"),
            (json!({ "id": "@a", "seq": 1, "sequence": 2 }), "different"),
        ] {
            let error = ask(&client, query.clone()).await.expect_err("an error").to_string();
            assert!(error.contains(reason), "{query}: {error}");
        }
        client.close().await;
    })
    .expect("an executor");
}
