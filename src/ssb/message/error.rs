use super::Member;

/// Why a text is no valid message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The text is not UTF-8.
    #[error("the text is not UTF-8")]
    NotUtf8,
    /// The text is not JSON.
    #[error("the text is not JSON at byte {at}")]
    NotJson {
        /// Where it stops being JSON.
        at: usize,
    },
    /// The text is longer than any that a message of the size allowed is written in.
    #[error("the text is of {bytes} bytes, more than {}", super::TEXT_BYTES_MAX)]
    TextTooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Arrays and objects stand in each other deeper than any message of the size allowed has room for.
    #[error("the text nests deeper than {}", super::DEPTH_MAX)]
    TooDeep,
    /// The canonical text is too long.
    #[error("the canonical text is of {units} UTF-16 units, more than {}", super::UNITS_MAX)]
    TooLarge {
        /// How long it is, or was when counting stopped.
        units: usize,
    },
    /// The value is no object with the seven members, in the order that messages have.
    #[error(
        "the members are not previous, sequence and author in either order, timestamp, hash, content, signature"
    )]
    Members,
    /// A member has not the form that it must have.
    #[error("{0}")]
    Member(Member),
    /// The first message of a feed names one before it, or a later one does not.
    #[error("a message has no previous if its sequence is 1, and only then")]
    First,
    /// The message that would follow has a sequence that messages cannot have.
    #[error("the feed is full")]
    FeedFull,
    /// The signature is not the author's over this message.
    #[error("the signature does not verify")]
    Signature,
}
