//! The limits an operator may set. Each has a default that stops the attack it is there for; see `docs/OPERATIONS.md`.

use super::{
    settings::{Setting, Shape, Shown, only, put},
    values::{bytes, number, seconds, show_bytes},
};

macro_rules! count {
    ($name:literal, $min:literal, $($field:ident).+, $help:literal) => {
        Setting {
            name: $name,
            shape: Shape::One,
            value: "N",
            help: $help,
            set: |to, values| put(&mut to.options.$($field).+, || number(only(values)?, $min)),
            show: |of| Shown::Bare(of.options.$($field).+.to_string()),
        }
    };
}

macro_rules! size {
    ($name:literal, $($field:ident).+, $help:literal) => {
        Setting {
            name: $name,
            shape: Shape::One,
            value: "BYTES",
            help: $help,
            set: |to, values| put(&mut to.options.$($field).+, || bytes(only(values)?)),
            show: |of| Shown::Text(show_bytes(of.options.$($field).+)),
        }
    };
}

macro_rules! time {
    ($name:literal, $($field:ident).+, $help:literal) => {
        Setting {
            name: $name,
            shape: Shape::One,
            value: "SECONDS",
            help: $help,
            set: |to, values| put(&mut to.options.$($field).+, || seconds(only(values)?)),
            show: |of| Shown::Bare(of.options.$($field).+.as_secs().to_string()),
        }
    };
}

pub(super) const LIMITS: &[Setting] = &[
    count!(
        "max-connections",
        1,
        serve.connections_max,
        "Connections per shard; more are closed at once [default: 10000]"
    ),
    count!(
        "max-handshakes",
        1,
        serve.handshake.half_open_max,
        "Handshakes under way per shard; more wait in line [default: 1024]"
    ),
    count!(
        "max-handshakes-per-ip",
        1,
        serve.handshake.half_open_per_source_max,
        "Of these, from one IPv4 address or IPv6 /64 [default: 256]"
    ),
    count!(
        "max-waiting",
        0,
        serve.handshake.waiting_max,
        "Connections per shard that wait to shake hands; more are closed at once [default: 8192]"
    ),
    time!(
        "max-handshake-seconds",
        serve.handshake.duration_max,
        "How long a handshake may take [default: 10]"
    ),
    count!(
        "max-connects-per-ip",
        0,
        serve.handshake.rate_per_source_max,
        "Connections a second from one address in the long run; 0 sets no bound [default: 200]"
    ),
    count!(
        "max-connects-burst",
        1,
        serve.handshake.rate_burst_max,
        "Connections at once from one address [default: 4000]"
    ),
    count!(
        "max-streams",
        1,
        serve.session.limits.streams_open_max,
        "Streams a peer may have open [default: 1024]"
    ),
    count!(
        "max-requests",
        1,
        serve.session.limits.requests_in_max,
        "Requests of a peer being answered [default: 256]"
    ),
    size!(
        "max-receive-bytes",
        serve.session.limits.receive_bytes_max,
        "Received and unread bytes of a connection, and the credit handed out on it [default: 16MiB]"
    ),
    size!(
        "max-shard-receive-bytes",
        serve.receive_bytes_max,
        "Received and unread bytes of all connections of a shard [default: 256MiB]"
    ),
    time!(
        "max-idle-seconds",
        serve.session.limits.idle_max,
        "How long a peer may complete no frame [default: 600]"
    ),
    time!("max-drain-seconds", serve.drain_max, "How long a shutdown waits for work at hand [default: 10]"),
    count!("max-feeds", 1, feeds_max, "Feeds kept [default: 100000]"),
    count!(
        "max-unverified",
        1,
        unverified_max,
        "Messages of a connection that wait for their verdict [default: 1024]"
    ),
    size!(
        "max-blobs-bytes",
        blobs_bytes_max,
        "Bytes of all blobs; the least recently used go first [default: 10GiB]"
    ),
    size!("max-blob-bytes", blob_bytes_max, "Bytes of a blob fetched from others [default: 5MiB]"),
    size!(
        "min-disk-free-bytes",
        disk_free_bytes_min,
        "Free bytes of the file system below which nothing is written any more [default: 64MiB]"
    ),
];
