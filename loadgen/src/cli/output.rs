//! Where results go.

use std::path::PathBuf;

use clap::Args;

/// Options of everything that has rows.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct OutputOptions {
    /// One JSON object a row on standard output instead of tables
    #[arg(long)]
    pub(crate) json: bool,

    /// Write the rows to a file as well, one JSON object a line, for `loadgen diff`
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,

    /// Write a page with charts, which needs no network to open
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,

    /// Write an HdrHistogram log of the times, interval after interval
    #[arg(long, value_name = "FILE")]
    pub(crate) hdr: Option<PathBuf>,

    /// Write every recorded time of the first run in nanoseconds, a line each; slows the generator down
    #[arg(long, value_name = "FILE")]
    pub(crate) dump: Option<PathBuf>,
}
