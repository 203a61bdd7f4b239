//! What a pub is told when it starts.

use super::message::HmacKey;
use crate::{Address, PublicKey, runtime::ServeOptions};
use std::{path::PathBuf, time::Duration};

/// How a pub runs. The defaults are those of an operator who says nothing but a directory.
#[derive(Clone, Debug)]
pub struct PubOptions {
    /// Where feeds, blobs and clocks are kept.
    pub dir: PathBuf,
    /// Shards, sessions, identity, limits of handshakes.
    pub serve: ServeOptions,
    /// Peers to keep connections to.
    pub connect: Vec<Address>,
    /// How far in the follow graph feeds are replicated (2): 0 is the pub's own, 1 those it follows.
    pub hops: u32,
    /// Feeds replicated whatever the graph says.
    pub replicate: Vec<PublicKey>,
    /// The key of networks that sign an HMAC; `None` in the main network.
    pub hmac: Option<HmacKey>,
    /// The host that invites name; `None` takes that of the first listener.
    pub host: Option<String>,
    /// Feeds kept at the most (100,000). Stops an invited stranger from filling memory with a graph of made-up feeds.
    pub feeds_max: usize,
    /// Bytes of all blobs (10 GiB); the least recently used go first.
    pub blobs_bytes_max: u64,
    /// Bytes of a blob that is fetched from others (5 MiB, as JavaScript peers have it).
    pub blob_bytes_max: u64,
    /// Free bytes of the file system below which nothing is written any more (64 MiB).
    pub disk_free_bytes_min: u64,
    /// Messages of a connection that wait for their verdict (1,024). Stops one peer from filling the queue of all.
    pub unverified_max: usize,
    /// How long a peer may owe messages of a feed before another is asked (3 s, as JavaScript peers have it).
    pub request_switch: Duration,
}

impl PubOptions {
    /// The defaults, in this directory.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        let mut serve = ServeOptions::default();
        // A JavaScript peer says all that it has in one note: 58 bytes for each of 100,000 feeds.
        serve.session.limits.body_bytes_max = 8 << 20;
        Self {
            dir: dir.into(),
            serve,
            connect: Vec::new(),
            hops: 2,
            replicate: Vec::new(),
            hmac: None,
            host: None,
            feeds_max: 100_000,
            blobs_bytes_max: 10 << 30,
            blob_bytes_max: 5 << 20,
            disk_free_bytes_min: 64 << 20,
            unverified_max: 1_024,
            request_switch: Duration::from_secs(3),
        }
    }
}
