use std::fmt;

/// A member of a message whose form can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// The id of the message before.
    Previous,
    /// The feed.
    Author,
    /// The place in the feed.
    Sequence,
    /// The author's clock.
    Timestamp,
    /// The name of the hash.
    Hash,
    /// What is said.
    Content,
    /// The `type` of what is said.
    ContentType,
    /// The signature's text, not what it signs.
    Signature,
}

/// What is asked of it.
impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Previous => "previous is neither null nor the id of a message",
            Self::Author => "author is no ed25519 feed id",
            Self::Sequence => "sequence is no integer from 1 to 2147483647",
            Self::Timestamp => "timestamp is no finite number",
            Self::Hash => "hash is not sha256",
            Self::Content => "content is neither an object nor canonical base64 that ends in .box",
            Self::ContentType => "the type of content is no string of 3 to 52 UTF-16 units",
            Self::Signature => "signature is not 64 bytes of canonical base64 and .sig.ed25519",
        })
    }
}
