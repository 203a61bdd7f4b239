//! Many clients that dial and call once: a thread each, all on the client's core, so that each costs little more than its
//! handshake.

use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::light::{Caller, Dial};
use crate::record::latency::Recorder;

/// How much stack a client needs, with room to spare.
const STACK_BYTES: usize = 256 << 10;

/// How long one client may take from dialling to its reply.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// What came of all clients.
#[derive(Debug, Default)]
pub(super) struct Served {
    /// How many were.
    pub(super) served: u64,
    /// How many were not.
    pub(super) failed: u64,
    /// Why the first was not.
    pub(super) complaint: Option<String>,
    /// From dial, or from the common start, to the reply.
    pub(super) latency: Recorder,
    /// From the start to the last reply.
    pub(super) seconds: f64,
}

impl Served {
    fn add(&mut self, outcome: anyhow::Result<()>, took: Duration, since_start: Duration) {
        match outcome {
            Ok(()) => {
                self.served += 1;
                self.latency.record(took);
                self.seconds = self.seconds.max(since_start.as_secs_f64());
            }
            Err(error) => {
                self.failed += 1;
                self.complaint.get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }
}

/// Lets `clients` dial, `at_once` of them at the same time, call once, and stay until all are done; or dial again and again
/// until a time, where there is one.
pub(super) fn dial_all(
    dial: &Dial,
    clients: u32,
    at_once: u32,
    until: Option<Duration>,
    sample: impl Fn() + Sync,
) -> anyhow::Result<Served> {
    let at_once = at_once.min(clients).max(1);
    let is_storm = at_once >= clients && until.is_none();
    let served = Mutex::new(Served::default());
    let left = Mutex::new(clients);
    // Threads stay until their processor time has been read.
    let [ready, go, done, leave] = [(); 4].map(|()| Barrier::new(at_once as usize + 1));
    let began = Mutex::new(Instant::now());
    thread::scope(|scope| -> anyhow::Result<()> {
        let (served, left, began) = (&served, &left, &began);
        let (ready, go, done, leave) = (&ready, &go, &done, &leave);
        for _ in 0..at_once {
            let work = move || {
                ready.wait();
                go.wait();
                let start = *began.lock().unwrap_or_else(PoisonError::into_inner);
                let mut kept = Vec::new();
                while until.map_or_else(|| take(left), |until| start.elapsed() < until) {
                    // All at once means that all are waiting from the start, so each waits for those before it.
                    let since = if is_storm { start } else { Instant::now() };
                    let outcome = Caller::dial(dial, PATIENCE).and_then(|mut caller| {
                        caller.call()?;
                        if until.is_none() {
                            kept.push(caller);
                        }
                        Ok(())
                    });
                    let mut served = served.lock().unwrap_or_else(PoisonError::into_inner);
                    served.add(outcome, since.elapsed(), start.elapsed());
                }
                done.wait();
                leave.wait();
                kept
            };
            let spawned = thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
            if let Err(error) = spawned {
                // Those that run wait for it for ever: the process ends, and its parent says so.
                eprintln!("no thread for a client: {error}");
                std::process::exit(3);
            }
        }
        ready.wait();
        sample();
        *began.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        go.wait();
        done.wait();
        sample();
        leave.wait();
        Ok(())
    })?;
    Ok(served.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn take(left: &Mutex<u32>) -> bool {
    let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
    let is_some = *left > 0;
    *left = left.saturating_sub(1);
    is_some
}
