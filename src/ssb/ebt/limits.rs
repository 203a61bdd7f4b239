/// Every bound of an [`Exchange`](super::Exchange). Each says what it stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeLimits {
    /// Entries of one note frame (200,000): twice the feeds a pub keeps. Stops a frame that names feeds without end; it is refused whole.
    pub notes_in_max: usize,
    /// Bytes of a note frame we write (64 KiB). Stops a clock of 100,000 feeds from standing in the way of all else on the connection.
    pub note_bytes_max: usize,
    /// Feeds that the peer named, that are not wanted here, and that are remembered (8,192). Stops a peer that names a
    /// million made-up feeds: those past the bound are answered and forgotten.
    pub unwanted_max: usize,
    /// Answers −1 that may wait to be written besides (4,096). Stops the same peer when it does not read either: feeds past the
    /// bound are not answered.
    pub answers_max: usize,
}

impl Default for ExchangeLimits {
    fn default() -> Self {
        Self { notes_in_max: 200_000, note_bytes_max: 64 << 10, unwanted_max: 8_192, answers_max: 4_096 }
    }
}
