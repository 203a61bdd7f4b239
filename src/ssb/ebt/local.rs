use crate::PublicKey;

/// What an [`Exchange`](super::Exchange) has to know of this side. All of it is asked anew each time, so it may change between any two
/// calls; who changes what is wanted or blocked then calls [`handle_wanted`](super::Exchange::handle_wanted).
pub trait Local {
    /// The sequence of the last message stored of a feed; 0 when there is none.
    fn sequence(&self, feed: &PublicKey) -> u32;

    /// Whether the feed is replicated here at all.
    fn wants(&self, feed: &PublicKey) -> bool;

    /// Whether its author lets this peer have it: nobody's messages go to those whom they block.
    fn may_send(&self, feed: &PublicKey) -> bool;

    /// Calls `visit` with every feed that is wanted.
    fn for_each_wanted(&self, visit: &mut dyn FnMut(&PublicKey));

    /// Whether the first note asks this peer for the feed, which saves a round trip:
    /// [`Requests::ask_first`](super::Requests::ask_first) knows. Without it, a feed is asked for once the peer has claimed it.
    fn asks_first(&self, feed: &PublicKey) -> bool {
        let _ = feed;
        false
    }
}
