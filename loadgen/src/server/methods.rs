//! One method of each kind to put load on, and what the server's end counted.

use std::cell::RefCell;

use push_mux::mux::Outgoing;
use push_mux::{Body, BodyKind, Call, CallError, RecvStream, Router, SendStream};
use serde::{Deserialize, Serialize};

use super::fault::{Fault, spoiled};
use crate::compare::verify::Check;
use crate::payload::Payload;

/// What the server's end of a connection counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stats {
    /// Grants written.
    pub(crate) grants: u64,
    /// Control frames that carried them.
    pub(crate) grant_frames: u64,
    /// Times a stream had data and no credit.
    pub(crate) stalls: u64,
    /// Messages of all sinks that have ended.
    pub(crate) messages: u64,
    /// Bytes of their bodies.
    pub(crate) bytes: u64,
    /// Those that did not bear the next index or were as long as no other.
    pub(crate) errors: u64,
}

impl Stats {
    /// Adds what another connection counted.
    pub(crate) fn add(&mut self, other: Self) {
        self.grants += other.grants;
        self.grant_frames += other.grant_frames;
        self.stalls += other.stalls;
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.errors += other.errors;
    }
}

/// Adds the methods.
pub(crate) fn register(router: Router, fault: &Fault) -> Router {
    let [count_fault, echo_fault, hello_fault, same_fault, collect_fault] = [(); 5].map(|()| fault.clone());
    router
        .on_source("count", async move |call, tx: &mut _| count(&call, tx, &count_fault).await)
        // Written out here, not in a function of its own: each future around another makes every idle stream larger.
        .on_duplex("echo", async move |_call, tx: &mut SendStream, rx: &mut RecvStream| {
            loop {
                // What a `while let` takes apart stays in the future as a whole until its block ends.
                let body = match rx.next().await {
                    Some(Ok(body)) => echoed(body, &echo_fault),
                    Some(Err(error)) => return Err(error.into()),
                    None => return Ok(()),
                };
                tx.send(body).await?;
            }
        })
        .on_async("hello", async move |call: Call| {
            let name: String = call.arg(0)?;
            Ok(format!("hello, {name}{}", if hello_fault.take() { '?' } else { '!' }))
        })
        .on_async("same", async move |call: Call| {
            let mut text: String = call.arg(0)?;
            if same_fault.take() {
                text.push('?');
            }
            Ok(text)
        })
        .on_sink("collect", async move |call, rx: &mut _| collect(&call, rx, &collect_fault).await)
        .on_async("stats", stats)
}

/// What an echo sends back. Apart from the handler, whose future would have room for a body that it looks at.
fn echoed(mut body: Body, fault: &Fault) -> Body {
    if fault.take() {
        body.bytes = spoiled(&body.bytes);
    }
    body
}

/// Numbers from 1 as JSON, or from 0 as the first four bytes of binary bodies of a size; so many, or without end.
async fn count(call: &Call, tx: &mut SendStream, fault: &Fault) -> Result<(), CallError> {
    let (messages, size): (Option<u32>, Option<usize>) = (call.arg(0)?, call.arg(1)?);
    let Some(size) = size else {
        for number in 1..=messages.unwrap_or(u32::MAX) {
            tx.send(Outgoing::borrowed(BodyKind::Json, number.to_string().as_bytes())).await?;
        }
        return Ok(());
    };
    if size < Payload::BYTES_MIN {
        return Err(CallError::new("size must be at least 4"));
    }
    let mut payload = Payload::new(size);
    let mut first = 0;
    if messages != Some(0) && fault.take() {
        tx.send(payload.message(u32::MAX)).await?;
        first = 1;
    }
    if let Some(messages) = messages {
        for index in first..messages {
            tx.send(payload.message(index)).await?;
        }
        return Ok(());
    }
    // Without end: the index begins anew when it is used up, as those who check it expect.
    loop {
        tx.send(payload.message(first)).await?;
        first = first.wrapping_add(1);
    }
}

/// What the sinks of a connection took in.
#[derive(Default)]
struct Collected(RefCell<crate::measure::Tally>);

/// Counts what arrives, and checks that it is numbered.
async fn collect(call: &Call, rx: &mut RecvStream, fault: &Fault) -> Result<(), CallError> {
    let mut check: Option<Check> = None;
    while let Some(body) = rx.next().await {
        let bytes = body?.bytes;
        let check = check.get_or_insert_with(|| Check::new(bytes.len()));
        if fault.take() {
            check.message(&spoiled(&bytes)[..1]);
        } else {
            check.message(&bytes);
        }
    }
    if let Some(check) = check {
        call.state::<Collected>().0.borrow_mut().add(check.tally());
    }
    Ok(())
}

async fn stats(call: Call) -> Result<Stats, CallError> {
    let counters = call.connection().counters();
    let collected = *call.state::<Collected>().0.borrow();
    Ok(Stats {
        grants: counters.grants_out,
        grant_frames: counters.grant_frames_out,
        stalls: counters.stalls,
        messages: collected.messages,
        bytes: collected.bytes,
        errors: collected.errors,
    })
}
