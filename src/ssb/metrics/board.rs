use super::{Snapshot, exposition::render};
use crate::{mux::Time, runtime::Clock};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long a shard may put nothing on the board and count as alive.
pub const STALE_MAX: Duration = Duration::from_secs(10);

/// Where each shard hangs what it has counted, for others to read. A clone is a handle to the same.
#[derive(Clone, Debug)]
pub struct Board(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    /// By shard, the last one and when it came.
    slots: Mutex<BTreeMap<usize, (Time, Snapshot)>>,
}

impl Default for Board {
    fn default() -> Self {
        Self(Arc::new(Inner { clock: Clock::start(), slots: Mutex::default() }))
    }
}

impl Board {
    fn slots(&self) -> MutexGuard<'_, BTreeMap<usize, (Time, Snapshot)>> {
        // A snapshot is put there whole or not at all.
        self.0.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hangs up what one shard has counted, in the place of what hung there.
    pub fn publish(&self, snapshot: Snapshot) {
        let Some(index) = snapshot.shards.first().map(|shard| shard.index) else { return };
        self.slots().insert(index, (self.0.clock.now(), snapshot));
    }

    /// What hangs there, by shard, with its age.
    #[must_use]
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let now = self.0.clock.now();
        let mut snapshots = Vec::new();
        for (at, snapshot) in self.slots().values() {
            let mut snapshot = snapshot.clone();
            for shard in &mut snapshot.shards {
                shard.age = now.since(*at);
            }
            snapshots.push(snapshot);
        }
        snapshots
    }

    /// All of it as Prometheus reads it.
    #[must_use]
    pub fn render(&self) -> String {
        render(&self.snapshots())
    }

    /// Whether every shard is alive.
    ///
    /// # Errors
    /// Says which one is not, in a sentence: it has not begun yet, or has put nothing up for [`STALE_MAX`].
    pub fn health(&self) -> Result<(), String> {
        is_well(&self.snapshots())
    }
}

fn is_well(snapshots: &[Snapshot]) -> Result<(), String> {
    let shards: Vec<_> = snapshots.iter().flat_map(|snapshot| &snapshot.shards).collect();
    let count = shards.iter().map(|shard| shard.count).max().unwrap_or(0);
    if shards.is_empty() || shards.len() < count {
        return Err(format!("{} of {count} shards have begun", shards.len()));
    }
    match shards.iter().find(|shard| shard.age > STALE_MAX) {
        Some(shard) => Err(format!("shard {} has been silent for {} s", shard.index, shard.age.as_secs())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssb::metrics::ShardFigures;

    fn of(index: usize, age: Duration, calls_refused: u64) -> Snapshot {
        let shard = ShardFigures { index, count: 2, age, ..ShardFigures::default() };
        Snapshot { shards: vec![shard], calls_refused, ..Snapshot::default() }
    }

    #[test]
    fn the_last_snapshot_of_each_shard_hangs_there() {
        let board = Board::default();
        assert!(board.health().is_err(), "nobody has begun");
        board.publish(of(1, Duration::ZERO, 1));
        assert_eq!(board.health(), Err("1 of 2 shards have begun".to_owned()));
        board.publish(of(0, Duration::ZERO, 2));
        board.publish(of(1, Duration::ZERO, 3));
        board.publish(Snapshot::default());
        assert_eq!(board.health(), Ok(()));
        let refused: Vec<_> = board.snapshots().iter().map(|snapshot| snapshot.calls_refused).collect();
        assert_eq!(refused, [2, 3]);
        assert!(board.render().contains("push_mux_calls_refused_total 5\n"));
    }

    #[test]
    fn a_silent_shard_is_named() {
        let second = Duration::from_secs(1);
        assert_eq!(is_well(&[of(0, second, 0), of(1, STALE_MAX, 0)]), Ok(()));
        let silent = is_well(&[of(0, second, 0), of(1, STALE_MAX + second, 0)]);
        assert_eq!(silent, Err("shard 1 has been silent for 11 s".to_owned()));
    }
}
