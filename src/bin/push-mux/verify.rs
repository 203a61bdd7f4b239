//! Verify a file of messages: their form, signatures, ids, and how they follow each other.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use clap::Args;
use push_mux::{
    PublicKey,
    ssb::{
        MessageId,
        message::{HmacKey, Message, Unchecked, Verifier, check_link},
    },
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, Write},
    path::PathBuf,
    time::Instant,
};

/// Messages whose signatures are verified at once.
const BATCH: usize = 512;

#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// Lines of JSON, each the value of a message or {"key","value","timestamp"}; those of a feed in order, from its first.
    file: PathBuf,
    /// The HMAC key of a network that signs with one (caps.sign), base64.
    #[arg(long, value_name = "KEY", value_parser = hmac_key)]
    hmac: Option<HmacKey>,
}

fn hmac_key(text: &str) -> Result<HmacKey, &'static str> {
    let bytes = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(HmacKey).ok_or("it is not 32 bytes of base64")
}

/// A message with what a database says of it. A value alone has no member of that name.
#[derive(Deserialize)]
struct Line<'a> {
    key: Option<String>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

/// A line whose signature is still to be verified.
struct Waiting {
    line: u64,
    key: Option<String>,
}

#[derive(Default)]
struct Report {
    messages: u64,
    feeds: BTreeMap<PublicKey, (u32, MessageId)>,
    refused: Vec<(u64, String)>,
}

impl Report {
    fn refuse(&mut self, line: u64, reason: impl ToString) {
        self.refused.push((line, reason.to_string()));
    }

    fn settle(&mut self, waiting: &Waiting, message: &Message) {
        if waiting.key.as_ref().is_some_and(|key| *key != message.id.to_string()) {
            return self.refuse(waiting.line, format!("the key is not its id, {}", message.id));
        }
        let head = self.feeds.get(&message.author).copied();
        if let Err(error) = check_link(head, message) {
            return self.refuse(waiting.line, error);
        }
        self.feeds.insert(message.author, (message.sequence, message.id));
        self.messages += 1;
    }
}

fn parse(text: Vec<u8>, hmac: Option<&HmacKey>) -> Result<(Option<String>, Unchecked), String> {
    let mut text = Bytes::from(text);
    let line: Option<Line<'_>> = serde_json::from_slice(&text).ok();
    let (key, value) = line.map_or((None, None), |line| (line.key, line.value));
    if let Some(value) = value {
        text = text.slice_ref(value.get().as_bytes());
    }
    let unchecked = Unchecked::parse(&text, hmac).map_err(|error| error.to_string())?;
    Ok((key, unchecked))
}

fn verify(lines: impl BufRead, hmac: Option<&HmacKey>, seed: [u8; 32]) -> io::Result<Report> {
    let mut report = Report::default();
    let mut verifier = Verifier::new(seed);
    let (mut batch, mut waiting) = (Vec::new(), Vec::new());
    let mut settle = |report: &mut Report, batch: &mut Vec<Unchecked>, waiting: &mut Vec<Waiting>| {
        for (waiting, verdict) in waiting.drain(..).zip(verifier.verify(batch)) {
            match verdict {
                Ok(message) => report.settle(&waiting, &message),
                Err(error) => report.refuse(waiting.line, error),
            }
        }
    };
    for (line, text) in (1..).zip(lines.split(b'\n')) {
        let text = text?;
        if text.trim_ascii().is_empty() {
            continue;
        }
        match parse(text, hmac) {
            Ok((key, unchecked)) => {
                batch.push(unchecked);
                waiting.push(Waiting { line, key });
            }
            Err(reason) => report.refuse(line, reason),
        }
        if batch.len() == BATCH {
            settle(&mut report, &mut batch, &mut waiting);
        }
    }
    settle(&mut report, &mut batch, &mut waiting);
    report.refused.sort_by_key(|(line, _)| *line);
    Ok(report)
}

#[expect(clippy::disallowed_methods, reason = "no shard runs here, and the rate is for the eyes only")]
pub(crate) fn run(args: &VerifyArgs) -> Result<(), String> {
    let fault = |error: io::Error| format!("{}: {error}", args.file.display());
    let lines = BufReader::with_capacity(1 << 20, File::open(&args.file).map_err(fault)?);
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| format!("no randomness: {error}"))?;
    let start = Instant::now();
    let report = verify(lines, args.hmac.as_ref(), seed).map_err(fault)?;
    let seconds = start.elapsed().as_secs_f64();

    let mut out = io::stdout().lock();
    let print = |out: &mut io::StdoutLock<'_>, text: String| {
        writeln!(out, "{text}").map_err(|error| format!("standard output: {error}"))
    };
    for (line, reason) in &report.refused {
        print(&mut out, format!("line {line}: {reason}"))?;
    }
    let rate = report.messages as f64 / seconds.max(1e-6);
    let (messages, feeds, refused) = (report.messages, report.feeds.len(), report.refused.len());
    print(
        &mut out,
        format!("{messages} messages of {feeds} feeds are valid, {rate:.0}/s; {refused} refused"),
    )?;
    if refused == 0 { Ok(()) } else { Err(format!("{}: {refused} lines were refused", args.file.display())) }
}
