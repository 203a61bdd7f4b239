use super::{
    ADDRESS_BYTES_MAX, ALTERNATIVES_MAX, Address, AddressError, Auth, Endpoint, Protocol, Seed, Transport,
    WS_PORT, WSS_PORT,
    protocol::{is_name, split},
};
use crate::secret::PublicKey;
use std::{net::Ipv6Addr, str::FromStr};

type Parsed<T> = Result<T, String>;

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        alternatives(text).map(Self).map_err(|fault| AddressError::new(text, fault))
    }
}

impl FromStr for Endpoint {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let several = || AddressError::new(text, "one alternative is wanted, not several");
        let [endpoint] = <[Self; 1]>::try_from(text.parse::<Address>()?.0).map_err(|_| several())?;
        Ok(endpoint)
    }
}

impl Address {
    /// Reads an invite of the old form, `HOST:PORT:@KEY.ed25519~SEED`; what it means is `net:HOST:PORT~shs:KEY:SEED`
    /// (`onion:` for a host in `.onion`, and `ws://` and `wss://` hosts stay what they are, as npm `ssb-ref` does it).
    /// A redirect, from `#` on, is left out.
    ///
    /// # Errors
    /// [`AddressError`] when the text is no such invite.
    pub fn from_legacy_invite(text: &str) -> Result<Self, AddressError> {
        legacy_invite(text).map(Self::from).map_err(|fault| AddressError::of_legacy_invite(text, fault))
    }
}

fn check_length(text: &str) -> Parsed<()> {
    if text.len() > ADDRESS_BYTES_MAX {
        return Err(format!("it has {} bytes, more than {ADDRESS_BYTES_MAX}", text.len()));
    }
    Ok(())
}

fn alternatives(text: &str) -> Parsed<Vec<Endpoint>> {
    check_length(text)?;
    if text.is_empty() {
        return Err("it is empty; use net:HOST:PORT, HOST:PORT or unix:/PATH".to_owned());
    }
    if split(text, ';').count() > ALTERNATIVES_MAX {
        return Err(format!("it has more than {ALTERNATIVES_MAX} alternatives"));
    }
    split(text, ';').map(endpoint).collect()
}

fn endpoint(text: &str) -> Parsed<Endpoint> {
    let read = |text| {
        Protocol::read(text).ok_or_else(|| "`!` escapes only `! : ; ~`; write `!!` for itself".to_owned())
    };
    let mut protocols = split(text, '~').map(read);
    let first = protocols.next().unwrap_or_else(|| read(""))?;
    let transforms = protocols.collect::<Parsed<Vec<_>>>()?;
    Ok(Endpoint { transport: transport(&first, transforms.is_empty())?, auth: auth(transforms)? })
}

fn transport(protocol: &Protocol, is_plain: bool) -> Parsed<Transport> {
    let joined = protocol.joined();
    match protocol.name.as_str() {
        "net" => host_port(&joined, "net:").map(|(host, port)| Transport::Net { host, port }),
        "onion" => host_port(&joined, "onion:").map(|(host, port)| Transport::Onion { host, port }),
        "ws" => url(&joined, WS_PORT).map(|(host, port, path)| Transport::Ws { host, port, path }),
        "wss" => url(&joined, WSS_PORT).map(|(host, port, path)| Transport::Wss { host, port, path }),
        "unix" if joined.is_empty() || joined.contains('\0') => {
            Err("it names no socket; use unix:/PATH".to_owned())
        }
        "unix" => Ok(Transport::Unix(joined.into())),
        "tunnel" => tunnel(&protocol.data),
        "" if joined.is_empty() => Err("an alternative is empty".to_owned()),
        name if is_plain && is_shorthand(protocol) => {
            host_port(&format!("{name}:{joined}"), "").map(|(host, port)| Transport::Net { host, port })
        }
        name if !protocol.has_name() => {
            Err(format!("{name:?} names no transport; use net:HOST:PORT, ws://HOST or unix:/PATH"))
        }
        name if is_plain && protocol.data.is_empty() => {
            Err(format!("{name:?} alone says neither host nor port; use net:HOST:PORT"))
        }
        name => Ok(Transport::Other { name: name.to_owned(), data: protocol.data.clone() }),
    }
}

/// Whether what names no known transport means `HOST:PORT`.
fn is_shorthand(protocol: &Protocol) -> bool {
    match protocol.data.as_slice() {
        [] => false,
        _ if !protocol.has_name() => true,
        [port] => is_number(port),
        // IPv6 such as `fe80::1:8008`.
        [middle @ .., port] => is_number(port) && is_ipv6(&format!("{}:{}", protocol.name, middle.join(":"))),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit())
}

/// With a zone or without.
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "-"));
    let is_zone = |c: char| !c.is_whitespace() && !c.is_control() && !"[]/?#@:%".contains(c);
    address.parse::<Ipv6Addr>().is_ok() && !zone.is_empty() && zone.chars().all(is_zone)
}

fn port(text: &str) -> Parsed<u16> {
    let number = is_number(text).then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| format!("{text:?} is no port; it is a number up to 65535"))
}

/// A host without brackets, checked.
fn host(text: &str) -> Parsed<String> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let inner = bracketed.strip_suffix(']').filter(|inner| is_ipv6(inner));
        return inner.map(str::to_owned).ok_or_else(|| format!("{text:?} is no IPv6 address in brackets"));
    }
    if text.is_empty() {
        return Err("the host is missing; 0.0.0.0 and :: stand for all of this machine".to_owned());
    }
    if text.contains(':') && !is_ipv6(text) {
        return Err(format!("the host {text:?} has a colon and is no IPv6 address"));
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || "[]/?#@".contains(c)) {
        return Err(format!("{text:?} is no host"));
    }
    Ok(text.to_owned())
}

fn host_port(text: &str, prefix: &str) -> Parsed<(String, u16)> {
    let Some((name, number)) = text.rsplit_once(':') else {
        return Err(format!("it has no port; use {prefix}HOST:PORT"));
    };
    Ok((host(name)?, port(number)?))
}

/// What follows `ws:` and `wss:`. Paths are kept as they are: it is the peer who knows what they mean.
fn url(text: &str, default_port: u16) -> Parsed<(String, u16, Option<String>)> {
    let Some(rest) = text.strip_prefix("//") else {
        return Err("slashes are missing; use ws://HOST[:PORT] or wss://HOST[:PORT]".to_owned());
    };
    let (authority, path) = match rest.find(['/', '?']).and_then(|at| rest.split_at_checked(at)) {
        Some((authority, query)) if query.starts_with('?') => (authority, Some(format!("/{query}"))),
        Some((authority, path)) => (authority, Some(path.to_owned())),
        None => (rest, None),
    };
    if path
        .as_ref()
        .is_some_and(|path| path.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#'))
    {
        return Err("the path has a space, a control character or a `#`".to_owned());
    }
    // The last colon of a bracketed address is within the brackets.
    let (name, number) = match authority.rsplit_once(':') {
        Some((name, number)) if !authority.ends_with(']') => (name, port(number)?),
        _ => (authority, default_port),
    };
    if name.contains(':') && !name.starts_with('[') {
        return Err(format!("an IPv6 address stands in brackets here, [{name}]"));
    }
    Ok((host(name)?, number, path))
}

fn tunnel(data: &[String]) -> Parsed<Transport> {
    let [portal, target] = data else {
        return Err("use tunnel:@PORTAL.ed25519:@TARGET.ed25519".to_owned());
    };
    let key = |text: &String| text.parse().map_err(|error| format!("{text:?}: {error}"));
    Ok(Transport::Tunnel { portal: key(portal)?, target: key(target)? })
}

fn auth(transforms: Vec<Protocol>) -> Parsed<Auth> {
    if let Some(odd) = transforms.iter().find(|transform| !is_name(&transform.name)) {
        // Its name may be a seed, so only its place is told.
        let kind = if odd.name.is_empty() { "is empty" } else { "has a name with other than a-z, 0-9 and -" };
        return Err(format!("a transform, after `~`, {kind}; use ~shs:KEY or ~noauth"));
    }
    let [transform] = transforms.as_slice() else {
        return Ok(if transforms.is_empty() { Auth::None } else { Auth::Other(transforms) });
    };
    match (transform.name.as_str(), transform.data.as_slice()) {
        ("noauth", []) => Ok(Auth::NoAuth),
        ("shs", []) => Ok(Auth::Shs { key: None, seed: None }),
        ("shs", [key]) => Ok(Auth::Shs { key: Some(shs_key(key)?), seed: None }),
        ("shs", [key, seed]) => Ok(Auth::Shs { key: Some(shs_key(key)?), seed: Some(shs_seed(seed)?) }),
        ("shs", _) => Err("after ~shs come a key and at most a seed".to_owned()),
        _ => Ok(Auth::Other(transforms)),
    }
}

fn shs_key(text: &str) -> Parsed<PublicKey> {
    let wrong = "the key after ~shs: is not 32 bytes of padded base64, without @ and .ed25519";
    PublicKey::from_base64(text).ok_or_else(|| wrong.to_owned())
}

fn shs_seed(text: &str) -> Parsed<Seed> {
    Seed::from_base64(text).ok_or_else(|| "the seed is not 32 bytes of padded base64".to_owned())
}

fn legacy_invite(text: &str) -> Parsed<Endpoint> {
    check_length(text)?;
    let invite = text.split_once('#').map_or(text, |(invite, _)| invite);
    let wanted = || "an invite of the old form is HOST:PORT:@KEY.ed25519~SEED".to_owned();
    let (peer, seed) = invite.split_once('~').ok_or_else(wanted)?;
    let (place, key) = peer.rsplit_once(':').filter(|(_, key)| key.starts_with('@')).ok_or_else(wanted)?;
    let key = key.parse::<PublicKey>().map_err(|error| error.to_string())?;
    let transport = if let Some(rest) = place.strip_prefix("ws:") {
        let (host, port, path) = url(rest, WS_PORT)?;
        Transport::Ws { host, port, path }
    } else if let Some(rest) = place.strip_prefix("wss:") {
        let (host, port, path) = url(rest, WSS_PORT)?;
        Transport::Wss { host, port, path }
    } else {
        let (host, port) = host_port(place, "")?;
        if host.ends_with(".onion") { Transport::Onion { host, port } } else { Transport::Net { host, port } }
    };
    Ok(Endpoint { transport, auth: Auth::Shs { key: Some(key), seed: Some(shs_seed(seed)?) } })
}
