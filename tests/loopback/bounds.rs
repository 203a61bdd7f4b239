//! Limits, from the outside.

use crate::rig::Rig;
use push_mux::{Call, CallError, Router, SendStream, mux::Limits};
use std::future::pending;

fn router() -> Router {
    Router::new()
        .on_source("stuck", async |_call: Call, _tx: &mut SendStream| pending().await)
        .on_source("flood", async |call: Call, tx: &mut SendStream| {
            for _ in 0..call.arg::<u32>(0)? {
                tx.send(&[1; 1000][..]).await?;
            }
            Ok(())
        })
        .on_async("never", async |_call: Call| pending::<Result<(), CallError>>().await)
        .on_async("ok", async |_call: Call| Ok(true))
}

#[test]
fn streams_over_the_limit_are_refused_and_the_others_live() {
    let rig = Rig::with_limits(Limits { streams_open_max: 3, ..Limits::default() }, |_| router());
    rig.run(async |client| {
        let mut open = Vec::new();
        for _ in 0..3 {
            open.push(client.source("stuck", ()).await.expect("it is sent"));
        }
        let mut refused = client.source("stuck", ()).await.expect("it is sent");
        let error = refused.next().await.expect("it ends").expect_err("with an error");
        assert_eq!(CallError::from(error).to_string(), "too many open streams");
        drop(open.pop());
        // The abort has been heard once a later call is answered.
        client.call::<bool>("ok", ()).await.expect("it is answered");
        let mut flood = client.source("flood", [5]).await.expect("it is sent");
        assert!(flood.next().await.expect("there is room again").is_ok());
    });
}

#[test]
fn requests_over_the_limit_are_refused_and_the_others_live() {
    let rig = Rig::with_limits(Limits { requests_in_max: 4, ..Limits::default() }, |_| router());
    rig.run(async |client| {
        for _ in 0..4 {
            let client = client.clone();
            glommio::spawn_local(async move { client.call_body("never", ()).await.is_ok() }).detach();
        }
        glommio::executor().yield_task_queue_now().await;
        let refused = client.call_body("ok", ()).await.expect_err("four are at work");
        assert_eq!(refused.to_string(), "too many requests");
    });
}

#[test]
fn a_stream_that_is_not_read_holds_a_window_and_stops_nobody() {
    let rig = Rig::new(|_| router());
    rig.run(async |client| {
        let mut unread = client.source("flood", [100_000]).await.expect("it is sent");
        for _ in 0..5 {
            let mut rx = client.source("flood", [20_000]).await.expect("it is sent");
            let mut count = 0;
            while let Some(body) = rx.next().await {
                body.expect("no error comes");
                count += 1;
            }
            assert_eq!(count, 20_000);
            let held = client.connection().inspect(|session| session.received_bytes());
            assert!(held < 2 << 20, "{held} bytes wait for a reader");
        }
        let mut count = 0;
        while let Some(body) = unread.next().await {
            body.expect("no error comes");
            count += 1;
        }
        assert_eq!(count, 100_000, "nothing was lost meanwhile");
    });
}

#[test]
fn a_body_over_the_limit_is_refused_here_before_it_leaves() {
    let rig = Rig::new(|_| router());
    rig.run(async |client| {
        let error = client.call_body("ok", ("x".repeat(2 << 20),)).await.expect_err("it is too long");
        assert!(error.to_string().contains("over the limit"), "{error}");
        assert_eq!(client.call::<bool>("ok", ()).await, Ok(true));
    });
}
