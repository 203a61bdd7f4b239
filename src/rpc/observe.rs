//! Who sees calls come and go, for figures per method. A router without an observer pays nothing for it: what watches is a
//! type of size zero then.

use super::{Call, CallError, Kind};
use crate::{
    mux::{StreamKey, Time},
    runtime::Connection,
    wire::Body,
};
use std::{rc::Rc, time::Duration};

/// Sees the calls that a router answers. Told on the shard, in the middle of its work: it must not block, nor call back.
pub trait Observer: 'static {
    /// A method is registered; yields who sees its calls.
    fn method(&self, name: &str, kind: Kind) -> Rc<dyn CallObserver>;

    /// A call was refused before a handler saw it: the name is unknown or forbidden, the kind is another, or it cannot be
    /// read. The name is not told, since strangers choose it.
    fn refused(&self);
}

/// Sees the calls of one method.
pub trait CallObserver: 'static {
    /// A call begins.
    fn begin(&self);

    /// A call that began has ended.
    fn end(&self, end: &CallEnd);
}

/// How a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallEnd {
    /// What came of it.
    pub outcome: Outcome,
    /// How long the handler was at it.
    pub elapsed: Duration,
    /// Bytes to the caller: of an answer its body; of a stream all it cost, headers included.
    pub sent_bytes: u64,
    /// Bytes from the caller: of an async call its arguments; of a stream all it cost, headers included.
    pub received_bytes: u64,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The handler returned well.
    Answered,
    /// The handler returned an error.
    Failed,
    /// The handler was dropped at work: the caller gave the call up, the session was lost, or the handler panicked.
    Dropped,
}

/// Makes what watches a call: nothing, or a [`Watch`].
pub(crate) trait Watching: 'static {
    type Watch: Ends + 'static;

    fn begin(&self, call: &Call, stream: Option<StreamKey>) -> Self::Watch;
}

/// What is told how a call went.
pub(crate) trait Ends {
    fn answered(&mut self, answer: &Result<Body, CallError>);

    fn ended(&mut self, ended: &Result<(), CallError>);
}

impl Watching for () {
    type Watch = ();

    fn begin(&self, _call: &Call, _stream: Option<StreamKey>) {}
}

impl Ends for () {
    fn answered(&mut self, _answer: &Result<Body, CallError>) {}

    fn ended(&mut self, _ended: &Result<(), CallError>) {}
}

/// A method whose calls are seen.
pub(crate) struct Observed(pub(crate) Rc<dyn CallObserver>);

impl Watching for Observed {
    type Watch = Watch;

    fn begin(&self, call: &Call, stream: Option<StreamKey>) -> Watch {
        self.0.begin();
        Watch {
            observer: Rc::clone(&self.0),
            connection: call.connection().clone(),
            stream,
            began: call.shard().clock().now(),
            outcome: Outcome::Dropped,
            sent_bytes: 0,
            received_bytes: if stream.is_none() { call.args_json().len() as u64 } else { 0 },
        }
    }
}

/// A call under way; tells how it went when it is dropped, so that none is forgotten however it ends.
pub(crate) struct Watch {
    observer: Rc<dyn CallObserver>,
    connection: Connection,
    stream: Option<StreamKey>,
    began: Time,
    outcome: Outcome,
    sent_bytes: u64,
    received_bytes: u64,
}

impl Ends for Watch {
    fn answered(&mut self, answer: &Result<Body, CallError>) {
        self.outcome = if answer.is_ok() { Outcome::Answered } else { Outcome::Failed };
        self.sent_bytes = answer.as_ref().map_or(0, |body| body.bytes.len() as u64);
    }

    fn ended(&mut self, ended: &Result<(), CallError>) {
        self.outcome = if ended.is_ok() { Outcome::Answered } else { Outcome::Failed };
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(key) = self.stream
            && let Some((sent, received)) = self.connection.inspect(|session| session.stream_totals(key))
        {
            (self.sent_bytes, self.received_bytes) = (sent, received);
        }
        self.observer.end(&CallEnd {
            outcome: self.outcome,
            elapsed: self.connection.shard().clock().now().since(self.began),
            sent_bytes: self.sent_bytes,
            received_bytes: self.received_bytes,
        });
    }
}
