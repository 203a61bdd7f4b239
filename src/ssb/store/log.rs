//! Reads the log of all feeds: places first, then the messages that are there.

use super::{Bounds, StoreError, Stored, engine::Engine, keys};
use keys::Place;
use std::ops::Range;

/// Places read at the most before their messages.
const PLACES_MAX: usize = 4_096;

/// Messages at these positions, those of feeds that `is_visible` hides left out.
pub(super) fn read(
    engine: &Engine,
    positions: Range<u64>,
    bounds: Bounds,
    is_visible: impl Fn(Place) -> bool,
) -> Result<Vec<(u64, Stored)>, StoreError> {
    let mut reading = Reading { engine, bounds, found: Vec::new(), bytes: 0 };
    let mut from = positions.start;
    while from < positions.end {
        let places = places(engine, from..positions.end, bounds.messages_max.clamp(1, PLACES_MAX))?;
        let Some((last, _)) = places.last() else { break };
        from = last.saturating_add(1);
        let mut left = places.as_slice();
        while let Some((_, first)) = left.first() {
            let (run, rest) = left.split_at(run_of(left));
            left = rest;
            if is_visible(*first) && !reading.take(run)? {
                return Ok(reading.found);
            }
        }
    }
    Ok(reading.found)
}

fn places(engine: &Engine, positions: Range<u64>, max: usize) -> Result<Vec<(u64, Place)>, StoreError> {
    let pairs = engine.range(&keys::log(positions.start), &keys::log(positions.end));
    let places = pairs.take(max).map(|pair| {
        let (key, record) = pair?;
        Ok((keys::read_position(&key)?, keys::read_place(&record)?))
    });
    places.collect()
}

/// How many places at the beginning follow each other in one feed.
fn run_of(places: &[(u64, Place)]) -> usize {
    let follow = |pair: &[(u64, Place)]| match pair {
        [(_, (author, sequence)), (_, (next_author, next))] => {
            author == next_author && sequence.checked_add(1) == Some(*next)
        }
        _ => false,
    };
    1 + places.windows(2).take_while(|pair| follow(pair)).count()
}

struct Reading<'a> {
    engine: &'a Engine,
    bounds: Bounds,
    found: Vec<(u64, Stored)>,
    bytes: usize,
}

impl Reading<'_> {
    /// Takes the messages at places that follow each other; `false` when a bound is reached.
    fn take(&mut self, run: &[(u64, Place)]) -> Result<bool, StoreError> {
        let ([(_, first)], [.., (_, last)]) = (&run[..run.len().min(1)], run) else { return Ok(true) };
        if run.len() == 1 {
            let key = keys::message(*first);
            return match self.engine.get(&key)? {
                Some(record) => self.add(run, keys::read_message(&key, record)?),
                None => Ok(true),
            };
        }
        let end = (last.0, last.1.saturating_add(1));
        for pair in self.engine.range(&keys::message(*first), &keys::message(end)) {
            let (key, record) = pair?;
            if !self.add(run, keys::read_message(&key, record)?)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn add(&mut self, run: &[(u64, Place)], (position, stored): (u64, Stored)) -> Result<bool, StoreError> {
        // A feed deleted and appended anew since has other positions.
        if run.binary_search_by_key(&position, |(position, _)| *position).is_err() {
            return Ok(true);
        }
        if !self.bounds.admit(self.found.len(), self.bytes, stored.value.len()) {
            return Ok(false);
        }
        self.bytes += stored.value.len();
        self.found.push((position, stored));
        Ok(true)
    }
}
