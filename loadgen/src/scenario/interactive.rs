//! B6: a small message behind a large one.

use super::stage::Script;
use super::{Abilities, Scenario, Stage};
use crate::framework::Size;
use crate::light::{Action, ConnPlan, Step, Work};
use crate::plan::Settings;
use crate::record::outcome::{Outcome, Phase};

/// Turns of the two phases in a run.
const TURNS: u32 = 10;

/// Part of a turn alone that is let go by, while what the bulk left on its way arrives.
const SETTLE: f64 = 0.1;

/// Bodies of the bulk stream.
const BULK_BODY: u32 = 64 << 10;

/// Its group.
const BULK: u8 = 1;

/// Round trips beside a bulk stream.
#[derive(Debug)]
pub(super) struct Interactive;

impl Scenario for Interactive {
    fn name(&self) -> &'static str {
        "interactive"
    }

    fn workload(&self) -> &'static str {
        "B6"
    }

    fn about(&self) -> [&'static str; 2] {
        [
            "Small round trips on schedule, in turns alone and beside a stream of 64 KiB messages at full speed.",
            "Shows how long a small message waits behind large ones (head-of-line blocking): p50 and p99 of both.",
        ]
    }

    fn defaults(&self) -> Settings {
        Settings { rate: Some(1000.0), depth: 16, ..Settings::base() }
    }

    fn timed(&self) -> &'static str {
        "round trip"
    }

    fn abilities(&self) -> Abilities {
        Abilities { rate: true, ..Abilities::default() }
    }

    fn drive(&self, stage: &Stage) -> anyhow::Result<Outcome> {
        let settings = &stage.settings;
        let bench = stage.bench(Size { connections: 0, streams: 2 })?;
        let pings = Work::Pings { streams: settings.streams, depth: settings.depth, messages: None };
        let plan = ConnPlan::of(vec![pings]);
        let plans = vec![plan; settings.connections as usize];
        let mut driven = stage.light(&bench, plans, script(settings))?;
        two_phases(&mut driven.outcome, &driven.phases);
        Ok(driven.outcome)
    }
}

/// The percentiles of both phases, as figures.
pub(super) fn two_phases(outcome: &mut Outcome, phases: &[Phase]) {
    for (name, phase) in ["alone", "beside"].iter().zip(phases) {
        if let Some(latency) = phase.latency.latency() {
            outcome.figure(&format!("{name}_p50_us"), latency.p50);
            outcome.figure(&format!("{name}_p99_us"), latency.p99);
        }
    }
}

fn script(settings: &Settings) -> Script {
    let bulk = Work::Sources { streams: 1, messages: None, body: BULK_BODY, group: BULK, is_paused: false };
    let on = |conn| vec![(conn, Action::Begin(bulk.clone()))];
    let off = |conn| vec![(conn, Action::End(BULK))];
    alternate(settings, TURNS, SETTLE, on(0), off(0))
}

/// The phase that is of no interest.
const SETTLING: usize = 2;

/// A script of two phases in turns: 0 alone, 1 beside whatever `on` begins and `off` ends; 2 is the part `settle` of a turn
/// alone behind one beside, and of no interest.
pub(super) fn alternate(
    settings: &Settings,
    turns: u32,
    settle: f64,
    on: Vec<(usize, Action)>,
    off: Vec<(usize, Action)>,
) -> Script {
    let ns = |seconds: f64| (seconds * 1e9) as u64;
    let turn = ns(settings.duration) / u64::from(2 * turns);
    let mut steps = Vec::new();
    let mut at = ns(settings.warmup);
    let mut last = 0;
    for number in 0..turns {
        // The order changes from turn to turn, so that nothing is always first.
        for phase in if number % 2 == 0 { [0, 1] } else { [1, 0] } {
            let actions: &[_] = if phase == last {
                &[]
            } else if phase == 1 {
                &on
            } else {
                &off
            };
            let settles = phase == 0 && last == 1;
            last = phase;
            steps.extend(actions.iter().map(|(conn, action)| Step {
                at,
                conn: *conn,
                action: action.clone(),
            }));
            if settles {
                steps.push(Step { at, conn: 0, action: Action::Phase(SETTLING) });
            }
            let from = if settles { at + (turn as f64 * settle) as u64 } else { at };
            steps.push(Step { at: from, conn: 0, action: Action::Phase(phase) });
            at += turn;
        }
    }
    steps.extend(off.iter().map(|(conn, action)| Step { at, conn: *conn, action: action.clone() }));
    Script { steps, phases: 3 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_take_turns_and_share_the_time() {
        let settings = Settings { duration: 2.0, warmup: 1.0, ..Settings::base() };
        let script = alternate(&settings, 2, 0.2, vec![(0, Action::Resume(1))], vec![(0, Action::End(1))]);
        let phases: Vec<_> = script
            .steps
            .iter()
            .filter_map(|step| match step.action {
                Action::Phase(phase) => Some((step.at / 1_000_000, phase)),
                _ => None,
            })
            .collect();
        assert_eq!(phases, [(1000, 0), (1500, 1), (2000, 1), (2500, 2), (2600, 0)]);
        let begins = script.steps.iter().filter(|step| matches!(step.action, Action::Resume(_))).count();
        assert_eq!(begins, 1, "two turns of the same phase that meet are one");
        assert!(matches!(script.steps.last(), Some(Step { at: 3_000_000_000, action: Action::End(1), .. })));
    }
}
