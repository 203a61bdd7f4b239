//! Handlers that panic, peers that vanish, and what is left of them.

use crate::rig::{Rig, open_files, options};
use glommio::timer::sleep;
use push_mux::{Call, CallError, RecvStream, Router, SendStream, Server, runtime::ServeOptions};
use std::{
    future::pending,
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// Counts its own drop.
struct Witness(Arc<AtomicUsize>);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Waits until a count is reached; a hang guard, not a measurement.
fn await_count(count: &AtomicUsize, wanted: usize) {
    for _ in 0..2000 {
        if count.load(Ordering::SeqCst) == wanted {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("{} instead of {wanted}", count.load(Ordering::SeqCst));
}

async fn ok(_call: Call) -> Result<bool, CallError> {
    Ok(true)
}

/// Set for the copy of this program that runs one test alone.
const ALONE: &str = "PUSH_MUX_TEST_ALONE";

#[test]
fn a_panicking_handler_costs_its_connection_and_nothing_else() {
    let rig = Rig::new(|_| {
        Router::new()
            .on_async("ok", ok)
            .on_async("at-once", async |call: Call| -> Result<(), CallError> { panic!("{}", call.method()) })
            .on_async("later", async |call: Call| -> Result<(), CallError> {
                sleep(Duration::from_millis(5)).await;
                panic!("{}", call.method())
            })
            .on_source("source", async |call: Call, tx: &mut SendStream| {
                tx.send("first").await?;
                sleep(Duration::from_millis(5)).await;
                panic!("{}", call.method())
            })
    });
    rig.run(async |bystander| {
        for method in ["at-once", "later"] {
            let victim = rig.connect().await;
            victim.call_body(method, ()).await.expect_err("the connection is lost");
            victim.connection().closed().await;
        }
        let victim = rig.connect().await;
        let mut rx = victim.source("source", ()).await.expect("it is sent");
        while let Some(Ok(_)) = rx.next().await {}
        victim.connection().closed().await;
        assert_eq!(bystander.call::<bool>("ok", ()).await, Ok(true));
    });
    assert!(rig.stop().is_ok(), "no shard died");
}

#[test]
fn an_abort_or_a_lost_connection_drops_the_handlers_future() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&dropped);
    let rig = Rig::new(move |_| {
        let (a, b, c) = (Arc::clone(&counted), Arc::clone(&counted), Arc::clone(&counted));
        Router::new()
            .on_source("stuck", async move |_call: Call, tx: &mut SendStream| {
                let _witness = Witness(Arc::clone(&a));
                tx.send("here").await?;
                pending().await
            })
            .on_async("never", async move |_call: Call| {
                let _witness = Witness(Arc::clone(&b));
                pending::<Result<(), CallError>>().await
            })
            .on_sink("listen", async move |_call: Call, rx: &mut RecvStream| {
                let _witness = Witness(Arc::clone(&c));
                while rx.next().await.is_some() {}
                pending().await
            })
            .on_async("ok", ok)
    });
    rig.run(async |client| {
        let mut rx = client.source("stuck", ()).await.expect("it is sent");
        assert!(rx.next().await.is_some());
        drop(rx);
        client.call::<bool>("ok", ()).await.expect("the session goes on");
        await_count(&dropped, 1);
        // Given up by its caller: the sink's handler is told by an error end.
        let sink = client.sink("listen", ()).await.expect("it is sent");
        drop(sink);
        client.call::<bool>("ok", ()).await.expect("the session goes on");
        await_count(&dropped, 1 + usize::from(dropped.load(Ordering::SeqCst) > 1));
        let waiting = client.clone();
        glommio::spawn_local(async move { waiting.call_body("never", ()).await.is_err() }).detach();
        let mut rx = client.source("stuck", ()).await.expect("it is sent");
        assert!(rx.next().await.is_some());
        client.close().await;
    });
    rig.stop().expect("the server ends well");
    assert!(dropped.load(Ordering::SeqCst) >= 3, "{dropped:?}");
}

#[test]
fn nothing_is_left_of_servers_that_ran() {
    // Files are counted for the process, and other tests of this one open them too: so it runs in one of its own.
    if std::env::var_os(ALONE).is_none() {
        let name = "faults::nothing_is_left_of_servers_that_ran";
        let mut again = std::process::Command::new(std::env::current_exe().expect("this program has a path"));
        let ran = again.args([name, "--exact"]).env(ALONE, "1").output().expect("it starts");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
        assert!(String::from_utf8_lossy(&ran.stdout).contains("1 passed"), "the test is found by its name");
        return;
    }
    // The first run opens what stays for the life of the process.
    let run = || {
        let rig = Rig::with("net:127.0.0.1:0", ServeOptions { shards: Some(2), ..options() }, |_| {
            Router::new()
                .on_async("ok", ok)
                .on_async("never", async |_call: Call| pending::<Result<(), CallError>>().await)
        });
        rig.run(async |client| {
            for _ in 0..8 {
                let other = rig.connect().await;
                assert_eq!(other.call::<bool>("ok", ()).await, Ok(true));
                let stuck = other.clone();
                glommio::spawn_local(async move { stuck.call_body("never", ()).await.is_err() }).detach();
            }
            client.call::<bool>("ok", ()).await.expect("it is answered");
        });
        rig.stop().expect("the server ends well");
    };
    run();
    let before = open_files();
    for _ in 0..3 {
        run();
    }
    // glommio 0.9 keeps one event counter of each executor that ended: three a run.
    assert!(open_files() <= before + 3 * 3 + 2, "{} files, {before} before", open_files());
}

#[test]
fn peers_that_say_nothing_or_nonsense_harm_nobody() {
    let rig = Rig::new(|_| Router::new().on_async("ok", ok));
    let address = rig.address.to_string();
    let address = address.strip_prefix("net:").expect("it is TCP").to_owned();
    let silent: Vec<_> = (0..50).map(|_| TcpStream::connect(&address).expect("it listens")).collect();
    let mut rude = TcpStream::connect(&address).expect("it listens");
    rude.write_all(&[0xff; 4096]).expect("it is taken");
    let mut heard = Vec::new();
    // A length of 4 GiB: refused from the header, with goodbye.
    let _ = rude.read_to_end(&mut heard);
    assert!(heard.is_empty() || heard == [0; 9], "{heard:?}");
    assert_eq!(rig.run(async |client| client.call::<bool>("ok", ()).await), Ok(true));
    drop(silent);
}

#[test]
fn a_stale_unix_socket_is_replaced_and_a_living_one_is_not() {
    let folder = tempfile::tempdir().expect("there is a place for it");
    let address = format!("unix:{}", folder.path().join("mux.sock").display());
    drop(std::os::unix::net::UnixListener::bind(folder.path().join("mux.sock")).expect("it is free"));
    let rig = Rig::with(&address, options(), |_| Router::new().on_async("ok", ok));
    assert!(Server::bind(&address).is_err(), "somebody listens there");
    assert_eq!(rig.run(async |client| client.call::<bool>("ok", ()).await), Ok(true));
    rig.stop().expect("the server ends well");
    assert!(!folder.path().join("mux.sock").exists(), "a server takes its socket with it");
}
