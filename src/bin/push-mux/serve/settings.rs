//! The table of options: each stands here once, with how it is read, where it goes, and how it is shown.

use super::{
    limits::LIMITS,
    logs::{self, Format},
    resolve::Resolved,
    values::{address, dialled, feed, flag, key, listener, number},
};
use push_mux::{secret::NetworkKey, ssb::message::HmacKey};
use std::path::PathBuf;

/// How many values an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    One,
    Many,
    /// None on the command line; true or false elsewhere.
    Flag,
}

/// What an option is worth to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Nothing was said, and nothing is assumed.
    Unset,
    /// A key, which is never printed; whether it was set.
    Secret(bool),
    Flag(bool),
    /// A number.
    Bare(String),
    Text(String),
    Texts(Vec<String>),
}

/// An option.
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    /// What stands for its value in the help.
    pub(crate) value: &'static str,
    pub(crate) help: &'static str,
    /// Reads what was given; of `One` and `Flag` exactly one text.
    pub(crate) set: fn(&mut Resolved, &[String]) -> Result<(), String>,
    pub(crate) show: fn(&Resolved) -> Shown,
}

pub(crate) fn all() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().chain(LIMITS)
}

/// The one text of an option that takes one.
pub(super) fn only(values: &[String]) -> Result<&str, String> {
    match values {
        [value] => Ok(value),
        _ => Err("one value is wanted".to_owned()),
    }
}

/// Sets a field, if the value can be read.
pub(super) fn put<T>(field: &mut T, read: impl FnOnce() -> Result<T, String>) -> Result<(), String> {
    *field = read()?;
    Ok(())
}

fn optional(value: Option<impl ToString>) -> Shown {
    value.map_or(Shown::Unset, |value| Shown::Text(value.to_string()))
}

fn path(value: Option<&PathBuf>) -> Shown {
    optional(value.map(|path| path.display()))
}

fn each<T>(values: &[String], read: fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    values.iter().map(|value| read(value)).collect()
}

fn texts<T: ToString>(values: &[T]) -> Shown {
    Shown::Texts(values.iter().map(ToString::to_string).collect())
}

/// A host name or IP address as it stands in an invite, without anything that would end it there.
fn host(text: &str) -> Result<String, String> {
    let is_fit = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    if !text.is_empty() && text.chars().all(is_fit) {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} is no host: a name or an IP address is wanted, without port and scheme"))
}

const SETTINGS: &[Setting] = &[
    Setting {
        name: "dir",
        shape: Shape::One,
        value: "DIR",
        help: "Where identity, feeds and blobs are kept [default: $XDG_DATA_HOME/push-mux, ~/.local/share/push-mux]",
        set: |to, values| put(&mut to.options.dir, || Ok(PathBuf::from(only(values)?))),
        show: |of| path(Some(&of.options.dir)),
    },
    Setting {
        name: "listen",
        shape: Shape::Many,
        value: "ADDRESS",
        help: "Where peers come in: net:HOST:PORT~shs, ws://HOST:PORT~shs, wss://HOST:PORT~shs, unix:/PATH; may be repeated \
               [default: net:127.0.0.1:8008~shs]",
        set: |to, values| put(&mut to.listen, || each(values, listener)),
        show: |of| texts(&of.listen),
    },
    Setting {
        name: "no-socket",
        shape: Shape::Flag,
        value: "",
        help: "Leave DIR/socket out, by which the commands of the same user reach the server",
        set: |to, values| put(&mut to.has_socket, || Ok(!flag(only(values)?)?)),
        show: |of| Shown::Flag(!of.has_socket),
    },
    Setting {
        name: "connect",
        shape: Shape::Many,
        value: "ADDRESS",
        help: "A peer to keep a connection to, net:HOST:PORT~shs:KEY; may be repeated",
        set: |to, values| put(&mut to.options.connect, || each(values, dialled)),
        show: |of| texts(&of.options.connect),
    },
    Setting {
        name: "hops",
        shape: Shape::One,
        value: "N",
        help: "How far in the follow graph feeds are replicated: 0 is the pub's own, 1 those it follows [default: 2]",
        set: |to, values| put(&mut to.options.hops, || number(only(values)?, 0)),
        show: |of| Shown::Bare(of.options.hops.to_string()),
    },
    Setting {
        name: "replicate",
        shape: Shape::Many,
        value: "FEED",
        help: "A feed to replicate whatever the graph says, @...=.ed25519; may be repeated",
        set: |to, values| put(&mut to.options.replicate, || each(values, feed)),
        show: |of| texts(&of.options.replicate),
    },
    Setting {
        name: "network-key",
        shape: Shape::One,
        value: "BASE64",
        help: "The network to be in, base64 of 32 bytes [default: the main network]",
        set: |to, values| put(&mut to.network, || Ok(NetworkKey::new(key(only(values)?)?))),
        show: |of| Shown::Secret(of.network != NetworkKey::MAIN),
    },
    Setting {
        name: "hmac-key",
        shape: Shape::One,
        value: "BASE64",
        help: "The key of networks whose messages are signed over an HMAC, base64 of 32 bytes",
        set: |to, values| put(&mut to.options.hmac, || Ok(Some(HmacKey(key(only(values)?)?)))),
        show: |of| Shown::Secret(of.options.hmac.is_some()),
    },
    Setting {
        name: "host",
        shape: Shape::One,
        value: "HOST",
        help: "The host that invites name [default: that of the first listener]",
        set: |to, values| put(&mut to.options.host, || Ok(Some(host(only(values)?)?))),
        show: |of| optional(of.options.host.as_ref()),
    },
    Setting {
        name: "tls-certificate",
        shape: Shape::One,
        value: "FILE",
        help: "The certificates of wss listeners, PEM",
        set: |to, values| put(&mut to.tls_certificate, || Ok(Some(only(values)?.into()))),
        show: |of| path(of.tls_certificate.as_ref()),
    },
    Setting {
        name: "tls-key",
        shape: Shape::One,
        value: "FILE",
        help: "The private key that belongs to the certificate, PEM",
        set: |to, values| put(&mut to.tls_key, || Ok(Some(only(values)?.into()))),
        show: |of| path(of.tls_key.as_ref()),
    },
    Setting {
        name: "shards",
        shape: Shape::One,
        value: "N",
        help: "Shards to run [default: one per CPU the process may use]",
        set: |to, values| put(&mut to.options.serve.shards, || Ok(Some(number(only(values)?, 1)?))),
        show: |of| of.options.serve.shards.map_or(Shown::Unset, |shards| Shown::Bare(shards.to_string())),
    },
    Setting {
        name: "backend",
        shape: Shape::One,
        value: "NAME",
        help: "How sockets wait: auto, ring or epoll [default: auto]",
        set: |to, values| {
            to.options.serve.backend = only(values)?.parse().map_err(|error| format!("{error}"))?;
            Ok(())
        },
        show: |of| Shown::Text(of.options.serve.backend.to_string()),
    },
    Setting {
        name: "congestion",
        shape: Shape::One,
        value: "NAME",
        help: "Congestion control of TCP connections, such as cubic or bbr [default: the system's]",
        set: |to, values| put(&mut to.options.serve.congestion, || Ok(Some(only(values)?.to_owned()))),
        show: |of| optional(of.options.serve.congestion.as_ref()),
    },
    Setting {
        name: "metrics",
        shape: Shape::One,
        value: "IP:PORT",
        help: "Where GET /metrics and /healthz are answered, to anybody who gets there [default: nowhere]",
        set: |to, values| {
            let text = only(values)?;
            let read = text.parse().map_err(|_| format!("{text:?} is no address such as 127.0.0.1:9108"));
            to.metrics = Some(read?);
            Ok(())
        },
        show: |of| optional(of.metrics),
    },
    Setting {
        name: "log-format",
        shape: Shape::One,
        value: "text|json",
        help: "How the log is written to standard error [default: text]",
        set: |to, values| put(&mut to.log.format, || Format::from_name(only(values)?)),
        show: |of| Shown::Text(of.log.format.name().to_owned()),
    },
    Setting {
        name: "log-filter",
        shape: Shape::One,
        value: "FILTER",
        help: "What is logged, such as push_mux=debug; PUSH_MUX_LOG sets it too [default: push_mux=info]",
        set: |to, values| put(&mut to.log.filter, || logs::filter(only(values)?)),
        show: |of| Shown::Text(of.log.filter.clone()),
    },
];

/// The address listened on when nothing is said.
pub(super) fn default_listen() -> Result<push_mux::Address, String> {
    address("net:127.0.0.1:8008~shs")
}
