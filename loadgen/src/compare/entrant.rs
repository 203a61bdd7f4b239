//! Who takes part in a comparison, and how they have done so far.

use super::peers::Peer;
use super::plan;
use super::trial::{self, Bench};
use super::work::{Shape, Work};
use crate::plan::{ClientKind, Settings};
use crate::record::outcome::Outcome;
use crate::run::Job;
use crate::scenario;

/// Somebody who takes part.
#[derive(Clone)]
pub(super) enum Who {
    /// One of the peers that this program can start.
    Peer(&'static dyn Peer),
    /// A server that runs already, by its address.
    Server(String),
}

impl Who {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Peer(peer) => peer.name().to_owned(),
            Self::Server(address) => address.clone(),
        }
    }
}

/// Somebody who takes part, and every round until now.
pub(super) struct Entrant {
    pub(super) who: Who,
    /// That take about as long as a run is to take.
    messages: u64,
    /// `None` stands for a round without a result.
    pub(super) rounds: Vec<Option<Outcome>>,
    pub(super) failed: Option<String>,
}

impl Entrant {
    /// Rates as multiples of another's in the same rounds.
    pub(super) fn ratios(&self, base: &Self) -> Vec<f64> {
        let rate = |outcome: &Outcome| outcome.messages as f64 / outcome.seconds;
        let whole =
            |outcome: &Option<Outcome>| outcome.as_ref().filter(|outcome| outcome.failed.is_none()).map(rate);
        let rounds = self.rounds.iter().zip(&base.rounds);
        rounds
            .filter_map(|(ours, theirs)| Some(whole(ours)? / whole(theirs)?))
            .filter(|ratio| ratio.is_finite())
            .collect()
    }
}

/// One work, to be done by all.
pub(super) struct Contest<'a> {
    pub(super) scenario: &'a str,
    pub(super) shape: Shape,
    pub(super) settings: &'a Settings,
    pub(super) bench: &'a Bench,
}

impl Contest<'_> {
    fn work(&self, messages: u64) -> Work {
        Work::new(self.shape, self.settings, messages)
    }

    /// A line for people.
    pub(super) fn describe(&self) -> String {
        let Settings { body, streams, depth, windows, .. } = self.settings;
        let many = match self.shape {
            Shape::Async => format!("{depth} in flight"),
            Shape::PingPong => format!("{streams} streams, {depth} on their way on each"),
            Shape::Source | Shape::Sink => format!("{streams} streams"),
        };
        let windows = crate::plan::word(*windows);
        format!("{}: {body}-byte bodies, {many}, {windows} windows", self.scenario)
    }

    /// Why somebody cannot do it here.
    pub(super) fn refusal(&self, who: &Who) -> Option<String> {
        match who {
            Who::Peer(peer) => peer.refuses(&self.work(1)),
            Who::Server(_) => {
                let scenario = scenario::find(self.scenario)?;
                scenario::refusal(scenario, &Settings { client: ClientKind::Light, ..self.settings.clone() })
            }
        }
    }

    /// Learns how many messages somebody moves in the time of a run.
    pub(super) fn warm_up(&self, who: Who) -> Entrant {
        let mut entrant =
            Entrant { who, messages: plan::first_try(&self.work(1)), rounds: Vec::new(), failed: None };
        let duration = self.settings.duration;
        let mut seconds = vec![duration / 4.0, duration];
        if let Some(messages) = self.settings.messages {
            // Of each stream, as everywhere; for calls, all of them.
            entrant.messages = messages * u64::from(self.work(1).streams);
            seconds = vec![0.0];
        }
        if matches!(entrant.who, Who::Server(_)) {
            seconds.clear();
        }
        for seconds in seconds {
            let outcome = self.once(&entrant);
            if let Some(why) = &outcome.failed {
                entrant.failed = Some(format!("{why}, while warming up"));
                entrant.rounds.push(Some(outcome));
                break;
            }
            if self.settings.messages.is_none() {
                let rate = outcome.messages as f64 / outcome.seconds.max(1e-9);
                entrant.messages = plan::messages_for(seconds, rate);
            }
        }
        entrant
    }

    /// Lets somebody run once more, who has not failed yet.
    pub(super) fn round(&self, entrant: &mut Entrant) {
        if entrant.failed.is_some() {
            return entrant.rounds.push(None);
        }
        let outcome = self.once(entrant);
        if let Some(why) = &outcome.failed {
            entrant.failed = Some(format!("{why}, in round {}", entrant.rounds.len() + 1));
        }
        entrant.rounds.push(Some(outcome));
    }

    fn once(&self, entrant: &Entrant) -> Outcome {
        match &entrant.who {
            Who::Peer(peer) => trial::run(peer.name(), &self.work(entrant.messages), self.bench)
                .unwrap_or_else(Outcome::from),
            Who::Server(_) => {
                let settings = Settings { client: ClientKind::Light, ..self.settings.clone() };
                let job = Job {
                    scenario: self.scenario.to_owned(),
                    settings,
                    patience: self.bench.patience.as_secs_f64(),
                    dump: None,
                    count: None,
                };
                crate::run::once(&job)
                    .unwrap_or_else(|error| Outcome { errors: 1, ..Outcome::failure(error) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entrant(rates: &[Option<f64>]) -> Entrant {
        let outcome = |rate: f64| Outcome { messages: rate as u64, seconds: 1.0, ..Outcome::default() };
        Entrant {
            who: Who::Server("a".into()),
            messages: 1,
            rounds: rates.iter().map(|rate| rate.map(outcome)).collect(),
            failed: None,
        }
    }

    #[test]
    fn ratios_are_taken_within_a_round_and_failed_rounds_are_left_out() {
        let base = entrant(&[Some(100.0), Some(200.0), None, Some(400.0)]);
        let peer = entrant(&[Some(50.0), None, Some(70.0), Some(800.0)]);
        assert_eq!(peer.ratios(&base), [0.5, 2.0]);
        let mut broken = entrant(&[Some(1.0)]);
        broken.rounds[0].as_mut().expect("a round").failed = Some("stalled".into());
        assert_eq!(broken.ratios(&base), Vec::<f64>::new());
    }
}
