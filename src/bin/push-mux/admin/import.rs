use super::reach::{ReachArgs, print};
use clap::Args;
use push_mux::{Body, CallError, Client, mux::Outgoing};
use serde::de::IgnoredAny;
use std::{
    fs::File,
    io::{BufRead, BufReader, Read, stdin},
    path::PathBuf,
};

/// Bytes of a line. Stops a file that is no such list from filling memory.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Bytes of lines read at a time.
const BATCH_BYTES: usize = 256 << 10;

#[derive(Args)]
pub(crate) struct ImportArgs {
    /// The messages, a JSON object a line, as `push-mux export` writes them, each feed in its order; - is standard input.
    file: PathBuf,
    #[command(flatten)]
    reach: ReachArgs,
}

pub(crate) fn run(args: &ImportArgs) -> Result<(), String> {
    let name = args.file.display().to_string();
    let input: Box<dyn Read + Send> = if name == "-" {
        Box::new(stdin())
    } else {
        Box::new(File::open(&args.file).map_err(|error| format!("{name}: {error}"))?)
    };
    let lines = Lines { name, input: BufReader::new(input), line: 0 };
    let sent = args.reach.with(async |client| send(client, lines).await)?;
    let messages = if sent == 1 { "message" } else { "messages" };
    print(&format!("the server has {sent} {messages} of this file, those it had before included"))
}

/// Sends all lines; yields how many. The server ends the sink when all are stored.
async fn send(client: &Client, mut lines: Lines) -> Result<u64, CallError> {
    let mut sink = client.sink("feeds.import", ()).await?;
    let mut sent = 0;
    loop {
        // Reading a pipe or a disk blocks, so glommio's blocking thread does it.
        let (batch, rest) = glommio::executor()
            .spawn_blocking(move || {
                let batch = lines.batch();
                (batch, lines)
            })
            .await;
        lines = rest;
        let batch = batch?;
        if batch.is_empty() {
            break;
        }
        for line in batch {
            sink.send(Outgoing::from(Body::json(line))).await?;
            sent += 1;
        }
    }
    sink.finish().await?;
    Ok(sent)
}

/// The lines of a file.
struct Lines {
    name: String,
    input: BufReader<Box<dyn Read + Send>>,
    /// The last one read, from 1.
    line: u64,
}

impl Lines {
    /// Some more lines, each of them JSON; none at the end.
    fn batch(&mut self) -> Result<Vec<String>, String> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while bytes < BATCH_BYTES {
            let mut text = String::new();
            let read = (&mut self.input).take(LINE_BYTES_MAX + 1).read_line(&mut text);
            self.line += 1;
            let place = format!("{}:{}", self.name, self.line);
            match read {
                Ok(0) => break,
                Ok(_) if text.len() as u64 > LINE_BYTES_MAX => {
                    return Err(format!("{place}: the line has more than {LINE_BYTES_MAX} bytes"));
                }
                Ok(_) => {}
                Err(error) => return Err(format!("{place}: {error}")),
            }
            let line = text.trim();
            if line.is_empty() {
                continue;
            }
            if let Err(error) = serde_json::from_str::<IgnoredAny>(line) {
                return Err(format!("{place}: this is no JSON: {error}"));
            }
            bytes += line.len();
            batch.push(line.to_owned());
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Lines {
        let input: Box<dyn Read + Send> = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
        Lines { name: "f".to_owned(), input: BufReader::new(input), line: 0 }
    }

    #[test]
    fn lines_are_read_in_batches_and_empty_ones_passed_over() {
        let long = format!("\"{}\"", "x".repeat(BATCH_BYTES));
        let mut all = lines(&format!("{{\"a\":1}}\r\n\n{long}\n[2]"));
        assert_eq!(all.batch(), Ok(vec!["{\"a\":1}".to_owned(), long]));
        assert_eq!(all.batch(), Ok(vec!["[2]".to_owned()]));
        assert_eq!(all.batch(), Ok(Vec::new()));
    }

    #[test]
    fn a_bad_line_is_named() {
        let error = lines("{}\n{\n").batch().expect_err("it is no JSON");
        assert!(error.starts_with("f:2: this is no JSON: "), "{error}");
        let long = "1".repeat(LINE_BYTES_MAX as usize + 1);
        let error = lines(&long).batch().expect_err("it is too long");
        assert_eq!(error, "f:1: the line has more than 1048576 bytes");
        assert!(lines("\u{fffd}").batch().is_err());
    }
}
