use super::{End, StreamKey};
use crate::wire::Body;

/// What a session tells its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer opened a stream with this body. Answer with [`accept`](super::Session::accept) or
    /// [`cancel`](super::Session::cancel).
    Opened(StreamKey, Body),
    /// The peer asks. Answer with [`reply`](super::Session::reply) or [`reply_error`](super::Session::reply_error),
    /// once.
    Request(InboundRequest, Body),
    /// The peer answered our request of this id.
    Reply(i32, Result<Body, Body>),
    /// There is something to [`recv`](super::Session::recv): data, or the end.
    Readable(StreamKey),
    /// A [`send`](super::Session::send) that was blocked may be tried again, or will now say why not.
    Writable(StreamKey),
    /// Requests may be sent again after [`requests_out_max`](super::Limits::requests_out_max) was reached.
    /// Also: streams may be opened again after [`may_open`](super::Session::may_open) said no.
    RequestsWritable,
    /// The peer gave the whole stream up: whoever serves it should stop.
    Aborted(StreamKey, End),
}

/// A request of the peer's, to be answered once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request that is not answered keeps its caller waiting"]
pub struct InboundRequest {
    /// The id as we count: negative.
    pub(crate) id: i32,
}

impl InboundRequest {
    /// The id as we count: negative.
    #[must_use]
    pub const fn id(&self) -> i32 {
        self.id
    }
}
