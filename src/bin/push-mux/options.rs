use clap::Args;
use push_mux::{
    CreditMode,
    mux::{Config, Credit, Limits},
};

/// Options that both ends of a session have.
#[derive(Args, Clone)]
pub(crate) struct SessionArgs {
    /// How far ahead of reading the peer may run on each stream: bytes (also 64KiB, 1MiB), or auto.
    #[arg(long, default_value = "auto", value_name = "BYTES|auto")]
    pub(crate) credit: Credit,
    /// When to open our control stream: offer, respond, auto or off.
    #[arg(long, default_value = "auto", value_name = "MODE")]
    pub(crate) credit_mode: CreditMode,
    /// Streams the peer may have open.
    #[arg(long, value_name = "N")]
    pub(crate) streams_max: Option<usize>,
    /// Received and unread bytes of a connection (also 64MiB).
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) receive_max: Option<u64>,
    /// Congestion control of TCP connections, such as cubic or bbr.
    #[arg(long, value_name = "NAME")]
    pub(crate) congestion: Option<String>,
}

fn bytes(text: &str) -> Result<u64, String> {
    match text.parse::<Credit>()? {
        Credit::Fixed(bytes) => Ok(bytes),
        Credit::Auto => Err("a number of bytes is wanted".to_owned()),
    }
}

impl SessionArgs {
    pub(crate) fn config(&self) -> Config {
        let mut limits = Limits::default();
        limits.streams_open_max = self.streams_max.unwrap_or(limits.streams_open_max);
        limits.receive_bytes_max = self.receive_max.unwrap_or(limits.receive_bytes_max);
        Config { credit: self.credit, control: self.credit_mode.control(), limits, ..Config::default() }
    }
}
