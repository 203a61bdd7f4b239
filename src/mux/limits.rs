use std::time::Duration;

/// Every bound of a session. Each field says what it stops; reaching one bumps the counter named in its doc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest body accepted or sent, bytes (1 MiB). Stops a header that announces 4 GiB. The session ends.
    pub body_bytes_max: u32,
    /// Streams the peer may have open (1,024). Stops memory spent on opens. `streams_refused`.
    pub streams_open_max: usize,
    /// Requests of the peer being answered (256). Stops a flood of calls. `requests_refused`.
    pub requests_in_max: usize,
    /// Our own requests that wait for a reply (4,096). Stops us from doing the same; callers wait.
    pub requests_out_max: usize,
    /// Received and unread bytes of the session (16 MiB), also the sum of credit handed out. Stops a peer that ignores
    /// credit, or has none: reading pauses, and a watchdog breaks the pause. `reads_paused`.
    pub receive_bytes_max: u64,
    /// What one stream may receive past its grants, besides one frame (1 MiB): a JavaScript peer's own overdraft and
    /// what duplicated grants let it creep. `window_violations`.
    pub overdraft_bytes_max: u64,
    /// Bytes queued on one stream for sending (128 KiB). Stops a fast handler from filling memory; it waits.
    pub stream_send_bytes_max: usize,
    /// Bytes queued on all streams for sending (1 MiB). Stops many handlers from doing the same; they wait.
    pub send_bytes_max: usize,
    /// Bytes of replies, and of ends and refusals, queued for a peer that does not read (256 KiB each). Stops a peer that
    /// asks and never listens: past the first new requests are held, past the second reading pauses. `reads_paused`.
    pub replies_bytes_max: usize,
    /// Overdraft that probing may reach (4 MiB) toward a peer that never granted.
    pub probe_bytes_max: u64,
    /// Bytes of one control frame (64 KiB). Stops endless arrays of grants. The session ends.
    pub control_bytes_max: usize,
    /// Burst of harmless oddities (10,000), refilled at `glitches_per_second`. Stops a peer that makes us work for
    /// nothing. `glitches`, and the session ends when spent.
    pub glitches_max: u32,
    /// Refill of `glitches_max` (330 a second).
    pub glitches_per_second: u32,
    /// Burst of streams the peer may abort within a second of opening them (1,000), refilled at
    /// `resets_per_second`. Stops open-and-abort storms (CVE-2023-44487). The session ends when spent.
    pub resets_max: u32,
    /// Refill of `resets_max` (33 a second).
    pub resets_per_second: u32,
    /// How long reading may stay paused without a byte consumed (5 s). Stops one dead reader from stopping the
    /// connection: the stream that holds most is reset. `watchdog_resets`.
    pub pause_max: Duration,
    /// How long too many replies may sit without any leaving (30 s). Stops a peer that never reads again. The session
    /// ends.
    pub replies_pause_max: Duration,
    /// How long a peer may complete no frame (600 s, as JavaScript peers have it). Stops peers that vanished, and frames
    /// that never end; `Duration::MAX` sets no bound. Past two fifths of it the peer is asked to say something. The session ends.
    pub idle_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 1 << 20,
            streams_open_max: 1024,
            requests_in_max: 256,
            requests_out_max: 4096,
            receive_bytes_max: 16 << 20,
            overdraft_bytes_max: 1 << 20,
            stream_send_bytes_max: 128 << 10,
            send_bytes_max: 1 << 20,
            replies_bytes_max: 256 << 10,
            probe_bytes_max: 4 << 20,
            control_bytes_max: 64 << 10,
            glitches_max: 10_000,
            glitches_per_second: 330,
            resets_max: 1000,
            resets_per_second: 33,
            pause_max: Duration::from_secs(5),
            replies_pause_max: Duration::from_secs(30),
            idle_max: Duration::from_secs(600),
        }
    }
}
