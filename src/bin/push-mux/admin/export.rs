use super::reach::ReachArgs;
use clap::Args;
use push_mux::{CallError, RecvStream};
use serde_json::{Value, json};
use std::io::{BufWriter, ErrorKind, Write};

#[derive(Args)]
pub(crate) struct ExportArgs {
    /// Only this feed, in its own order; all messages in the order they came if not said.
    #[arg(long, value_name = "FEED")]
    feed: Option<String>,
    #[command(flatten)]
    reach: ReachArgs,
}

impl ExportArgs {
    /// The source to call, and its argument.
    fn call(&self) -> (&'static str, Value) {
        match &self.feed {
            Some(feed) => ("createHistoryStream", json!({ "id": feed, "keys": true, "live": false })),
            None => ("createLogStream", json!({ "keys": true, "live": false })),
        }
    }
}

pub(crate) fn run(args: &ExportArgs) -> Result<(), String> {
    args.reach.with(async |client| {
        let (method, argument) = args.call();
        let mut rx = client.source(method, (argument,)).await?;
        match copy(&mut rx, &mut BufWriter::new(std::io::stdout().lock())).await {
            // Whoever read has enough.
            Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            Err(Failure::Output(error)) => Err(CallError::new(format!("standard output: {error}"))),
            Err(Failure::Call(error)) => Err(error),
            Ok(()) => Ok(()),
        }
    })
}

enum Failure {
    Call(CallError),
    Output(std::io::Error),
}

/// Each message on a line.
async fn copy(rx: &mut RecvStream, out: &mut impl Write) -> Result<(), Failure> {
    while let Some(body) = rx.next().await {
        let body = body.map_err(|error| Failure::Call(error.into()))?;
        let written = out.write_all(body.bytes.trim_ascii_end()).and_then(|()| out.write_all(b"\n"));
        written.map_err(Failure::Output)?;
    }
    out.flush().map_err(Failure::Output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        export: ExportArgs,
    }

    #[test]
    fn a_feed_comes_from_its_history_and_all_from_the_log() {
        let call = |words: &[&str]| {
            let cli = Cli::try_parse_from(std::iter::once(&"x").chain(words)).expect("it parses");
            let (method, argument) = cli.export.call();
            format!("{method} {argument}")
        };
        assert_eq!(call(&[]), r#"createLogStream {"keys":true,"live":false}"#);
        let feed = r#"createHistoryStream {"id":"@a=.ed25519","keys":true,"live":false}"#;
        assert_eq!(call(&["--feed", "@a=.ed25519"]), feed);
    }
}
