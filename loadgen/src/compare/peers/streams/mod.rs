//! The work over streams of bytes, for peers that have nothing else: a stream for each source, sink, ping-pong or call,
//! a [request](super::request) at its start, a 4-byte length before each message, one write a message.

mod client;
mod server;

pub(super) use self::client::drive;
pub(super) use self::server::answer;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::compare::verify::Inbox;

/// Length of what stands before a message.
const HEAD: usize = 4;

/// Streams beyond which a reader takes little at a time, so that its buffers are not what is measured.
const MANY: u32 = 512;

/// The client's end of a connection.
pub(super) trait Open: Clone + Send + Sync + 'static {
    /// A stream both of whose halves can be used.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Opens one.
    fn open(&self) -> impl Future<Output = anyhow::Result<Self::Stream>> + Send;
}

/// Room for the messages of one of that many streams.
fn inbox(streams: u32, body: usize) -> Inbox {
    let at_a_time = if streams > MANY { 2 << 10 } else { 16 << 10 };
    Inbox::new(at_a_time.max(HEAD + body))
}

/// A message with its length before it.
fn framed(body: usize) -> anyhow::Result<Vec<u8>> {
    let mut message = head(body)?.to_vec();
    message.extend(crate::compare::verify::body(body));
    Ok(message)
}

/// What stands before a message.
fn head(body: usize) -> anyhow::Result<[u8; HEAD]> {
    Ok(u32::try_from(body)?.to_be_bytes())
}
