//! What one run is, once every choice has been made.

use std::path::PathBuf;

use push_mux::CreditMode;
use push_mux::mux::Credit;
use serde::{Deserialize, Serialize};

use super::text;

/// The shortest body: it holds an index.
const BODY_MIN: u32 = 4;

/// The longest: what peers take in one frame, with room for what surrounds it.
const BODY_MAX: u32 = 1_000_000;

/// The most connections, streams or messages in flight.
const COUNT_MAX: u32 = 1_000_000;

/// The longest run: a week.
const SECONDS_MAX: f64 = 604_800.0;

/// The resolved settings of a run: written into every result, and enough to repeat it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Connections at the same time.
    pub(crate) connections: u32,
    /// Streams on each connection.
    pub(crate) streams: u32,
    /// Size of a body in bytes.
    pub(crate) body: u32,
    /// Messages on their way at once: of each stream in ping-pong, of each connection in calls.
    pub(crate) depth: u32,
    /// Messages a second in all, sent on schedule; as fast as it goes when there is none.
    pub(crate) rate: Option<f64>,
    /// How starts are spaced when there is a rate.
    pub(crate) arrivals: Arrivals,
    /// Messages of each stream (calls: of each connection); ends a run instead of `duration`.
    pub(crate) messages: Option<u64>,
    /// Seconds measured.
    pub(crate) duration: f64,
    /// Seconds before them that do not count.
    pub(crate) warmup: f64,
    /// Seed of everything that is drawn.
    pub(crate) seed: u64,
    /// Window of each stream.
    #[serde(with = "text")]
    pub(crate) credit: Credit,
    /// When credit is negotiated.
    #[serde(with = "text")]
    pub(crate) credit_mode: CreditMode,
    /// Received and unread bytes of a connection, at both ends.
    pub(crate) receive_max: Option<u64>,
    /// What connections run over.
    pub(crate) transport: Transport,
    /// Congestion control of the sockets of both ends, where another than the default is wanted.
    pub(crate) congestion: Option<String>,
    /// Which client of ours drives the server.
    pub(crate) client: ClientKind,
    /// Shards of the server.
    pub(crate) shards: u32,
    /// Round trip that is added to the line, in milliseconds.
    pub(crate) delay_ms: f64,
    /// What the line carries in each direction, in megabits a second; as much as it can when 0.
    pub(crate) megabits: f64,
    /// Streams that are opened and not read (isolation), connections that say nothing (storm).
    pub(crate) silent: u32,
    /// What a flood consists of.
    pub(crate) attack: Attack,
    /// Windows of the peers that are compared.
    pub(crate) windows: Windows,
    /// How signed feeds are replicated through a pub; none in the first form of replicate.
    pub(crate) protocol: Option<Protocol>,
    /// Peers that bring signed feeds, and as many others that fetch them.
    pub(crate) peers: u32,
    /// Signed feeds.
    pub(crate) feeds: u32,
    /// Seconds for which signed feeds are published on schedule.
    pub(crate) live: f64,
    /// Bytes that each follower reads in a second: none after the first message with 0.
    pub(crate) reads: Option<u64>,
    /// The server's own key file, with which it can be told whom to follow.
    pub(crate) secret: Option<PathBuf>,
    /// File of the messages that are replicated; made up when there is none.
    pub(crate) feed: Option<PathBuf>,
    /// Address of a server that runs already.
    pub(crate) server: Option<String>,
    /// Its method that is called, parts joined by dots.
    pub(crate) method: Option<String>,
    /// Arguments of each call, as JSON text.
    pub(crate) args: Option<String>,
    /// Its network key in base64.
    pub(crate) network_key: Option<String>,
    /// Let the server spoil one message.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) fault: bool,
}

impl Settings {
    /// What every scenario starts from.
    pub(crate) const fn base() -> Self {
        Self {
            connections: 1,
            streams: 1,
            body: 64,
            depth: 1,
            rate: None,
            arrivals: Arrivals::Even,
            messages: None,
            duration: 5.0,
            warmup: 0.5,
            seed: 1,
            credit: Credit::Auto,
            credit_mode: CreditMode::Auto,
            receive_max: None,
            transport: Transport::Tcp,
            congestion: None,
            client: ClientKind::Light,
            shards: 1,
            delay_ms: 0.0,
            megabits: 0.0,
            silent: 0,
            attack: Attack::Opens,
            windows: Windows::Default,
            protocol: None,
            peers: 4,
            feeds: 64,
            live: 2.0,
            reads: None,
            secret: None,
            feed: None,
            server: None,
            method: None,
            args: None,
            network_key: None,
            fault: false,
        }
    }

    /// What no scenario could run with.
    ///
    /// # Errors
    /// Why, in a sentence.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Self { body, rate, duration, warmup, connections, streams, depth, shards, messages, .. } = self;
        for (name, number) in [
            ("connections", connections),
            ("streams", streams),
            ("depth", depth),
            ("shards", shards),
            ("peers", &self.peers),
            ("feeds", &self.feeds),
        ] {
            if !(1..=COUNT_MAX).contains(number) {
                return Err(format!("{name} are from 1 to {COUNT_MAX}, and {number} are asked for"));
            }
        }
        if messages.is_some_and(|messages| messages == 0 || messages > u64::from(u32::MAX)) {
            return Err(format!("messages are from 1 to {}", u32::MAX));
        }
        if !(BODY_MIN..=BODY_MAX).contains(body) {
            return Err(format!("a body has {BODY_MIN} to {BODY_MAX} bytes, and {body} are asked for"));
        }
        if rate.is_some_and(|rate| !(rate > 0.0 && rate <= 1e9)) {
            return Err("a rate is more than 0 and at most 1e9".to_owned());
        }
        if !(*duration > 0.0
            && *duration <= SECONDS_MAX
            && (0.0..=SECONDS_MAX).contains(warmup)
            && (0.0..=SECONDS_MAX).contains(&self.live))
        {
            return Err(format!("a run takes more than 0 and at most {SECONDS_MAX} seconds"));
        }
        if let Some(text) = &self.args {
            serde_json::from_str::<Vec<serde_json::Value>>(text)
                .map_err(|error| format!("--args is no JSON array: {error}"))?;
        }
        Ok(())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::base()
    }
}

/// Choices that the command line, scenario files and results write in the same words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
        #[serde(rename_all = "kebab-case")]
        pub(crate) enum $name { $($(#[$each])* $variant),+ }
    };
}

words! {
    /// How the starts of messages are spaced.
    Arrivals {
        /// The same time between any two.
        Even,
        /// As those of many independent callers: exponential gaps.
        Poisson,
    }
}

words! {
    /// What connections run over.
    Transport {
        /// Loopback TCP.
        Tcp,
        /// Box-stream over loopback TCP, as Secure Scuttlebutt peers talk.
        Shs,
        /// The same inside WebSocket messages.
        Ws,
        /// A Unix socket.
        Unix,
    }
}

words! {
    /// How Secure Scuttlebutt peers replicate feeds.
    Protocol {
        /// A `createHistoryStream` for each feed.
        History,
        /// Epidemic broadcast trees: one `ebt.replicate` for all.
        Ebt,
    }
}

words! {
    /// Which client of ours drives a server.
    ClientKind {
        /// The generator's own: frames without a session, cheaper than any server.
        Light,
        /// The framework's, as an application would use it.
        Framework,
    }
}

words! {
    /// What a flood consists of.
    Attack {
        /// Streams opened and ended at once.
        Opens,
        /// Calls of a method that does not exist, whose replies are not read.
        Requests,
        /// Grants for streams that do not exist.
        Grants,
        /// One-byte frames on one stream.
        Tiny,
        /// Ends of streams that were never opened.
        Ends,
    }
}

words! {
    /// Windows of the peers that are compared.
    Windows {
        /// What each peer has when left alone.
        Default,
        /// 1 MiB a stream and 16 MiB a connection for all that have windows.
        Equal,
    }
}

/// The word that the command line has for a choice.
pub(crate) fn word(choice: impl clap::ValueEnum) -> String {
    choice.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_being_written_down() {
        let settings = Settings { rate: Some(1000.0), credit: Credit::Fixed(65_536), ..Settings::base() };
        let json = serde_json::to_string(&settings).expect("plain data");
        assert!(json.contains(r#""credit":"65536","credit_mode":"auto""#), "{json}");
        assert_eq!(serde_json::from_str::<Settings>(&json).expect("what was written"), settings);
    }

    #[test]
    fn what_is_not_a_setting_is_refused() {
        assert!(serde_json::from_str::<Settings>(r#"{"boddy":64}"#).is_err());
    }
}
