//! What a command line or a file asks for: for each setting nothing, one value or several, each combination being a run of
//! its own.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use push_mux::CreditMode;
use push_mux::mux::Credit;
use serde::Deserialize;

use super::text::{self, one_or_many};
use super::{Arrivals, Attack, ClientKind, Protocol, Settings, Transport, Windows};

/// Points that one grid may have: more than anybody would wait for.
const POINTS_MAX: usize = 10_000;

/// Settings as they are asked for. Every option takes a list, and every combination is run.
#[derive(Clone, Debug, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Grid {
    /// Connections at the same time
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) connections: Vec<u32>,

    /// Streams on each connection
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) streams: Vec<u32>,

    /// Bytes of a body, with KiB or MiB if you like
    #[arg(long, value_name = "BYTES,…", value_delimiter = ',')]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) body: Vec<Body>,

    /// Messages on their way at once: calls of a connection, pings of a stream, clients of a storm
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) depth: Vec<u32>,

    /// Messages a second in all, sent on schedule and timed from when they were due (open loop)
    #[arg(long, value_name = "R,…", value_delimiter = ',', value_parser = positive)]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) rate: Vec<f64>,

    /// How the starts of an open loop are spaced
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) arrivals: Option<Arrivals>,

    /// Messages of each stream (calls: of each connection) instead of a duration
    #[arg(long, value_name = "N,…", value_delimiter = ',', conflicts_with = "duration",
        value_parser = clap::value_parser!(u64).range(1..))]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) messages: Vec<u64>,

    /// Seconds measured
    #[arg(long, value_name = "S,…", value_delimiter = ',', value_parser = positive)]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) duration: Vec<f64>,

    /// Seconds before them that do not count
    #[arg(long, value_name = "S", value_parser = natural)]
    pub(crate) warmup: Option<f64>,

    /// Seed of everything that is drawn
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// How far ahead of reading a stream may run: bytes, with KiB or MiB if you like, or auto
    #[arg(long, value_name = "BYTES|auto,…", value_delimiter = ',')]
    #[serde(deserialize_with = "text::many")]
    pub(crate) credit: Vec<Credit>,

    /// When credit is negotiated: offer (at once), auto (when the server's manifest lists it), respond, off
    #[arg(long, value_name = "MODE")]
    #[serde(deserialize_with = "text::option")]
    pub(crate) credit_mode: Option<CreditMode>,

    /// Received and unread bytes of a connection, at both ends
    #[arg(long, value_name = "BYTES,…", value_delimiter = ',')]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) receive_max: Vec<Body>,

    /// What connections run over
    #[arg(long, value_enum, value_name = "NAME,…", value_delimiter = ',')]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) transport: Vec<Transport>,

    /// Which client of ours drives the server
    #[arg(long, value_enum, value_name = "NAME,…", value_delimiter = ',')]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) client: Vec<ClientKind>,

    /// Shards of the server, a core each
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) shards: Vec<u32>,

    /// Round trip added to the line, in milliseconds
    #[arg(long, value_name = "MS,…", value_delimiter = ',', value_parser = natural)]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) delay_ms: Vec<f64>,

    /// What the line carries in each direction, in megabits a second
    #[arg(long, value_name = "MBIT,…", value_delimiter = ',', value_parser = natural)]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) megabits: Vec<f64>,

    /// Streams that nobody reads (isolation), connections that say nothing (storm)
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) silent: Vec<u32>,

    /// What a flood consists of
    #[arg(long, value_enum, value_name = "NAME,…", value_delimiter = ',')]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) attack: Vec<Attack>,

    /// Windows of compared peers: what each has by default, or 1 MiB a stream and 16 MiB a connection for all
    #[arg(long, value_enum, value_name = "NAME,…", value_delimiter = ',')]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) windows: Vec<Windows>,

    /// Replicate signed feeds through a pub, peers pushing and pulling them in this way; --messages are of each feed
    #[arg(long, value_enum, value_name = "NAME,…", value_delimiter = ',')]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) protocol: Vec<Protocol>,

    /// Peers that push signed feeds, and as many others that pull them
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=100_000))]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) peers: Vec<u32>,

    /// Signed feeds
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=100_000))]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) feeds: Vec<u32>,

    /// Seconds for which signed feeds are published at --rate, in the end
    #[arg(long, value_name = "S", value_parser = natural)]
    pub(crate) live: Option<f64>,

    /// Bytes that each follower reads in a second; 0 is the first message and no more
    #[arg(long, value_name = "BYTES,…", value_delimiter = ',')]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) reads: Vec<Speed>,

    /// The key file of the server that --server names: with it the server is told to follow the signed feeds
    #[arg(long, value_name = "FILE", requires = "server")]
    pub(crate) secret: Option<PathBuf>,

    /// Feed messages to replicate: JSON lines of messages, bare or as key, value and timestamp
    #[arg(long, value_name = "FILE")]
    pub(crate) feed: Option<PathBuf>,

    /// A muxrpc server that is running already, instead of one of our own
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) server: Option<String>,

    /// Method of that server, with dots between the parts of its name
    #[arg(long, value_name = "NAME", requires = "server")]
    pub(crate) method: Option<String>,

    /// Arguments of each call, a JSON array
    #[arg(long, value_name = "JSON", requires = "server")]
    pub(crate) args: Option<String>,

    /// Network key of that server, base64 [default: the main network's]
    #[arg(long, value_name = "B64", requires = "server")]
    pub(crate) network_key: Option<String>,

    /// Let the server spoil one message: the run must notice
    #[arg(long, hide = true)]
    pub(crate) fault: bool,
}

/// A number of bytes, read as credit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "text::NumberOrText")]
pub(crate) struct Body(pub(crate) u64);

impl FromStr for Body {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<Credit>()? {
            Credit::Fixed(bytes) => Ok(Self(bytes)),
            Credit::Auto => Err("a number of bytes is wanted".to_owned()),
        }
    }
}

/// Bytes a second, read as credit is; or 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "text::NumberOrText")]
pub(crate) struct Speed(pub(crate) u64);

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "0" { Ok(Self(0)) } else { text.parse().map(|Body(bytes)| Self(bytes)) }
    }
}

impl TryFrom<text::NumberOrText> for Speed {
    type Error = String;

    fn try_from(value: text::NumberOrText) -> Result<Self, String> {
        value.to_string().parse()
    }
}

impl TryFrom<text::NumberOrText> for Body {
    type Error = String;

    fn try_from(value: text::NumberOrText) -> Result<Self, String> {
        value.to_string().parse()
    }
}

impl Grid {
    /// Every combination, starting from `defaults`, in the order of the lists; the last option changes fastest.
    ///
    /// # Errors
    /// A sentence when a value makes no sense, or when there are more than anybody would wait for.
    pub(crate) fn points(&self, defaults: &Settings) -> Result<Vec<Settings>, String> {
        let mut points = vec![defaults.clone()];
        for point in &mut points {
            self.set_single(point);
        }
        let body = self.body.iter().map(|body| u32::try_from(body.0).unwrap_or(u32::MAX)).collect::<Vec<_>>();
        let messages = self.messages.iter().copied().map(Some).collect::<Vec<_>>();
        let rate = self.rate.iter().copied().map(Some).collect::<Vec<_>>();
        let receive_max = self.receive_max.iter().map(|bytes| Some(bytes.0)).collect::<Vec<_>>();
        across(&mut points, &self.transport, |point, value| point.transport = value);
        across(&mut points, &self.client, |point, value| point.client = value);
        across(&mut points, &self.shards, |point, value| point.shards = value);
        across(&mut points, &self.windows, |point, value| point.windows = value);
        across(&mut points, &self.attack, |point, value| point.attack = value);
        let protocols = self.protocol.iter().copied().map(Some).collect::<Vec<_>>();
        across(&mut points, &protocols, |point, value| point.protocol = value);
        let reads = self.reads.iter().map(|bytes| Some(bytes.0)).collect::<Vec<_>>();
        across(&mut points, &reads, |point, value| point.reads = value);
        across(&mut points, &self.peers, |point, value| point.peers = value);
        across(&mut points, &self.feeds, |point, value| point.feeds = value);
        across(&mut points, &self.connections, |point, value| point.connections = value);
        across(&mut points, &body, |point, value| point.body = value);
        across(&mut points, &self.streams, |point, value| point.streams = value);
        across(&mut points, &self.depth, |point, value| point.depth = value);
        across(&mut points, &self.silent, |point, value| point.silent = value);
        across(&mut points, &rate, |point, value| point.rate = value);
        across(&mut points, &self.delay_ms, |point, value| point.delay_ms = value);
        across(&mut points, &self.megabits, |point, value| point.megabits = value);
        across(&mut points, &receive_max, |point, value| point.receive_max = value);
        across(&mut points, &self.credit, |point, value| point.credit = value);
        across(&mut points, &messages, |point, value| point.messages = value);
        across(&mut points, &self.duration, |point, value| point.duration = value);
        if points.len() > POINTS_MAX {
            return Err(format!("these lists make {} combinations, {POINTS_MAX} are the most", points.len()));
        }
        points.iter().try_for_each(Settings::check)?;
        Ok(points)
    }

    fn set_single(&self, point: &mut Settings) {
        let Self {
            arrivals,
            warmup,
            seed,
            credit_mode,
            live,
            secret,
            feed,
            server,
            method,
            args,
            network_key,
            fault,
            ..
        } = self;
        point.live = live.unwrap_or(point.live);
        point.secret = secret.clone().or_else(|| point.secret.take());
        point.arrivals = arrivals.unwrap_or(point.arrivals);
        point.warmup = warmup.unwrap_or(point.warmup);
        point.seed = seed.unwrap_or(point.seed);
        point.credit_mode = credit_mode.unwrap_or(point.credit_mode);
        point.fault |= fault;
        for (wanted, place) in [
            (server, &mut point.server),
            (method, &mut point.method),
            (args, &mut point.args),
            (network_key, &mut point.network_key),
        ] {
            *place = wanted.clone().or_else(|| place.take());
        }
        point.feed = feed.clone().or_else(|| point.feed.take());
    }

    /// What this grid says, and what `below` says where it says nothing.
    pub(crate) fn over(mut self, below: &Self) -> Self {
        macro_rules! lists { ($($list:ident)*) => { $(if self.$list.is_empty() { self.$list.clone_from(&below.$list); })* } }
        macro_rules! singles { ($($single:ident)*) => { $(self.$single = self.$single.take().or_else(|| below.$single.clone());)* } }
        // One of the two ends a run: a wish for the other replaces it.
        if self.messages.is_empty() && self.duration.is_empty() {
            self.messages.clone_from(&below.messages);
            self.duration.clone_from(&below.duration);
        }
        lists!(connections streams body depth rate credit receive_max transport client shards delay_ms megabits silent attack windows protocol peers feeds reads);
        singles!(arrivals warmup seed credit_mode live secret feed server method args network_key);
        self.fault |= below.fault;
        self
    }
}

fn across<T: Clone>(points: &mut Vec<Settings>, values: &[T], set: impl Fn(&mut Settings, T)) {
    if values.is_empty() {
        return;
    }
    let with = |point: &Settings, value: &T| {
        let mut point = point.clone();
        set(&mut point, value.clone());
        point
    };
    // Bounded before anything runs; a list of lists that is too long is cut where the error is certain.
    *points = points
        .iter()
        .flat_map(|point| values.iter().map(move |value| with(point, value)))
        .take(POINTS_MAX + 1)
        .collect();
}

/// A number of more than 0 that is no more than a billion.
///
/// # Errors
/// What it is instead.
pub(crate) fn positive(text: &str) -> Result<f64, String> {
    natural(text)?;
    text.parse().ok().filter(|number| *number > 0.0).ok_or_else(|| "it must be more than 0".to_owned())
}

fn natural(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| (0.0..=1e9).contains(number));
    number.ok_or_else(|| "it must be a number from 0 to 1e9".to_owned())
}
