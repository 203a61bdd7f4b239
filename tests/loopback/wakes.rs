//! Handlers that wait for something besides their own stream, or for it in ways of their own.

use crate::rig::{Rig, options};
use futures_lite::FutureExt;
use glommio::timer::sleep;
use push_mux::{Call, CallError, Client, RecvStream, Router, SendStream};
use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

const SHORT: Duration = Duration::from_millis(5);

/// Is told by another thread, after a while.
async fn told_by_a_thread() {
    let told: Arc<Mutex<(bool, Option<Waker>)>> = Arc::default();
    let teller = Arc::clone(&told);
    let thread = thread::spawn(move || {
        thread::sleep(SHORT);
        let mut told = teller.lock().expect("nobody panics");
        told.0 = true;
        told.1.take().into_iter().for_each(Waker::wake);
    });
    poll_fn(|cx| {
        let mut told = told.lock().expect("nobody panics");
        told.1 = Some(cx.waker().clone());
        if told.0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    thread.join().expect("nobody panics");
}

/// Lets others run, `times` over, by waking itself.
async fn yields(mut times: u32) {
    poll_fn(|cx| {
        times = times.saturating_sub(1);
        cx.waker().wake_by_ref();
        if times == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// A waker around another.
struct Around(Waker);

impl Wake for Around {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
    }
}

/// Answers each body when a thread, a timer and a few turns have passed, and reads with a waker of its own.
async fn slow(_call: Call, tx: &mut SendStream, rx: &mut RecvStream) -> Result<(), CallError> {
    loop {
        let next = {
            let mut next = pin!(rx.next());
            poll_fn(|cx| {
                let own = Waker::from(Arc::new(Around(cx.waker().clone())));
                next.as_mut().poll(&mut Context::from_waker(&own))
            })
            .await
        };
        let Some(body) = next else { return Ok(()) };
        told_by_a_thread().await;
        sleep(SHORT).await;
        yields(3).await;
        tx.send(body?).await?;
    }
}

/// Counts how often nothing came for a while before something did.
async fn patient(_call: Call, tx: &mut SendStream, rx: &mut RecvStream) -> Result<(), CallError> {
    let mut waits = 0_u32;
    loop {
        let next = async { Some(rx.next().await) };
        let slept = async {
            sleep(SHORT).await;
            None
        };
        match next.or(slept).await {
            None => waits += 1,
            Some(None) => return Ok(()),
            Some(Some(body)) => {
                body?;
                tx.send(waits.to_string()).await?;
            }
        }
    }
}

async fn asks(client: &Client, method: &str, waits: Duration) -> Vec<String> {
    let (mut tx, mut rx) = client.duplex(method, ()).await.expect("it is sent");
    let mut answers = Vec::new();
    for word in ["one", "two", "three"] {
        sleep(waits).await;
        tx.send(word).await.expect("the stream is open");
        let body = rx.next().await.expect("an answer comes").expect("and no error");
        answers.push(String::from_utf8(body.bytes.to_vec()).expect("it is text"));
    }
    tx.finish();
    assert!(rx.next().await.is_none());
    assert!(rx.next().await.is_none(), "the end stays");
    answers
}

#[test]
fn handlers_wake_by_threads_timers_themselves_and_wakers_of_their_own() {
    let router = || Router::new().on_duplex("slow", slow).on_duplex("patient", patient);
    let rig = Rig::with("net:127.0.0.1:0", options(), move |_| router());
    rig.run(async |client| {
        let (first, second) = futures_lite::future::zip(
            asks(&client, "slow", Duration::ZERO),
            asks(&client, "patient", 4 * SHORT),
        )
        .await;
        assert_eq!(first, ["one", "two", "three"]);
        let waits: Vec<u32> = second.iter().map(|waits| waits.parse().expect("a number")).collect();
        assert!(waits[0] > 0 && waits[1] > waits[0] && waits[2] > waits[1], "{waits:?}");
    });
}

#[test]
fn halves_may_be_read_by_one_task_after_the_other() {
    let router = || Router::new().on_duplex("slow", slow);
    let rig = Rig::with("net:127.0.0.1:0", options(), move |_| router());
    rig.run(async |client| {
        let (mut tx, mut rx) = client.duplex("slow", ()).await.expect("it is sent");
        let early = glommio::spawn_local(async move {
            let none = rx.next().or(async {
                sleep(SHORT).await;
                None
            });
            assert!(none.await.is_none(), "nothing was sent yet");
            rx
        });
        let mut rx = early.await;
        let late = glommio::spawn_local(async move { rx.next().await });
        sleep(SHORT).await;
        tx.send("word").await.expect("the stream is open");
        let body = late.await.expect("an answer comes").expect("and no error");
        assert_eq!(body.bytes, "word");
    });
}
