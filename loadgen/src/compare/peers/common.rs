//! What the tasks of a client share, whatever they send their messages over.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::ensure;
use tokio::task::JoinSet;

use crate::compare::verify::Check;
use crate::compare::work::{Shape, Work};
use crate::measure::{Measured, Meter, Running, Seen, Tally};
use crate::record::latency::Recorder;

/// The work, the count that the watchdog watches, the latencies, and the index of the next call.
#[derive(Clone, Debug)]
pub(super) struct Common {
    /// What is done.
    pub(super) work: Work,
    /// Messages received, or, by a sink, sent.
    pub(super) seen: Seen,
    recorder: Arc<Mutex<Recorder>>,
    next: Arc<AtomicU32>,
}

impl Common {
    /// Of one run.
    pub(super) fn new(work: &Work, meter: &Meter) -> Self {
        let recorder = Arc::new(Mutex::new(Recorder::new()));
        Self { work: *work, seen: meter.seen(), recorder, next: Arc::default() }
    }

    /// A message came back, or a call was answered.
    pub(super) fn record(&self, took: Duration) {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner).record(took);
        self.seen.add(1);
    }

    /// The index of a call to make, as long as there are calls to make.
    pub(super) fn next_call(&self) -> Option<u32> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        (index < self.work.each).then_some(index)
    }

    /// What a source brought, which must be all that was asked for.
    pub(super) fn all_of(&self, check: &Check) -> anyhow::Result<Tally> {
        let (tally, each) = (check.tally(), self.work.each);
        ensure!(
            tally.messages == u64::from(each),
            "a stream ended after {} of {each} messages",
            tally.messages
        );
        Ok(tally)
    }

    /// The interval ends now; latencies are told where messages have any.
    pub(super) fn finish(&self, running: Running, tally: Tally) -> Measured {
        let recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        let is_timed = matches!(self.work.shape, Shape::PingPong | Shape::Async);
        running.finish(tally, is_timed.then_some(&*recorder))
    }
}

/// Waits for the tasks of every stream, or every caller.
pub(super) async fn together(mut tasks: JoinSet<anyhow::Result<Tally>>) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    while let Some(done) = tasks.join_next().await {
        tally.add(done??);
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::work::sample;

    fn common(shape: Shape) -> (Common, Meter) {
        let meter = Meter::new(std::process::id(), Duration::from_secs(60), Duration::from_secs(60));
        (Common::new(&sample(shape), &meter), meter)
    }

    #[test]
    fn callers_share_out_the_calls() {
        let (common, _meter) = common(Shape::Async);
        let other = common.clone();
        let calls: Vec<u32> =
            std::iter::from_fn(|| common.next_call().or_else(|| other.next_call())).collect();
        assert_eq!(calls, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn only_what_goes_both_ways_has_latencies() {
        for (shape, is_timed) in
            [(Shape::Source, false), (Shape::Sink, false), (Shape::PingPong, true), (Shape::Async, true)]
        {
            let (common, meter) = common(shape);
            common.record(Duration::from_micros(7));
            let measured = common.finish(meter.start(), Tally::default());
            assert_eq!((!measured.recorder.is_empty(), meter.seen().get()), (is_timed, 1));
        }
    }

    #[test]
    fn a_stream_that_ends_early_is_told() {
        let (common, _meter) = common(Shape::Source);
        let why = common.all_of(&Check::new(64)).expect_err("nothing came").to_string();
        assert_eq!(why, "a stream ended after 0 of 10 messages");
    }
}
