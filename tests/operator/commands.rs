//! The commands for a server, against one whose answers are known.

use crate::{push_mux, told};
use push_mux::{
    Address, Call, CallError, Json, RecvStream, Router, SendStream, Server,
    runtime::{ServeOptions, Shutdown},
};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

/// A server that writes down what it is asked.
struct Rig {
    dir: tempfile::TempDir,
    asked: Asked,
    shutdown: Shutdown,
    thread: Option<JoinHandle<push_mux::Result<()>>>,
}

#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<Value>>>);

impl Asked {
    fn note(&self, value: Value) {
        self.0.lock().expect("no test panicked").push(value);
    }

    fn take(&self) -> Vec<Value> {
        std::mem::take(&mut self.0.lock().expect("no test panicked"))
    }
}

async fn send_all(tx: &mut SendStream, values: &[Value]) -> Result<(), CallError> {
    for value in values {
        tx.send(Json(value).body()?).await?;
    }
    Ok(())
}

fn router(asked: Asked) -> Router {
    let (invited, logged, told, imported, published) =
        (asked.clone(), asked.clone(), asked.clone(), asked.clone(), asked);
    Router::new()
        .on_async("invite.create", async move |call: Call| {
            invited.note(call.arg(0)?);
            Ok("pub.example.org:8008:@KEY=.ed25519~SEED=")
        })
        .on_source("conn.peers", async |_call: Call, tx: &mut SendStream| {
            send_all(tx, &[json!([["net:a:1~shs:k", { "key": "@k", "state": "connected" }]])]).await?;
            // It tells of changes as long as anybody listens.
            std::future::pending().await
        })
        .on_source("feeds", async |_call: Call, tx: &mut SendStream| {
            let near = json!({ "id": "@a", "sequence": 12, "hops": 0 });
            send_all(tx, &[near, json!({ "id": "@b", "sequence": 3, "hops": 1, "lag": 40 })]).await
        })
        .on_async("status", async |_call: Call| Ok(json!({ "id": "@me", "store": { "full": false } })))
        .on_source("createLogStream", async move |call: Call, tx: &mut SendStream| {
            logged.note(call.arg(0)?);
            let many: Vec<_> = (0..2000).map(|n| json!({ "key": "%x", "value": { "n": n } })).collect();
            send_all(tx, &many).await
        })
        .on_source("createHistoryStream", async move |call: Call, tx: &mut SendStream| {
            told.note(call.arg(0)?);
            send_all(tx, &[json!({ "key": "%one" })]).await
        })
        .on_sink("feeds.import", async move |_call: Call, rx: &mut RecvStream| {
            while let Some(body) = rx.next().await {
                let value: Value = serde_json::from_slice(&body?.bytes)
                    .map_err(|error| CallError::new(error.to_string()))?;
                if value == json!({ "bad": true }) {
                    return Err(CallError::new("the signature of message 2 is wrong"));
                }
                imported.note(value);
            }
            Ok(())
        })
        .on_async("publish", async move |call: Call| {
            published.note(call.arg(0)?);
            Ok(json!({ "key": "%new" }))
        })
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("there is a place for it");
        let address: Address = format!("unix:{}/socket", dir.path().display()).parse().expect("it is one");
        let options = ServeOptions { shards: Some(1), handles_signals: false, ..ServeOptions::default() };
        let server = Server::bind_all(&[address]).expect("nobody listens there").options(options);
        let (shutdown, asked) = (server.shutdown(), Asked::default());
        let own = asked.clone();
        let thread = thread::spawn(move || server.serve(move |_| router(own.clone())));
        Self { dir, asked, shutdown, thread: Some(thread) }
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Runs a command that must do well; yields what it printed.
    fn run(&self, args: &[&str]) -> String {
        let mut command = push_mux(self.dir());
        let (out, code, error) =
            told(&command.args(args).arg("--dir").arg(self.dir()).output().expect("it runs"));
        assert_eq!(code, Some(0), "{args:?}: {error}");
        out
    }

    /// Runs a command that must fail; yields its complaint.
    fn fail(&self, args: &[&str]) -> String {
        let mut command = push_mux(self.dir());
        let (out, code, error) =
            told(&command.args(args).arg("--dir").arg(self.dir()).output().expect("it runs"));
        assert_eq!((out.as_str(), code), ("", Some(1)), "{args:?}: {error}");
        error
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.shutdown.ask();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn invites_are_made_and_printed() {
    let rig = Rig::new();
    assert_eq!(rig.run(&["invite", "create"]), "pub.example.org:8008:@KEY=.ed25519~SEED=\n");
    assert_eq!(rig.asked.take(), [json!({ "uses": 1 })]);
    rig.run(&["invite", "create", "--uses", "5", "--note", "the club", "--external", "b.example"]);
    assert_eq!(rig.asked.take(), [json!({ "uses": 5, "note": "the club", "external": "b.example" })]);
}

#[test]
fn peers_feeds_and_status_are_shown_to_people_and_to_programs() {
    let rig = Rig::new();
    assert_eq!(rig.run(&["peers"]), "peer  state      address\n@k    connected  net:a:1~shs:k\n");
    assert_eq!(
        rig.run(&["peers", "--json"]),
        "[[\"net:a:1~shs:k\",{\"key\":\"@k\",\"state\":\"connected\"}]]\n"
    );
    let table = rig.run(&["feeds"]);
    assert!(table.contains("\n@b           3     1   40\n@a          12     0    -\n2 feeds\n"), "{table}");
    let lines = rig.run(&["feeds", "--json"]);
    assert_eq!(lines.lines().next(), Some("{\"hops\":0,\"id\":\"@a\",\"sequence\":12}"));
    assert_eq!(rig.run(&["status"]), "id:    @me\nstore:\n  full: no\n");
    assert_eq!(rig.run(&["status", "--json"]), "{\"id\":\"@me\",\"store\":{\"full\":false}}\n");
}

#[test]
fn messages_go_out_and_come_in_by_the_line() {
    let rig = Rig::new();
    let all = rig.run(&["export"]);
    assert_eq!(all.lines().count(), 2000);
    assert_eq!(all.lines().nth(1999), Some("{\"key\":\"%x\",\"value\":{\"n\":1999}}"));
    assert_eq!(rig.run(&["export", "--feed", "@a=.ed25519"]), "{\"key\":\"%one\"}\n");
    let asked =
        [json!({ "keys": true, "live": false }), json!({ "id": "@a=.ed25519", "keys": true, "live": false })];
    assert_eq!(rig.asked.take(), asked);

    let file = rig.dir().join("messages");
    fs::write(&file, &all).expect("it can be written");
    let said = rig.run(&["import", file.to_str().expect("it is text")]);
    assert_eq!(said, "the server has 2000 messages of this file, those it had before included\n");
    assert_eq!(rig.asked.take().len(), 2000);
    let mut piped = push_mux(rig.dir());
    let piped =
        piped.args(["import", "-", "--dir"]).arg(rig.dir()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut piped = piped.spawn().expect("it runs");
    piped.stdin.take().expect("it is piped").write_all(b"{\"a\":1}\n").expect("it listens");
    let (out, code, _) = told(&piped.wait_with_output().expect("it ends"));
    assert_eq!((code, out.starts_with("the server has 1 message of")), (Some(0), true), "{out}");
    assert_eq!(rig.asked.take(), [json!({ "a": 1 })]);

    fs::write(&file, "{}\n{\"bad\":true}\n{}\n").expect("it can be written");
    assert_eq!(
        rig.fail(&["import", file.to_str().expect("it is text")]),
        "the signature of message 2 is wrong\n"
    );
    fs::write(&file, "{}\nnonsense\n").expect("it can be written");
    let error = rig.fail(&["import", file.to_str().expect("it is text")]);
    assert!(error.starts_with(&format!("{}:2: this is no JSON: ", file.display())), "{error}");
}

#[test]
fn the_own_feed_says_what_it_is_told_to() {
    let rig = Rig::new();
    assert_eq!(rig.run(&["publish", "{\"type\":\"post\",\"text\":\"hi\"}"]), "{\"key\":\"%new\"}\n");
    assert_eq!(rig.asked.take(), [json!({ "type": "post", "text": "hi" })]);
    assert_eq!(rig.fail(&["publish", "[1]"]), "the content is no object with a type\n");
    assert!(rig.fail(&["publish", "hi"]).starts_with("this is no JSON: "));
    let feed = "@AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=.ed25519";
    rig.run(&["block", feed]);
    rig.run(&["unblock", feed]);
    let asked = [
        json!({ "type": "contact", "contact": feed, "blocking": true, "following": false }),
        json!({ "type": "contact", "contact": feed, "blocking": false }),
    ];
    assert_eq!(rig.asked.take(), asked);
}

#[test]
fn a_reader_that_has_enough_ends_an_export_without_complaint() {
    let rig = Rig::new();
    let mut command = push_mux(rig.dir());
    let command =
        command.args(["export", "--dir"]).arg(rig.dir()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut export = command.spawn().expect("it runs");
    drop(export.stdout.take());
    let (_, code, error) = told(&export.wait_with_output().expect("it ends"));
    assert_eq!((code, error.as_str()), (Some(0), ""));
}

#[test]
fn where_no_server_runs_the_remedy_is_told() {
    let home = tempfile::tempdir().expect("there is a place for it");
    let run = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = push_mux(home.path());
        let output = command.args(args).envs(variables.iter().copied()).output().expect("it runs");
        let (out, code, error) = told(&output);
        assert_eq!((out.as_str(), code), ("", Some(1)));
        error
    };
    let default = home.path().join(".local/share/push-mux").display().to_string();
    let remedy = |dir: &str| {
        format!(
            "no server runs in {dir}: nobody listens on unix:{dir}/socket. Start one with `push-mux serve --dir {dir}`, or name \
             another with --dir or --server\n"
        )
    };
    assert_eq!(run(&["status"], &[]), remedy(&default));
    assert_eq!(run(&["peers", "--dir", "/nowhere"], &[]), remedy("/nowhere"));
    assert_eq!(run(&["feeds"], &[("PUSH_MUX_DIR", "/else")]), remedy("/else"));
    // A socket that a server left behind when it died.
    let dir = home.path().join("dead");
    fs::create_dir(&dir).expect("it can be made");
    drop(std::os::unix::net::UnixListener::bind(dir.join("socket")).expect("it can be bound"));
    let dir = dir.display().to_string();
    assert_eq!(run(&["invite", "create", "--dir", &dir], &[]), remedy(&dir));
    let elsewhere = run(&["status", "--server", "net:127.0.0.1:1"], &[]);
    assert!(elsewhere.contains("127.0.0.1:1") && !elsewhere.contains("no server runs in"), "{elsewhere}");
}
