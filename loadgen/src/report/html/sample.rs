//! Made-up rows for tests, and for a page to look at.

use std::collections::BTreeMap;

use crate::plan::{Arrivals, Settings};
use crate::record::noise::Noise;
use crate::report::row::{CreditCounts, Ends, Latency, Moment, Ratio, Row, Run, SCHEMA};
use crate::report::spread::Spread;

/// Numbers that look like chance and are the same every time.
struct Chance(u64);

impl Chance {
    /// Around 1, at most `part` away.
    fn around(&mut self, part: f64) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        1.0 + part * ((self.0 >> 33) as f64 / f64::from(1_u32 << 30) - 1.0)
    }
}

/// A row with a rate, two thousand times as many bytes, and nothing that has a time of its own.
pub(crate) fn row(scenario: &str, peer: &str, rate: f64) -> Row {
    let mut chance = Chance(rate.to_bits() ^ peer.len() as u64);
    let settings = Settings { duration: 4.0, ..Settings::base() };
    let runs: Vec<Run> = (0..3).map(|_| run(rate * chance.around(0.06), &settings)).collect();
    let spread = |pick: fn(&Run) -> f64| Spread::of(runs.iter().map(pick));
    let cost = 0.9e6 / rate;
    Row {
        schema: SCHEMA,
        version: "0.3.0".to_owned(),
        scenario: scenario.to_owned(),
        peer: peer.to_owned(),
        machine: serde_json::from_str(
            r#"{"processor":"AMD EPYC 9354","cores":2,"kernel":"6.18.2","congestion":"reno","load":"0.12"}"#,
        )
        .expect("a machine"),
        noise: Noise::default(),
        remarks: Vec::new(),
        messages: runs.iter().map(|run| run.messages).sum(),
        errors: 0,
        failed: None,
        messages_per_second: spread(|run| run.messages_per_second),
        megabytes_per_second: spread(|run| run.megabytes_per_second),
        latency_us: None,
        service_us: None,
        percentiles: Vec::new(),
        cpu_us_per_message: Ends { server: cost * 0.93, client: cost },
        busy: Ends { server: 0.84, client: 0.97 },
        server_instructions_per_message: None,
        rss_bytes: Ends { server: 8_400_000, client: 9_900_000 },
        credit: None,
        figures: BTreeMap::new(),
        ratio: Some(Ratio {
            base: "push-mux".to_owned(),
            spread: Spread { median: 1.0, min: 1.0, max: 1.0 },
        }),
        timeline: timeline(rate, settings.duration, &mut chance),
        runs,
        settings,
    }
}

fn run(rate: f64, settings: &Settings) -> Run {
    Run {
        seconds: settings.duration,
        messages: (rate * settings.duration) as u64,
        messages_per_second: rate,
        megabytes_per_second: rate * f64::from(settings.body) / 1e6,
        cpu_seconds: Ends { server: 0.84 * settings.duration, client: 0.97 * settings.duration },
        rss_bytes: Ends { server: 8_400_000, client: 9_900_000 },
        errors: 0,
        figures: BTreeMap::new(),
    }
}

fn timeline(rate: f64, duration: f64, chance: &mut Chance) -> Vec<Moment> {
    let moment = |step: u32| {
        let at = f64::from(step) * 0.1;
        // Starts slowly, as windows that grow do.
        let grown = 1.0 - 0.7 * (-at / 0.3).exp();
        Moment {
            at,
            messages_per_second: rate * grown * chance.around(0.05),
            busy: Ends { server: 0.84 * chance.around(0.05), client: 0.97 * chance.around(0.03) },
            rss_bytes: Ends {
                server: (5.5e6 + 2.9e6 * grown * chance.around(0.02)) as u64,
                client: (6e6 + 3.9e6 * grown) as u64,
            },
            ..Moment::default()
        }
    };
    (1..=(duration * 10.0) as u32).map(moment).collect()
}

/// A row that has everything: a rate to keep, latency, service time, credit, figures.
pub(crate) fn full_row() -> Row {
    timed(row("open loop", "push-mux", 20_000.0), 60.0)
}

/// The row with times, of which half are below `p50` microseconds.
fn timed(mut row: Row, p50: f64) -> Row {
    let mut chance = Chance(p50.to_bits());
    let took = |part: f64| {
        let rare = -(1.0 - part.min(0.999_99)).log10();
        p50 * (0.55 + 0.45 * rare / 0.301 + 0.16 * rare.powf(3.1))
    };
    let latency = |times: f64| Latency {
        p50: took(0.5) * times,
        p90: took(0.9) * times,
        p99: took(0.99) * times,
        p999: took(0.999) * times,
        max: took(0.999_99) * times,
    };
    row.percentiles =
        (0..=100).map(|step| 1.0 - 10f64.powf(-f64::from(step) * 0.05)).map(|q| (q, took(q))).collect();
    (row.latency_us, row.service_us) = (Some(latency(1.0)), Some(latency(0.62)));
    (row.settings.rate, row.settings.arrivals) = (Some(20_000.0), Arrivals::Poisson);
    row.credit = Some(CreditCounts { grants: 41_250, grant_frames: 3_120, stalls: 17 });
    row.server_instructions_per_message = Some(2310.0);
    row.figures.insert("setup_ms".to_owned(), Spread { median: 1.25, min: 1.1, max: 1.9 });
    row.figures.insert("late_starts".to_owned(), Spread { median: 12.0, min: 3.0, max: 40.0 });
    for moment in &mut row.timeline {
        moment.p99_us = took(0.99) * chance.around(0.3);
        moment.window_bytes = 65_536 << ((moment.at * 2.0) as u32).min(4);
        moment.credit_bytes = (moment.window_bytes as f64 * 6.0 * chance.around(0.2)) as u64;
    }
    row
}

/// A row of a run that broke off before anything was measured.
pub(crate) fn failed_row(scenario: &str, peer: &str) -> Row {
    Row {
        messages: 0,
        failed: Some("the peer closed the connection: unknown frame type 7".to_owned()),
        messages_per_second: None,
        megabytes_per_second: None,
        cpu_us_per_message: Ends::default(),
        busy: Ends::default(),
        rss_bytes: Ends::default(),
        ratio: None,
        runs: Vec::new(),
        timeline: Vec::new(),
        ..row(scenario, peer, 1.0)
    }
}

/// What a night of measuring could give.
pub(crate) fn rows() -> Vec<Row> {
    compared().into_iter().chain(sweep()).chain(open_loop()).chain(calls()).collect()
}

/// Seven peers and one that failed.
fn compared() -> Vec<Row> {
    let peers = [
        ("push-mux", 1.0),
        ("coalesced TCP", 3.02),
        ("push-mux-shs", 0.69),
        ("h2 0.4", 0.30),
        ("js push-mux 1.0.7", 0.074),
        ("yamux 0.14", 0.011),
        ("js muxrpc 8", 0.005_1),
    ];
    let row = |(peer, ratio): (&str, f64)| {
        let mut row = row("source 64 B", peer, 10_440_000.0 * ratio);
        row.settings.streams = 100;
        if peer.starts_with("js") {
            row.rss_bytes = Ends { server: 94_300_000, client: 88_100_000 };
            for moment in &mut row.timeline {
                moment.rss_bytes.server += 78_000_000 + (moment.at * 2e6) as u64;
                moment.rss_bytes.client += 70_000_000;
            }
        }
        if ratio != 1.0 {
            let spread = Spread { median: ratio, min: ratio * 0.88, max: ratio * 1.07 };
            row.ratio = Some(Ratio { base: "push-mux".to_owned(), spread });
        }
        row
    };
    let mut rows: Vec<Row> = peers.into_iter().map(row).collect();
    let mut failed = failed_row("source 64 B", "go-muxrpc");
    failed.settings.streams = 100;
    failed.remarks = vec!["Kills connections that open a control stream, so credit was off.".to_owned()];
    rows.push(failed);
    for row in rows.iter_mut().filter(|row| row.peer.starts_with("h2")) {
        row.noise = Noise { steal: 0.041, others_busy: 0.31 };
    }
    rows
}

/// One peer over a long line with one window after another.
fn sweep() -> Vec<Row> {
    let windows = [None, Some(16_u64 << 10), Some(64 << 10), Some(256 << 10), Some(1 << 20), Some(4 << 20)];
    let row = |window: Option<u64>| {
        let carried = window.map_or(1.9e9, |window| window as f64 / 0.02 * 8.0).min(1e9) / 8.0;
        let mut row = row("credit over 20 ms", "push-mux", carried / 4096.0);
        let credit = window.map_or_else(|| "auto".to_owned(), |window| window.to_string());
        row.settings.credit = credit.parse().expect("a window");
        (row.settings.body, row.settings.delay_ms, row.settings.megabits) = (4096, 20.0, 1000.0);
        row.remarks = vec!["The line was delayed by netem in both directions.".to_owned()];
        row.ratio = None;
        row.credit = Some(CreditCounts { grants: 812, grant_frames: 790, stalls: (9e9 / carried) as u64 });
        for moment in &mut row.timeline {
            let grown = 65_536.0 * 2f64.powf(moment.at * 4.0).min(64.0);
            moment.window_bytes = window.unwrap_or(grown as u64);
            moment.credit_bytes =
                (moment.window_bytes as f64 * (0.35 + 0.25 * (moment.at * 9.0).sin())) as u64;
        }
        row
    };
    windows.into_iter().map(row).collect()
}

/// Messages on schedule.
fn open_loop() -> Vec<Row> {
    let mut other = timed(row("open loop", "h2 0.4", 20_000.0), 95.0);
    let ratio = Spread { median: 1.0, min: 0.998, max: 1.001 };
    other.ratio = Some(Ratio { base: "push-mux".to_owned(), spread: ratio });
    (other.credit, other.errors) = (None, 3);
    for moment in &mut other.timeline {
        (moment.window_bytes, moment.credit_bytes) = (0, 0);
    }
    vec![full_row(), other]
}

/// Calls at two depths, by three peers.
fn calls() -> Vec<Row> {
    let mut rows = Vec::new();
    for (depth, rate) in [(1, 10_800.0), (64, 659_000.0)] {
        for (peer, ratio) in [("push-mux", 1.0), ("h2 0.4", 0.62), ("yamux 0.14", 0.21)] {
            let mut row = timed(row("calls", peer, rate * ratio), 1e6 * f64::from(depth) / rate / ratio);
            (row.settings.depth, row.settings.rate, row.service_us) = (depth, None, None);
            row.settings.arrivals = Arrivals::Even;
            row.ratio = Some(Ratio {
                base: "push-mux".to_owned(),
                spread: Spread { median: ratio, min: ratio * 0.9, max: ratio * 1.1 },
            });
            if peer != "push-mux" {
                row.credit = None;
            }
            row.figures.clear();
            row.runs.iter_mut().for_each(|run| run.figures.clear());
            rows.push(row);
        }
    }
    rows
}
