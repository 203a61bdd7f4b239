//! `loadgen verify`: how fast one core verifies messages, with nothing else to do. It is what a pub's ingest is held against.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use bytes::Bytes;
use push_mux::ssb::message::{Unchecked, Verifier};
use serde::Serialize;

use crate::cli::VerifyOptions;
use crate::feed::Corpus;
use crate::machine::{self, Machine};
use crate::report::table::short;

/// Messages that a pub verifies together.
pub(crate) const BATCH: usize = 128;

/// Authors of the messages.
const FEEDS: u32 = 64;

/// What one core does in a second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Rates {
    /// Messages read, checked and hashed, no signature verified.
    pub(crate) parsed_per_second: f64,
    /// The same with each signature verified alone.
    pub(crate) single_per_second: f64,
    /// The same with signatures verified in batches.
    pub(crate) batch_per_second: f64,
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Verified {
    schema: u32,
    version: &'static str,
    machine: Machine,
    messages: u64,
    bytes_mean: f64,
    batch: usize,
    seed: u64,
    #[serde(flatten)]
    rates: Rates,
}

/// Runs the command.
pub(crate) fn run(options: &VerifyOptions) -> anyhow::Result<ExitCode> {
    let (feeds, each) = shape(options.messages);
    let corpus = Corpus::sign(feeds, each, options.seed)?;
    let machine = Machine::here();
    let cores = machine::allowed_cores()?;
    machine::pin(*cores.first().context("no core is allowed")?)?;
    let values = in_turns(&corpus, each as usize);
    let batch = options.batch as usize;
    let rates = Rates {
        parsed_per_second: parsed(&values)?,
        single_per_second: single(&values)?,
        batch_per_second: in_batches(&values, batch)?,
    };
    let verified = Verified {
        schema: 1,
        version: env!("CARGO_PKG_VERSION"),
        machine,
        messages: values.len() as u64,
        bytes_mean: corpus.bytes_mean(),
        batch,
        seed: options.seed,
        rates,
    };
    if options.json {
        println!("{}", serde_json::to_string(&verified)?);
        return Ok(ExitCode::SUCCESS);
    }
    println!("verify: {} messages of {:.0} bytes, one core", values.len(), verified.bytes_mean);
    for (name, rate) in [
        ("read and hashed alone", rates.parsed_per_second),
        ("verified one by one", rates.single_per_second),
        ("verified in batches", rates.batch_per_second),
    ] {
        println!("{name:22} {:>7} msg/s {:>7.2} us each", short(rate), 1e6 / rate);
    }
    Ok(ExitCode::SUCCESS)
}

/// So many feeds of so many messages come to at least that many in all.
fn shape(messages: u32) -> (u32, u32) {
    let feeds = FEEDS.min(messages);
    (feeds, messages.div_ceil(feeds))
}

/// The first messages of every feed, feeds in turns: the mixture that peers of a pub bring.
pub(crate) fn in_turns(corpus: &Corpus, each: usize) -> Vec<Bytes> {
    let at = |place: usize| corpus.feeds.iter().filter_map(move |feed| feed.values.get(place).cloned());
    (0..each).flat_map(at).collect()
}

fn parsed(values: &[Bytes]) -> anyhow::Result<f64> {
    timed(values, |values| {
        for value in values {
            std::hint::black_box(Unchecked::parse(value, None)?);
        }
        Ok(())
    })
}

fn single(values: &[Bytes]) -> anyhow::Result<f64> {
    timed(values, |values| {
        for value in values {
            std::hint::black_box(Unchecked::parse(value, None)?.verify()?);
        }
        Ok(())
    })
}

/// Messages a second, verified in batches of so many.
pub(crate) fn in_batches(values: &[Bytes], batch: usize) -> anyhow::Result<f64> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let mut verifier = Verifier::new(seed);
    let mut unchecked = Vec::with_capacity(batch);
    timed(values, |values| {
        for values in values.chunks(batch) {
            for value in values {
                unchecked.push(Unchecked::parse(value, None)?);
            }
            for verified in verifier.verify(&mut unchecked) {
                std::hint::black_box(verified?);
            }
        }
        Ok(())
    })
}

fn timed(values: &[Bytes], mut work: impl FnMut(&[Bytes]) -> anyhow::Result<()>) -> anyhow::Result<f64> {
    // Code, tables and keys are warm in a pub.
    work(&values[..values.len().min(4 * BATCH)])?;
    let began = Instant::now();
    work(values)?;
    Ok(values.len() as f64 / began.elapsed().as_secs_f64().max(1e-9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forged_message_is_no_speed() {
        let corpus = Corpus::sign(2, 40, 3).expect("it can be signed");
        let mut values = in_turns(&corpus, 40);
        assert_eq!(values.len(), 80);
        assert!(in_batches(&values, BATCH).is_ok_and(|rate| rate > 0.0));
        // A word of the text is another: all is in place but the signature.
        let text = String::from_utf8(values[7].to_vec()).expect("it is text");
        let place = text.find(r#""text":""#).expect("a post") + 8;
        let forged = format!("{}X{}", &text[..place], &text[place + 1..]);
        values[7] = Bytes::from(forged);
        assert!(parsed(&values).is_ok() && single(&values).is_err() && in_batches(&values, BATCH).is_err());
    }

    #[test]
    fn no_fewer_messages_than_were_asked_for() {
        assert_eq!((shape(1), shape(65), shape(20_000)), ((1, 1), (64, 2), (64, 313)));
    }
}
