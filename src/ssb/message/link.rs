use super::Message;
use crate::ssb::MessageId;

/// Why a message is not the next of its feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The feed already has a message of this sequence.
    #[error("the feed already has this sequence")]
    Known,
    /// Messages are missing between the feed's last and this one.
    #[error("the feed has {have} messages, and those that follow are missing")]
    Gap {
        /// The sequence of the feed's last, 0 if it has none.
        have: u32,
    },
    /// It follows another message than the one we have: its author has forked the feed.
    #[error("the feed forks: the message follows another one than ours")]
    Fork,
}

/// Whether a message is the next of a feed whose last has this sequence and id.
///
/// # Errors
/// [`LinkError`].
pub fn check_link(head: Option<(u32, MessageId)>, message: &Message) -> Result<(), LinkError> {
    let have = head.map_or(0, |(sequence, _)| sequence);
    if message.sequence <= have {
        return Err(LinkError::Known);
    }
    if message.sequence - have > 1 {
        return Err(LinkError::Gap { have });
    }
    if message.previous == head.map(|(_, id)| id) { Ok(()) } else { Err(LinkError::Fork) }
}
