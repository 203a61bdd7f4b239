//! `loadgen mux`: one kind of method under load.

use std::process::ExitCode;

use super::bench::{Bench, Size};
use super::fleet::{self, Plan, Ran};
use super::streams::{self, Work};
use super::{idle, isolation, light, report, shards};
use crate::cli::{MuxOptions, MuxScenario, word};
use crate::machine::Machine;
use crate::progress::Progress;
use crate::row::Row;
use crate::table::counted;

/// Runs `loadgen mux`.
pub(crate) fn run(options: &MuxOptions) -> anyhow::Result<ExitCode> {
    match options.scenario {
        MuxScenario::Idle => idle::run(options),
        MuxScenario::Isolation => isolation::run(options),
        MuxScenario::Shards => shards::run(options),
        _ => load(options),
    }
}

fn load(options: &MuxOptions) -> anyhow::Result<ExitCode> {
    let size = Size::new(&options.common, 1, 1);
    let bench = Bench::start(&options.common, size, None)?;
    if !options.common.json {
        println!("{}; server: {}", Machine::here(), counted(bench.shards as u64, "shard"));
    }
    let work = Work {
        streams: size.streams,
        body: options.body as usize,
        messages: options.messages,
        in_flight: options.in_flight,
        unread: options.unread,
    };
    let plan = Plan {
        connections: size.connections,
        seconds: options.messages.is_none().then_some(options.seconds),
    };
    let progress = match options.messages {
        Some(each) => Progress::new(u64::from(each) * u64::from(size.streams) * u64::from(size.connections)),
        None => Progress::of_time(options.seconds),
    };
    let mut ran = match options.scenario {
        MuxScenario::Source if options.light => light::run(&bench, plan, work)?,
        MuxScenario::Sink => fleet::run(&bench, plan, &progress, move |seat| streams::sinks(seat, work))?,
        MuxScenario::Duplex => {
            fleet::run(&bench, plan, &progress, move |seat| streams::duplexes(seat, work))?
        }
        MuxScenario::Async => fleet::run(&bench, plan, &progress, move |seat| streams::calls(seat, work))?,
        _ => fleet::run(&bench, plan, &progress, move |seat| streams::sources(seat, work))?,
    };
    drop(progress);
    check(options.scenario, &mut ran);
    let row = Row {
        scenario: word(options.scenario),
        body_bytes: u64::from(options.body),
        ..report::row(&ran, size, options.common.transport)
    };
    if options.common.json {
        println!("{}", serde_json::to_string(&row)?);
    } else {
        println!("\n{}", report::tables(std::slice::from_ref(&row), "call"));
    }
    Ok(report::verdict(&row, ran.complaint.as_deref(), bench))
}

/// What can be checked only when all is done.
fn check(scenario: MuxScenario, ran: &mut Ran) {
    let mut wrong = |messages: u64, what: String| {
        if messages > 0 {
            ran.tally.errors += messages;
            ran.complaint.get_or_insert(what);
        }
    };
    if scenario == MuxScenario::Sink {
        let (sent, server) = (ran.tally.messages, ran.server);
        let lost = sent.abs_diff(server.messages);
        wrong(lost, format!("the server collected {} of {sent} messages", server.messages));
        wrong(server.errors, "messages reached the server changed or out of order".to_owned());
        if lost == 0 && ran.tally.bytes != server.bytes {
            wrong(1, format!("the server collected {} of {} bytes", server.bytes, ran.tally.bytes));
        }
    }
    if ran.tally.messages == 0 {
        wrong(1, "no message came".to_owned());
    }
}
