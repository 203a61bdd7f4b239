//! `loadgen diff`: what has changed between two files of results, and what is noise.
//!
//! Rows belong together when scenario, peer and settings are the same. Their runs are compared by rank (Mann and Whitney's test,
//! exact for as few runs as there are), which asks nothing of how noise is distributed: a change counts when rates as far
//! apart would come by chance once in twenty times at most, and the medians differ by more than `--least`.

use std::cmp::Ordering;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, ensure};

use super::row::{Row, SCHEMA};
use super::spread::median;
use super::table;
use crate::cli::DiffOptions;

/// How often chance alone may produce what is called a change.
const CHANCE_MAX: f64 = 0.05;

/// Runs of each side above which counting every order takes too long; more are cut.
const RUNS_MAX: usize = 30;

/// What a pair of rows shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Too few runs for chance to be ruled out, whatever they are.
    TooFew,
    /// The same, as far as can be told.
    Noise,
    /// More messages a second.
    Faster,
    /// Fewer.
    Slower,
}

/// Two rows that belong together.
#[derive(Debug)]
pub(crate) struct Pair<'a> {
    /// The row of now.
    pub(crate) row: &'a Row,
    /// Medians of both.
    pub(crate) medians: (f64, f64),
    /// How often chance alone would do as much.
    pub(crate) chance: f64,
    /// What it shows.
    pub(crate) verdict: Verdict,
}

/// Runs it.
pub(crate) fn run(options: &DiffOptions) -> anyhow::Result<ExitCode> {
    let (old, new) = (load(&options.old)?, load(&options.new)?);
    if let (Some(before), Some(now)) = (old.first(), new.first())
        && before.machine.differs(&now.machine)
    {
        println!(
            "two machines: {} / {}; rates cannot be compared, --ratios can",
            before.machine, now.machine
        );
    }
    let pairs: Vec<Pair<'_>> = new
        .iter()
        .filter_map(|row| {
            old.iter().find(|before| is_same(before, row)).map(|before| pair(before, row, options))
        })
        .collect();
    ensure!(!pairs.is_empty(), "no row of {} is in {} too", options.new.display(), options.old.display());
    println!("{}", table::changes(&pairs, options.ratios));
    let lonely = new.len() + old.len() - 2 * pairs.len();
    if lonely > 0 {
        println!("{} without a counterpart", table::counted(lonely as u64, "row"));
    }
    let has_slower = pairs.iter().any(|pair| pair.verdict == Verdict::Slower);
    Ok(if options.strict && has_slower { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn load(path: &Path) -> anyhow::Result<Vec<Row>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let rows = lines.map(serde_json::from_str::<Row>).collect::<Result<Vec<_>, _>>();
    let rows = rows.with_context(|| format!("{} holds no rows of this version", path.display()))?;
    ensure!(rows.iter().all(|row| row.schema == SCHEMA), "{} has rows of another schema", path.display());
    Ok(rows)
}

fn is_same(one: &Row, other: &Row) -> bool {
    (&one.scenario, &one.peer, &one.settings) == (&other.scenario, &other.peer, &other.settings)
}

fn pair<'a>(old: &Row, new: &'a Row, options: &DiffOptions) -> Pair<'a> {
    let rates = |row: &Row| -> Vec<f64> {
        let all = row.runs.iter().map(|run| run.messages_per_second).filter(|rate| *rate > 0.0);
        all.take(RUNS_MAX).collect()
    };
    let (before, now) = (rates(old), rates(new));
    let chance = chance(&before, &now);
    let ratios = old.ratio.as_ref().zip(new.ratio.as_ref()).filter(|_| options.ratios);
    let medians = ratios.map_or_else(
        || (median(before.iter().copied()), median(now.iter().copied())),
        |(old, new)| (old.spread.median, new.spread.median),
    );
    let change = medians.1 / medians.0 - 1.0;
    let is_clear = match ratios {
        // Of ratios only the ends are known: those that do not touch are apart.
        Some((old, new)) => old.spread.max < new.spread.min || new.spread.max < old.spread.min,
        None => chance <= CHANCE_MAX,
    };
    let verdict = if is_least_too_much(before.len(), now.len()) {
        Verdict::TooFew
    } else if !is_clear || change.abs() * 100.0 < options.least {
        Verdict::Noise
    } else if change > 0.0 {
        Verdict::Faster
    } else {
        Verdict::Slower
    };
    Pair { row: new, medians, chance, verdict }
}

/// Whether even the clearest result of so many runs could be chance.
fn is_least_too_much(before: usize, now: usize) -> bool {
    let apart = |from: usize, many: usize| (0..many).map(move |at| (from + at) as f64);
    let (low, high): (Vec<f64>, Vec<f64>) = (apart(0, before).collect(), apart(before, now).collect());
    chance(&low, &high) > CHANCE_MAX
}

/// The probability, on both sides, that runs of the same kind would be ranked as far apart.
fn chance(one: &[f64], other: &[f64]) -> f64 {
    if one.is_empty() || other.is_empty() {
        return 1.0;
    }
    // How many of the pairs the first wins; a tie is half a win.
    let doubled: usize = one
        .iter()
        .flat_map(|a| other.iter().map(move |b| a.total_cmp(b)))
        .map(|order| match order {
            Ordering::Greater => 2,
            Ordering::Equal => 1,
            Ordering::Less => 0,
        })
        .sum();
    let wins = doubled.min(2 * one.len() * other.len() - doubled) / 2;
    let counts = orders(one.len(), other.len());
    let all: f64 = counts.iter().sum();
    let tail: f64 = counts.iter().take(wins + 1).sum();
    (2.0 * tail / all).min(1.0)
}

/// How many orders of `m` and `n` runs have 0, 1, 2 … wins of the first.
fn orders(m: usize, n: usize) -> Vec<f64> {
    // Orders of m and n end in a run of the first, which has won against all n of the other, or in one of the other.
    let mut table = vec![vec![Vec::new(); n + 1]; m + 1];
    for i in 0..=m {
        for j in 0..=n {
            let mut counts = vec![0.0; i * j + 1];
            if i == 0 || j == 0 {
                counts[0] = 1.0;
            } else {
                for (wins, count) in table[i - 1][j].iter().enumerate() {
                    counts[wins + j] += count;
                }
                for (wins, count) in table[i][j - 1].iter().enumerate() {
                    counts[wins] += count;
                }
            }
            table[i][j] = counts;
        }
    }
    std::mem::take(&mut table[m][n])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::row::{Run, sample};

    fn row(rates: &[f64]) -> Row {
        let mut row = sample("push-mux", 1.0);
        let run = row.runs[0].clone();
        row.runs = rates.iter().map(|rate| Run { messages_per_second: *rate, ..run.clone() }).collect();
        row
    }

    fn verdict(before: &[f64], now: &[f64]) -> Verdict {
        let options =
            DiffOptions { old: "a".into(), new: "b".into(), least: 5.0, ratios: false, strict: false };
        pair(&row(before), &row(now), &options).verdict
    }

    #[test]
    fn orders_are_counted_as_textbooks_have_them() {
        assert_eq!(orders(2, 2), [1.0, 1.0, 2.0, 1.0, 1.0]);
        // Of 252 orders of five and five, one has no win: twice that is the smallest chance.
        assert!(
            (chance(&[1.0, 2.0, 3.0, 4.0, 5.0], &[6.0, 7.0, 8.0, 9.0, 10.0]) - 2.0 / 252.0).abs() < 1e-12
        );
        assert_eq!(chance(&[1.0], &[1.0]), 1.0);
    }

    #[test]
    fn runs_that_overlap_are_noise_and_runs_that_do_not_are_change() {
        let before = [100.0, 104.0, 98.0, 101.0, 103.0];
        assert_eq!(verdict(&before, &[99.0, 102.0, 97.0, 105.0, 100.0]), Verdict::Noise);
        assert_eq!(verdict(&before, &[120.0, 118.0, 125.0, 130.0, 119.0]), Verdict::Faster);
        assert_eq!(verdict(&before, &[80.0, 82.0, 85.0, 79.0, 90.0]), Verdict::Slower);
        assert_eq!(verdict(&before, &[105.0, 106.0, 104.5, 105.5, 106.5]), Verdict::Noise, "less than 5 %");
        assert_eq!(verdict(&[1.0], &[100.0]), Verdict::TooFew);
    }
}
