/// What happened in a session, by name. Counters only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Frames received that were data of a stream.
    pub runs_in: u64,
    /// Bytes of data frames received, headers included.
    pub data_bytes_in: u64,
    /// Data frames queued for sending.
    pub data_frames_out: u64,
    /// Bytes of data frames queued for sending, headers included.
    pub data_bytes_out: u64,
    /// Grants written, one a stream.
    pub grants_out: u64,
    /// Control frames written that carried grants.
    pub grant_frames_out: u64,
    /// Control frames received that carried grants.
    pub grant_frames_in: u64,
    /// Grants repeated to wake a peer that may have lost one.
    pub grants_refreshed: u64,
    /// Times a stream had data and no credit.
    pub stalls: u64,
    /// Times the overdraft was doubled toward a peer that never granted.
    pub probes: u64,
    /// Streams opened by the peer.
    pub streams_opened: u64,
    /// Streams refused because too many were open or memory was short.
    pub streams_refused: u64,
    /// Requests refused for the same reason.
    pub requests_refused: u64,
    /// Bytes for streams that are closed, thrown away.
    pub late_bytes: u64,
    /// Harmless oddities of the peer.
    pub glitches: u64,
    /// Streams ended because the peer sent past its credit and all tolerance.
    pub window_violations: u64,
    /// Times a silent peer was asked for a sign of life.
    pub keepalives: u64,
    /// Times reading was paused.
    pub reads_paused: u64,
    /// Streams reset to end a pause.
    pub watchdog_resets: u64,
    /// Windows doubled.
    pub windows_grown: u64,
    /// Bytes of unread small frames copied out of their receive buffers.
    pub compacted_bytes: u64,
}

impl Counters {
    /// Adds what happened in another session.
    pub fn add(&mut self, other: &Self) {
        // Taken apart in full, so that a new counter is not forgotten here.
        let Self {
            runs_in,
            data_bytes_in,
            data_frames_out,
            data_bytes_out,
            grants_out,
            grant_frames_out,
            grant_frames_in,
            grants_refreshed,
            stalls,
            probes,
            streams_opened,
            streams_refused,
            requests_refused,
            late_bytes,
            glitches,
            window_violations,
            keepalives,
            reads_paused,
            watchdog_resets,
            windows_grown,
            compacted_bytes,
        } = other;
        self.runs_in += runs_in;
        self.data_bytes_in += data_bytes_in;
        self.data_frames_out += data_frames_out;
        self.data_bytes_out += data_bytes_out;
        self.grants_out += grants_out;
        self.grant_frames_out += grant_frames_out;
        self.grant_frames_in += grant_frames_in;
        self.grants_refreshed += grants_refreshed;
        self.stalls += stalls;
        self.probes += probes;
        self.streams_opened += streams_opened;
        self.streams_refused += streams_refused;
        self.requests_refused += requests_refused;
        self.late_bytes += late_bytes;
        self.glitches += glitches;
        self.window_violations += window_violations;
        self.keepalives += keepalives;
        self.reads_paused += reads_paused;
        self.watchdog_resets += watchdog_resets;
        self.windows_grown += windows_grown;
        self.compacted_bytes += compacted_bytes;
    }
}
