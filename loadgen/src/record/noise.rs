//! What else the machine was doing while a run was measured.

use std::fs;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::usage::TICKS_PER_SECOND;

/// Share of the machine's time that a hypervisor may take before figures are called doubtful.
const STEAL_MAX: f64 = 0.02;

/// Cores that other processes may keep busy before figures are called doubtful.
const OTHERS_MAX: f64 = 0.15;

/// Time that was not ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Noise {
    /// Part of the machine's time that went to other guests of the same host.
    pub(crate) steal: f64,
    /// Cores that other processes of this machine kept busy.
    pub(crate) others_busy: f64,
}

impl Noise {
    /// The noisier of each figure.
    pub(crate) const fn worst(self, other: Self) -> Self {
        Self { steal: self.steal.max(other.steal), others_busy: self.others_busy.max(other.others_busy) }
    }

    /// What makes figures doubtful, in words for people.
    pub(crate) fn warning(&self) -> Option<String> {
        let mut parts = Vec::new();
        if self.steal > STEAL_MAX {
            parts.push(format!(
                "{:.0} % of the time was stolen by other guests of the host",
                self.steal * 100.0
            ));
        }
        if self.others_busy > OTHERS_MAX {
            parts.push(format!("other processes used {:.2} cores", self.others_busy));
        }
        (!parts.is_empty()).then(|| format!("this machine is too busy to trust rates: {}", parts.join(", ")))
    }
}

/// The machine's clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listener {
    at: Instant,
    ticks: Ticks,
}

/// Of all cores together, since the machine started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ticks {
    busy: u64,
    idle: u64,
    steal: u64,
}

impl Listener {
    /// Begins to listen.
    pub(crate) fn start() -> Self {
        Self { at: Instant::now(), ticks: Ticks::now() }
    }

    /// What was heard since, when our own processes used `ours` seconds of processor time.
    pub(crate) fn noise(&self, ours: f64) -> Noise {
        let (now, seconds) = (Ticks::now(), self.at.elapsed().as_secs_f64());
        now.since(self.ticks).noise(ours, seconds)
    }
}

impl Ticks {
    fn now() -> Self {
        Self::read(&fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    /// The first line: user nice system idle iowait irq softirq steal.
    fn read(stat: &str) -> Self {
        let line = stat.lines().next().unwrap_or_default();
        let ticks: Vec<u64> =
            line.split_whitespace().skip(1).map(|ticks| ticks.parse().unwrap_or(0)).collect();
        let at = |place: usize| ticks.get(place).copied().unwrap_or_default();
        Self { busy: at(0) + at(1) + at(2) + at(5) + at(6), idle: at(3) + at(4), steal: at(7) }
    }

    const fn since(self, earlier: Self) -> Self {
        Self {
            busy: self.busy.saturating_sub(earlier.busy),
            idle: self.idle.saturating_sub(earlier.idle),
            steal: self.steal.saturating_sub(earlier.steal),
        }
    }

    fn noise(self, ours: f64, seconds: f64) -> Noise {
        let all = (self.busy + self.idle + self.steal).max(1) as f64;
        let others = self.busy as f64 / TICKS_PER_SECOND - ours;
        Noise { steal: self.steal as f64 / all, others_busy: (others / seconds.max(1e-9)).max(0.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_others_is_what_is_not_ours() {
        let before = Ticks::read("cpu  100 0 50 1000 0 0 0 10 0 0\ncpu0 1 2 3\n");
        let after = Ticks::read("cpu  250 0 100 1000 0 0 0 110 0 0\n");
        let noise = after.since(before).noise(1.5, 2.0);
        assert_eq!(noise, Noise { steal: 1.0 / 3.0, others_busy: 0.25 });
        let warning = noise.warning().expect("both are too much");
        assert!(warning.contains("33 % of the time") && warning.contains("0.25 cores"), "{warning}");
    }

    #[test]
    fn a_quiet_machine_gives_no_warning() {
        assert_eq!(Noise { steal: 0.01, others_busy: 0.1 }.warning(), None);
        assert_eq!(Ticks::read("").noise(0.0, 0.0), Noise::default());
    }
}
