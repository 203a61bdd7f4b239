/// Every bound of [`Wants`](super::Wants). Each says what it stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantsLimits {
    /// A blob of this many bytes or more is not fetched (5 MiB, as JavaScript peers have it). Stops others from filling the disk at one go.
    pub blob_bytes_max: u64,
    /// How many steps away a want may be to be shared (3). Stops wants from going round the world.
    pub sympathy_max: i64,
    /// Blobs wanted for others (16,384). Stops peers from making us want without end; wants past it are ignored.
    pub shared_max: usize,
    /// Blobs that one peer wants and that are remembered (1,024). Stops one peer from filling the table of all.
    pub peer_wants_max: usize,
    /// Blobs that one peer has, and of which we know (1,024). Stops a peer that claims every hash there is; what is wanted
    /// takes the place of what is not.
    pub peer_haves_max: usize,
    /// Blobs fetched from one peer at once (8). Stops a peer that announces and never sends from holding up all others.
    pub peer_fetches_max: usize,
    /// Wants that wait to be told to one peer, and sizes that do (32,768 of each). Stops a peer that asks for all there is and never reads.
    pub peer_news_max: usize,
    /// Bytes of a frame we write (64 KiB). Stops a long list of wants from standing in the way on the connection.
    pub frame_bytes_max: usize,
    /// Peers that must have a pushed blob before we stop asking (3, as JavaScript peers have it).
    pub push_peers: usize,
}

impl Default for WantsLimits {
    fn default() -> Self {
        Self {
            blob_bytes_max: 5 << 20,
            sympathy_max: 3,
            shared_max: 16_384,
            peer_wants_max: 1_024,
            peer_haves_max: 1_024,
            peer_fetches_max: 8,
            peer_news_max: 32_768,
            frame_bytes_max: 64 << 10,
            push_peers: 3,
        }
    }
}
