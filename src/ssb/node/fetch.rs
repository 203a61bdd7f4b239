//! Fetching blobs from peers: one task for each, on the shard of the peer's connection.

use super::{Node, writing::BlobWriting};
use crate::{
    CallError, Client, RecvStream,
    runtime::Connection,
    ssb::{store::BlobError, wants::Fetch},
    wire::BodyKind,
};
use futures_lite::FutureExt;
use glommio::timer::sleep;
use serde::Serialize;
use std::{rc::Rc, time::Duration};

/// How long a peer may send nothing of a blob. Stops one that announces blobs and keeps them from holding up who has them too.
const PROGRESS_MAX: Duration = Duration::from_secs(30);

/// How long a fetch may take in all. Stops a peer that sends a byte at a time; what came is kept, and another peer goes on from there.
const FETCH_MAX: Duration = Duration::from_secs(600);

/// How long a peer may take to end a call that has sent all.
const END_MAX: Duration = Duration::from_secs(1);

/// How often, and how many times, a download that is still being given up is looked for again.
const BUSY_EVERY: Duration = Duration::from_millis(50);
const BUSY_TIMES: u32 = 40;

/// Why a fetch came to nothing.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("{0}")]
    Call(#[from] CallError),
    #[error("the peer sends nothing")]
    Silent,
    #[error("it takes too long")]
    Slow,
    #[error("the peer sends what is no part of a blob")]
    Odd,
    #[error("{0}")]
    Store(#[from] BlobError),
}

/// The argument of `blobs.get`.
#[derive(Serialize)]
struct Whole {
    key: String,
    max: u64,
}

/// The argument of `blobs.getSlice`.
#[derive(Serialize)]
struct Rest {
    key: String,
    start: u64,
    end: u64,
}

impl Node {
    /// The registrar has decided to fetch a blob from a connection of this shard.
    pub(super) fn start_fetch(self: &Rc<Self>, fetch: Fetch) {
        let Some(peer) = self.blobs.peer(fetch.conn) else { return self.tell_fetched(fetch, false) };
        let (node, connection) = (Rc::clone(self), peer.connection.clone());
        let live = connection.shard().enter_driver();
        glommio::spawn_local(async move {
            let late = async {
                sleep(FETCH_MAX).await;
                Err(Cut::Slow)
            };
            // Ends with the connection by itself, once what came before the end has been taken.
            let fetched = fetch_blob(&node, &connection, fetch).or(late).await;
            match &fetched {
                Ok(size) => node.tell_stored(fetch.blob, *size),
                Err(error) => tell(&connection, fetch, error),
            }
            node.tell_fetched(fetch, fetched.is_ok());
            drop(live);
        })
        .detach();
    }
}

/// What a peer does is no news to an operator; what the disk does is.
fn tell(connection: &Connection, Fetch { blob, .. }: Fetch, error: &Cut) {
    let peer = connection.peer();
    match error {
        Cut::Store(BlobError::Io { .. } | BlobError::Full { .. } | BlobError::Quota { .. }) => {
            tracing::warn!(%blob, %error, "a blob cannot be kept");
        }
        _ => tracing::debug!(%peer, %blob, %error, "a blob is not fetched"),
    }
}

/// Fetches a blob; yields its size.
async fn fetch_blob(node: &Rc<Node>, connection: &Connection, fetch: Fetch) -> Result<u64, Cut> {
    let client = Client::over(connection);
    let writing = begin(node, fetch).await?;
    if writing.offset() == 0 {
        return get(&client, fetch, writing).await;
    }
    if let Some(size) = resume(&client, fetch, writing).await? {
        return Ok(size);
    }
    get(&client, fetch, begin(node, fetch).await?).await
}

/// Begins the download, or goes on with it. The one that was lost with another connection may take a moment to end.
async fn begin(node: &Rc<Node>, Fetch { blob, size, .. }: Fetch) -> Result<BlobWriting, BlobError> {
    for _ in 0..BUSY_TIMES {
        // A peer that sends more than it said has another blob.
        match BlobWriting::begin(node, move |store| store.download(&blob, size)).await {
            Err(BlobError::Busy(_)) => sleep(BUSY_EVERY).await,
            begun => return begun,
        }
    }
    Err(BlobError::Busy(blob))
}

async fn get(client: &Client, fetch: Fetch, mut writing: BlobWriting) -> Result<u64, Cut> {
    let whole = Whole { key: fetch.blob.to_string(), max: fetch.size };
    let mut rx = client.source("blobs.get", (whole,)).await?;
    take(&mut rx, fetch.size, &mut writing).await?;
    let (_, size) = writing.finish(Some(fetch.blob)).await?;
    hear_end(&mut rx).await;
    Ok(size)
}

/// Fetches what is missing. `None` when the blob is to be fetched anew, and what was there is gone: the peer knows no slices, or the part
/// that another peer sent was wrong, which must not fall back on this one.
async fn resume(client: &Client, fetch: Fetch, mut writing: BlobWriting) -> Result<Option<u64>, Cut> {
    let start = writing.offset();
    if start < fetch.size {
        let rest = Rest { key: fetch.blob.to_string(), start, end: fetch.size };
        let mut rx = client.source("blobs.getSlice", (rest,)).await?;
        match take(&mut rx, fetch.size, &mut writing).await {
            Err(Cut::Call(CallError::Message(_))) if writing.offset() == start => {
                writing.discard().await;
                return Ok(None);
            }
            taken => taken?,
        }
    }
    match writing.finish(Some(fetch.blob)).await {
        Err(BlobError::WrongHash { .. }) => Ok(None),
        finished => Ok(Some(finished?.1)),
    }
}

/// Takes bytes until there are so many, or no more come. JavaScript peers end a blob whose size is a multiple of 64 KiB with a frame of no
/// bytes, which ends the session: by then all is there.
async fn take(rx: &mut RecvStream, size: u64, writing: &mut BlobWriting) -> Result<(), Cut> {
    while writing.offset() < size {
        let next = async { rx.next().await.transpose().map_err(|error| Cut::Call(error.into())) };
        let silent = async {
            sleep(PROGRESS_MAX).await;
            Err(Cut::Silent)
        };
        let Some(body) = next.or(silent).await? else { return Ok(()) };
        if body.kind != BodyKind::Binary {
            return Err(Cut::Odd);
        }
        writing.write(body.bytes).await?;
    }
    Ok(())
}

/// Lets the peer end a call of which nothing more is wanted, rather than abort it.
async fn hear_end(rx: &mut RecvStream) {
    let late = async {
        sleep(END_MAX).await;
        None
    };
    rx.next().or(late).await;
}
