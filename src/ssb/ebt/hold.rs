use super::{Claim, Exchange, Local, row::Bit};
use crate::PublicKey;

impl Exchange {
    /// Stops the exchange of a feed that cannot be stored here for now, which is not the peer's fault: it is told −1, so that it will begin
    /// anew where we are. Yields what is to be told to [`Requests`](super::Requests).
    #[must_use]
    pub fn hold(&mut self, feed: &PublicKey) -> Option<Claim> {
        let row = self.rows.get_mut(feed)?;
        if !row.claim(Bit::Held) {
            return None;
        }
        row.set(Bit::WasHeld, true);
        row.set(Bit::Receive, false);
        self.held.push(*feed);
        self.queue_note(feed);
        Some(Claim { feed: *feed, sequence: None })
    }

    /// Whether a feed is held, or has been: messages that were on their way then may come yet, and are out of place.
    #[must_use]
    pub fn was_held(&self, feed: &PublicKey) -> bool {
        self.rows.get(feed).is_some_and(|row| row.is(Bit::WasHeld))
    }

    /// Exchanges again what was held. Yields the peer's claims, to be told to [`Requests`](super::Requests).
    #[must_use]
    pub fn resume(&mut self, local: &impl Local) -> Vec<Claim> {
        let held = std::mem::take(&mut self.held);
        let mut claims = Vec::new();
        for feed in held {
            if let Some(row) = self.rows.get_mut(&feed) {
                row.set(Bit::Held, false);
                claims.extend(self.handle_wanted(&feed, local));
            }
        }
        claims
    }
}
