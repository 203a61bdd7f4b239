//! The ids of messages and blobs: SHA-256 hashes with a sigil. A feed's id is its author's [`PublicKey`](crate::PublicKey).

use base64::{Engine, engine::general_purpose::STANDARD};
use std::{fmt, str::FromStr};

/// Text that is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no id: {0}")]
pub struct IdError(&'static str);

macro_rules! hash_id {
    ($name:ident, $sigil:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($sigil, "{}.sha256"), STANDARD.encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let base64 = text
                    .strip_prefix($sigil)
                    .and_then(|rest| rest.strip_suffix(".sha256"))
                    .ok_or(IdError(concat!("it has not the form ", $sigil, "BASE64.sha256")))?;
                let bytes = STANDARD.decode(base64).ok().and_then(|bytes| bytes.try_into().ok());
                bytes.map(Self).ok_or(IdError("it is not 32 bytes of canonical, padded base64"))
            }
        }
    };
}

hash_id!(MessageId, "%", "The id of a classic message, `%...=.sha256`.");
hash_id!(BlobId, "&", "The id of a blob: the hash of its bytes, `&...=.sha256`.");

impl BlobId {
    /// The blob of no bytes, which everybody has.
    pub const EMPTY: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
        0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_has_one_text() {
        let text = "&47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=.sha256";
        assert_eq!(text.parse(), Ok(BlobId::EMPTY));
        assert_eq!(BlobId::EMPTY.to_string(), text);
        for wrong in [
            "",
            "&",
            "%47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=.sha256",
            "&47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=.sha256",
        ] {
            assert!(wrong.parse::<BlobId>().is_err(), "{wrong}");
        }
    }
}
