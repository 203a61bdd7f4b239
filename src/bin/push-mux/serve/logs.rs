//! What is written to standard error while a server runs.

use tracing_subscriber::EnvFilter;

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Text,
    /// An object a line.
    Json,
}

impl Format {
    pub(crate) fn from_name(name: &str) -> Result<Self, String> {
        match name {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("{name:?} is neither text nor json")),
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// The log of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Log {
    pub(crate) format: Format,
    pub(crate) filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: Format::default(), filter: "push_mux=info".to_owned() }
    }
}

/// Checks a filter before anything starts.
pub(crate) fn filter(text: &str) -> Result<String, String> {
    let read = EnvFilter::try_new(text).map_err(|error| format!("{text:?} is no log filter: {error}"));
    read.map(|_| text.to_owned())
}

/// Logs from here on.
pub(crate) fn begin(log: &Log) -> Result<(), String> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|error| error.to_string())?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let begun = match log.format {
        Format::Text => builder.try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    begun.map_err(|error| error.to_string())
}
