//! How values of options are read and shown.

use push_mux::{
    Address, PublicKey,
    secret::{Auth, Endpoint, Transport},
};
use std::{fmt::Display, str::FromStr, time::Duration};

/// A whole number within a type, and not below `min`.
pub(crate) fn number<T>(text: &str, min: T) -> Result<T, String>
where
    T: FromStr + PartialOrd + Display,
{
    let read = text.trim().parse::<T>().ok().filter(|number| *number >= min);
    read.ok_or_else(|| format!("{text:?} is no whole number of at least {min}, or too large"))
}

/// Bytes: a number, also with KiB, MiB or GiB behind it.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit: Option<u64> = match unit.trim() {
        "" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let read = unit.and_then(|unit| digits.parse::<u64>().ok()?.checked_mul(unit));
    read.ok_or_else(|| format!("{text:?} is no number of bytes such as 65536, 64KiB, 16MiB or 10GiB"))
}

/// The shortest form that is exact.
pub(crate) fn show_bytes(bytes: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes > 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// Seconds, from 1 on.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    number::<u32>(text, 1).map(|seconds| Duration::from_secs(seconds.into()))
}

/// An address of any kind.
pub(crate) fn address(text: &str) -> Result<Address, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// An address to listen on: `net`, `ws` and `wss` only with `~shs`, since a pub has nothing to say to who does not say
/// who it is.
pub(crate) fn listener(text: &str) -> Result<Address, String> {
    let address = address(text)?;
    let is_fit = |endpoint: &Endpoint| match (&endpoint.transport, &endpoint.auth) {
        (Transport::Net { .. } | Transport::Ws { .. } | Transport::Wss { .. }, Auth::Shs { seed, .. }) => {
            seed.is_none()
        }
        (Transport::Unix(_), Auth::None | Auth::NoAuth | Auth::Shs { .. }) => true,
        _ => false,
    };
    if address.endpoints().iter().all(is_fit) {
        return Ok(address);
    }
    Err(format!(
        "{text:?} cannot be listened on: net:HOST:PORT~shs, ws://HOST:PORT~shs, wss://HOST:PORT~shs or unix:/PATH is wanted"
    ))
}

/// An address to dial: somebody must be named.
pub(crate) fn dialled(text: &str) -> Result<Address, String> {
    let address = address(text)?;
    let is_named = |endpoint: &Endpoint| matches!(&endpoint.auth, Auth::Shs { key: Some(_), .. });
    if address.endpoints().iter().all(is_named) {
        return Ok(address);
    }
    Err(format!("{text:?} does not say whom to expect there: net:HOST:PORT~shs:KEY is wanted"))
}

/// A feed's id, `@...=.ed25519`.
pub(crate) fn feed(text: &str) -> Result<PublicKey, String> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let base64 = text.strip_prefix('@').and_then(|rest| rest.strip_suffix(".ed25519"));
    let bytes =
        base64.and_then(|base64| STANDARD.decode(base64).ok()).and_then(|bytes| bytes.try_into().ok());
    bytes.map(PublicKey).ok_or_else(|| format!("{text:?} is no feed: @BASE64=.ed25519 is wanted"))
}

/// 32 bytes of base64. What was given is not repeated: it is a key.
pub(crate) fn key(text: &str) -> Result<[u8; 32], String> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let bytes = STANDARD.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| "base64 of 32 bytes is wanted".to_owned())
}

/// Yes or no.
pub(crate) fn flag(text: &str) -> Result<bool, String> {
    match text.trim() {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}
