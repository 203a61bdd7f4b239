//! The text forms of public keys.

use super::PublicKey;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use std::str::FromStr;

/// Text that is no public key. It does not show the text: what is pasted by mistake may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no public key: {0}; use @BASE64=.ed25519, the base64 alone or ssb:feed/classic/BASE64URL")]
pub struct PublicKeyError(&'static str);

const LENGTH: PublicKeyError = PublicKeyError("it is not 32 bytes of canonical, padded base64");

impl PublicKey {
    /// Reads padded base64 without sigil and suffix; `None` when it is not 32 bytes of it in canonical form, which is
    /// to say that each key has one text.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// The SSB URI, `ssb:feed/classic/...`: base64 with `-` for `+` and `_` for `/`.
    #[must_use]
    pub fn to_uri(&self) -> String {
        format!("ssb:feed/classic/{}", URL_SAFE.encode(self.0))
    }
}

/// Reads `@BASE64=.ed25519`, the base64 alone, and SSB URIs of classic feeds: `ssb:feed/classic/BASE64URL` with `/` or `:`
/// between the parts, with `//` after `ssb:`, and with the old `ed25519` for `classic` (as npm `ssb-uri2` reads them).
impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(uri) = text.strip_prefix("ssb:") {
            return from_uri(uri.strip_prefix("//").unwrap_or(uri));
        }
        let base64 = match text.strip_prefix('@') {
            Some(rest) => {
                rest.strip_suffix(".ed25519").ok_or(PublicKeyError("the suffix is not .ed25519"))?
            }
            None => text,
        };
        Self::from_base64(base64).ok_or(LENGTH)
    }
}

fn from_uri(rest: &str) -> Result<PublicKey, PublicKeyError> {
    let mut parts = rest.splitn(3, ['/', ':']);
    match (parts.next(), parts.next(), parts.next()) {
        (Some("feed"), Some("classic" | "ed25519"), Some(data)) => {
            let bytes = URL_SAFE.decode(data).ok().and_then(|bytes| bytes.try_into().ok());
            bytes.map(PublicKey).ok_or(LENGTH)
        }
        (Some("feed"), ..) => Err(PublicKeyError("the URI's feed format is not classic")),
        _ => Err(PublicKeyError("the URI is not one of a feed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BASE64: &str = "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=";

    #[test]
    fn a_key_is_read_in_all_its_forms() {
        let key = PublicKey(STANDARD.decode(BASE64).unwrap().try_into().unwrap());
        let safe = "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s=";
        for text in [
            format!("@{BASE64}.ed25519"),
            BASE64.to_owned(),
            format!("ssb:feed/classic/{safe}"),
            format!("ssb:feed:classic:{safe}"),
            format!("ssb:feed/ed25519/{safe}"),
            format!("ssb:feed:ed25519:{safe}"),
            format!("ssb://feed/classic/{safe}"),
        ] {
            assert_eq!(text.parse(), Ok(key), "{text}");
        }
        assert_eq!(key.to_uri(), format!("ssb:feed/classic/{safe}"));
        assert_eq!(key.to_string(), format!("@{BASE64}.ed25519"));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let body = &BASE64[..42];
        for text in [
            String::new(),
            "@".to_owned(),
            "@.ed25519".to_owned(),
            format!("@{BASE64}"),
            format!("@{BASE64}.sha256"),
            format!("%{BASE64}.ed25519"),
            format!("{BASE64}.ed25519"),
            format!(" {BASE64}"),
            format!("{BASE64}\n"),
            // Padding left out; two bits that must be zero; 31, 33 and 34 bytes.
            format!("@{body}s.ed25519"),
            format!("@{body}t=.ed25519"),
            format!("@{body}==.ed25519"),
            format!("@{body}ss.ed25519"),
            format!("{BASE64}AAA="),
            format!("ssb:feed/classic/{BASE64}"),
            format!("ssb:feed/bendybutt-v1/{}", BASE64.replace('+', "-").replace('/', "_")),
            format!("ssb:message/classic/{}", BASE64.replace('+', "-").replace('/', "_")),
            "ssb:".to_owned(),
            "ssb:feed/classic".to_owned(),
        ] {
            let error = text.parse::<PublicKey>().expect_err(&text);
            assert!(!error.to_string().contains(body), "{error}");
        }
    }

    proptest! {
        #[test]
        fn every_form_reads_back(bytes in any::<[u8; 32]>()) {
            let key = PublicKey(bytes);
            for text in [key.to_string(), key.to_base64(), key.to_uri()] {
                prop_assert_eq!(text.parse(), Ok(key));
            }
        }

        #[test]
        fn no_text_panics(text in "(@|ssb:(//)?feed[:/](classic|ed25519)[:/])?[A-Za-z0-9+/=_~é-]{0,48}(\\.ed25519)?") {
            if let Ok(key) = text.parse::<PublicKey>() {
                prop_assert!(text.len() >= key.to_base64().len());
            }
        }
    }
}
