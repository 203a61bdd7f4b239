use crate::ssb::BlobId;
use std::{io, path::PathBuf};

/// Why the blob store did not do as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// Another process has it open.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// The disk is full, or nearly: reading goes on.
    #[error("the disk is full: {free_bytes} bytes are free, {min_bytes} are kept in reserve")]
    Full {
        /// What is free.
        free_bytes: u64,
        /// What must stay free.
        min_bytes: u64,
    },
    /// What is pinned or being written leaves no room below the quota.
    #[error("blobs may take {quota_bytes} bytes, and those that are pinned or being written take them")]
    Quota {
        /// The quota.
        quota_bytes: u64,
    },
    /// The blob has more bytes than its writer takes.
    #[error("the blob has more than {bytes_max} bytes")]
    TooLarge {
        /// The most that the writer takes.
        bytes_max: u64,
    },
    /// The bytes have another hash than was said. They are gone.
    #[error("the blob should have been {expected}, and is {found}")]
    WrongHash {
        /// What was said.
        expected: BlobId,
        /// What it is.
        found: BlobId,
    },
    /// The same blob is being fetched by somebody else.
    #[error("{0} is being written already")]
    Busy(BlobId),
    /// The disk failed.
    #[error("{what}: {source}")]
    Io {
        /// At what.
        what: String,
        /// How.
        source: io::Error,
    },
}

impl BlobError {
    pub(super) fn io(what: impl std::fmt::Display) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what: what.to_string(), source }
    }
}
