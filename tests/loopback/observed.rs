//! An observer hears of every call how it ended, and a shard keeps what ended sessions counted.

use crate::rig::Rig;
use push_mux::{
    Call, CallError, Json, RecvStream, Router, SendStream,
    rpc::{CallEnd, CallObserver, Kind, Observer, Outcome},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

#[derive(Default)]
struct Log {
    begun: BTreeMap<String, usize>,
    ended: Vec<(String, Kind, CallEnd)>,
    refused: usize,
}

/// Shared with the test, which looks at it from another thread.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Log>>);

struct OfMethod {
    seen: Seen,
    name: String,
    kind: Kind,
}

impl Observer for Seen {
    fn method(&self, name: &str, kind: Kind) -> std::rc::Rc<dyn CallObserver> {
        std::rc::Rc::new(OfMethod { seen: self.clone(), name: name.to_owned(), kind })
    }

    fn refused(&self) {
        self.0.lock().expect("no test panicked").refused += 1;
    }
}

impl CallObserver for OfMethod {
    fn begin(&self) {
        let mut log = self.seen.0.lock().expect("no test panicked");
        *log.begun.entry(self.name.clone()).or_default() += 1;
    }

    fn end(&self, end: &CallEnd) {
        self.seen.0.lock().expect("no test panicked").ended.push((self.name.clone(), self.kind, *end));
    }
}

impl Seen {
    /// How the calls of a method ended, once so many have.
    fn ends(&self, name: &str, count: usize) -> Vec<CallEnd> {
        for _ in 0..500 {
            let log = self.0.lock().expect("no test panicked");
            let ends: Vec<_> =
                log.ended.iter().filter(|(own, ..)| own == name).map(|(.., end)| *end).collect();
            if ends.len() >= count {
                assert_eq!(ends.len(), count, "{name} ended too often");
                assert_eq!(log.begun.get(name), Some(&count), "{name} began as often");
                return ends;
            }
            drop(log);
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{name} has not ended {count} times");
    }
}

async fn slow(_call: Call) -> Result<String, CallError> {
    glommio::timer::sleep(Duration::from_millis(30)).await;
    Ok("done".to_owned())
}

async fn wrong(_call: Call) -> Result<(), CallError> {
    Err(CallError::new("no"))
}

async fn three(_call: Call, tx: &mut SendStream) -> Result<(), CallError> {
    for number in 0..3 {
        tx.send(Json(number).body()?).await?;
    }
    Ok(())
}

async fn for_ever(_call: Call, tx: &mut SendStream) -> Result<(), CallError> {
    tx.send(Json(1).body()?).await?;
    std::future::pending().await
}

async fn swallow(_call: Call, rx: &mut RecvStream) -> Result<(), CallError> {
    while let Some(body) = rx.next().await {
        body?;
    }
    Err(CallError::new("it tasted bad"))
}

async fn echo(_call: Call, tx: &mut SendStream, rx: &mut RecvStream) -> Result<(), CallError> {
    while let Some(body) = rx.next().await {
        tx.send(body?).await?;
    }
    Ok(())
}

fn rig(seen: &Seen) -> Rig {
    let seen = seen.clone();
    Rig::new(move |_| {
        Router::new()
            .on_async("unseen", wrong)
            .observe(std::rc::Rc::new(seen.clone()))
            .on_async("slow", slow)
            .on_sync("wrong", wrong)
            .on_source("three", three)
            .on_source("forEver", for_ever)
            .on_sink("swallow", swallow)
            .on_duplex("echo", echo)
            .on_async("sessions", async |call: Call| {
                let counters = call.shard().session_counters();
                Ok((counters.streams_opened, counters.data_bytes_in, call.shard().connections()))
            })
    })
}

#[test]
fn every_call_is_seen_to_begin_and_to_end() {
    let seen = Seen::default();
    let rig = rig(&seen);
    rig.run(async |client| {
        assert_eq!(client.call::<String>("slow", (1, 2)).await.expect("it answers"), "done");
        client.call::<()>("wrong", ()).await.expect_err("it fails");
        client.call::<()>("unseen", ()).await.expect_err("it fails");
        let mut rx = client.source("three", ()).await.expect("it is sent");
        while let Some(body) = rx.next().await {
            body.expect("no error comes");
        }
        let mut sink = client.sink("swallow", ()).await.expect("it is sent");
        sink.send("abc").await.expect("there is credit");
        sink.finish().await.expect_err("it fails at the end");
        let (mut tx, mut rx) = client.duplex("echo", ()).await.expect("it is sent");
        tx.send("12345").await.expect("there is credit");
        tx.finish();
        while let Some(body) = rx.next().await {
            body.expect("no error comes");
        }
        let mut rx = client.source("forEver", ()).await.expect("it is sent");
        rx.next().await.expect("a first body").expect("no error");
        drop(rx);
        client.call::<()>("nothing", ()).await.expect_err("nobody has it");
        client.call::<()>("three", ()).await.expect_err("it is of another kind");
        let mut rx = client.source("no.such", ()).await.expect("it is sent");
        rx.next().await.expect("an end").expect_err("nobody has it");
    });
    let one = |name| seen.ends(name, 1)[0];
    let slow = one("slow");
    assert_eq!((slow.outcome, slow.received_bytes, slow.sent_bytes), (Outcome::Answered, 5, 6));
    assert!(slow.elapsed >= Duration::from_millis(30) && slow.elapsed < Duration::from_secs(5));
    assert_eq!(one("wrong").outcome, Outcome::Failed);
    let three = one("three");
    assert_eq!((three.outcome, three.sent_bytes), (Outcome::Answered, 3 * 10), "headers are counted");
    let swallow = one("swallow");
    assert_eq!((swallow.outcome, swallow.received_bytes), (Outcome::Failed, 12));
    let echo = one("echo");
    assert_eq!((echo.outcome, echo.sent_bytes, echo.received_bytes), (Outcome::Answered, 14, 14));
    assert_eq!(one("forEver").outcome, Outcome::Dropped, "the caller gave it up");
    let log = seen.0.lock().expect("no test panicked");
    assert_eq!(log.refused, 3, "an unknown name twice, and a wrong kind");
    assert!(!log.begun.contains_key("unseen"), "it was registered before the observer");
    let kinds: Vec<_> =
        log.ended.iter().filter(|(name, ..)| name == "wrong").map(|(_, kind, _)| *kind).collect();
    assert_eq!(kinds, [Kind::Sync]);
}

#[test]
fn calls_that_die_with_their_connection_are_seen_to_end() {
    let seen = Seen::default();
    let rig = rig(&seen);
    let mut held = None;
    rig.run(async |client| {
        let mut rx = client.source("forEver", ()).await.expect("it is sent");
        rx.next().await.expect("a first body").expect("no error");
        held = Some(rx);
    });
    assert_eq!(seen.ends("forEver", 1)[0].outcome, Outcome::Dropped);
}

#[test]
fn a_shard_keeps_what_ended_sessions_counted() {
    let seen = Seen::default();
    let rig = rig(&seen);
    rig.run(async |client| {
        let mut sink = client.sink("swallow", ()).await.expect("it is sent");
        sink.send("abc").await.expect("there is credit");
        sink.finish().await.expect_err("it fails at the end");
    });
    for _ in 0..500 {
        let now: (u64, u64, usize) =
            rig.run(async |client| client.call("sessions", ()).await.expect("it answers"));
        if now.2 == 1 {
            assert_eq!(now, (1, 12, 1), "of the first session, which is gone");
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the first connection is still there");
}
