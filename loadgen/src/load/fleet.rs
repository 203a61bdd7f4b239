//! The clients of a run: executors on cores of their own, connections spread over them, one clock for all.
//!
//! A run has three phases, and every executor waits at the end of each until all are there: connect, work, count. So
//! the measured interval is the work alone, and processor time is read while all threads still live.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use push_mux::Client;

use super::bench::{Bench, Dial, Lost};
use super::ledger::{Ledger, Outcome};
use crate::latency::Recorder;
use crate::machine;
use crate::measure::{Seen, Tally};
use crate::progress::Progress;
use crate::row::{CreditCounts, Ends};
use crate::server::Stats;
use crate::usage::Sample;

/// How often the bar moves and the watchdog looks.
const TICK: Duration = Duration::from_millis(100);

/// How long no message may come, and how long connecting and counting may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection and what its work needs.
#[derive(Clone)]
pub(crate) struct Seat {
    /// The connection.
    pub(crate) client: Client,
    /// Where to count.
    pub(crate) ledger: Rc<Ledger>,
    /// When to stop, for work that is limited by time.
    pub(crate) end: Option<Instant>,
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Right and wrong messages.
    pub(crate) tally: Tally,
    /// How long calls took.
    pub(crate) latency: Recorder,
    /// The first thing that went wrong.
    pub(crate) complaint: Option<String>,
    /// Of both ends.
    pub(crate) credit: CreditCounts,
    /// What the server counted on all connections.
    pub(crate) server: Stats,
    /// From the first request to the last message.
    pub(crate) seconds: f64,
    /// Processor time meanwhile.
    pub(crate) cpu_seconds: Ends<f64>,
    /// Largest resident sizes up to the end.
    pub(crate) rss_bytes: Ends<u64>,
}

/// What a run is besides the work of each connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How many.
    pub(crate) connections: u32,
    /// Limit of the work in time.
    pub(crate) seconds: Option<f64>,
}

/// What executors report, phase after phase.
enum Report {
    Connected,
    Worked(Box<Outcome>),
    Counted(Stats, CreditCounts),
    Failed(String),
}

/// One executor's share.
struct Crew<J> {
    dial: Dial,
    core: Option<usize>,
    connections: u32,
    seconds: Option<f64>,
    seen: Seen,
    job: J,
}

/// Runs `job` on every connection; ends when all are done, or when nothing moves any more.
pub(crate) fn run<J, F>(bench: &Bench, plan: Plan, progress: &Progress, job: J) -> anyhow::Result<Ran>
where
    J: Fn(Seat) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + 'static,
{
    let executors = bench.cores.len().min(plan.connections as usize).max(1);
    let (reports_in, reports) = channel();
    let mut fleet = Fleet { reports, go: Vec::new(), seen: Vec::new() };
    for at in 0..executors {
        let (go, phases) = channel();
        let crew = Crew {
            dial: bench.dial.clone(),
            core: (bench.cores.len() > 1).then(|| bench.cores[at]),
            connections: share(plan.connections, executors, at),
            seconds: plan.seconds,
            seen: Seen::default(),
            job: job.clone(),
        };
        fleet.go.push(go);
        fleet.seen.push(crew.seen.clone());
        let reports = reports_in.clone();
        thread::spawn(move || crew.run(&reports, &phases));
    }
    drop(reports_in);
    fleet.measure(bench, plan, progress)
}

/// The share of one of `parts`, as even as can be.
fn share(whole: u32, parts: usize, at: usize) -> u32 {
    let parts = u32::try_from(parts).unwrap_or(1);
    whole / parts + u32::from((at as u32) < whole % parts)
}

/// The executors, from the thread that measures.
struct Fleet {
    reports: Receiver<Report>,
    go: Vec<Sender<()>>,
    seen: Vec<Seen>,
}

impl Fleet {
    fn measure(&self, bench: &Bench, plan: Plan, progress: &Progress) -> anyhow::Result<Ran> {
        let (server, client) = (bench.server(), std::process::id());
        self.phase("connecting", &|_| {})?;
        bench.connected();
        let before = Sample::take(server, client);
        let began = Instant::now();
        self.next_phase();
        let worked = self.phase("working", &|messages| {
            let elapsed = began.elapsed().as_secs_f64();
            progress.at(plan.seconds.map_or(messages, |_| (elapsed * 1e3) as u64));
            progress.say(&format!("{}/s", crate::table::short(messages as f64 / elapsed.max(1e-3))));
        })?;
        let seconds = began.elapsed().as_secs_f64();
        let after = Sample::take(server, client);
        self.next_phase();
        let counted = self.phase("counting", &|_| {})?;
        let mut ran = Ran {
            tally: Tally::default(),
            latency: Recorder::new(),
            complaint: None,
            credit: CreditCounts::default(),
            server: Stats::default(),
            seconds,
            cpu_seconds: after.cpu_since(&before),
            rss_bytes: after.rss(),
        };
        worked.into_iter().chain(counted).for_each(|report| ran.add(report));
        Ok(ran)
    }

    /// Lets every executor begin the next phase.
    fn next_phase(&self) {
        for go in &self.go {
            // One that has failed no longer listens, and has said so.
            let _failed = go.send(());
        }
    }

    /// Waits for a report of every executor, calling `tick` with the messages so far.
    fn phase(&self, what: &str, tick: &dyn Fn(u64)) -> Result<Vec<Report>, Lost> {
        let mut done = Vec::new();
        let mut last = (0, Instant::now());
        while done.len() < self.go.len() {
            let messages = self.seen.iter().map(Seen::get).sum();
            tick(messages);
            if messages != last.0 {
                last = (messages, Instant::now());
            }
            match self.reports.recv_timeout(TICK) {
                Ok(Report::Failed(why)) => return Err(Lost(why)),
                Ok(report) => done.push(report),
                Err(RecvTimeoutError::Disconnected) => return Err(Lost("all clients ended".to_owned())),
                Err(RecvTimeoutError::Timeout) if last.1.elapsed() >= PATIENCE => {
                    let seconds = PATIENCE.as_secs();
                    return Err(Lost(format!(
                        "stalled while {what}: nothing came for {seconds} s, after {messages} messages"
                    )));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        Ok(done)
    }
}

impl Ran {
    fn add(&mut self, report: Report) {
        match report {
            Report::Worked(outcome) => {
                self.tally.add(outcome.tally);
                self.latency.add(&outcome.latency);
                self.complaint = self.complaint.take().or(outcome.complaint);
            }
            Report::Counted(server, ours) => {
                self.server.add(server);
                self.credit.grants += server.grants + ours.grants;
                self.credit.grant_frames += server.grant_frames + ours.grant_frames;
                self.credit.stalls += server.stalls + ours.stalls;
            }
            Report::Connected | Report::Failed(_) => {}
        }
    }
}

impl<J, F> Crew<J>
where
    J: Fn(Seat) -> F,
    F: Future<Output = ()> + 'static,
{
    fn run(self, reports: &Sender<Report>, phases: &Receiver<()>) {
        let run = || -> anyhow::Result<()> {
            if let Some(core) = self.core {
                machine::pin(core)?;
            }
            push_mux::block_on(self.work(reports, phases))?
        };
        let why = match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => "a client panicked".to_owned(),
        };
        // Nobody listens any more when the run was given up.
        let _nobody = reports.send(Report::Failed(why));
    }

    async fn work(&self, reports: &Sender<Report>, phases: &Receiver<()>) -> anyhow::Result<()> {
        let mut clients = Vec::new();
        for _ in 0..self.connections {
            let client = self.dial.client().await?;
            // Once round, so that the question about flow control is settled before the clock starts.
            client.manifest().await?;
            clients.push(client);
        }
        // The first timer of a process is slow: not in the measured interval.
        glommio::timer::sleep(Duration::from_micros(1)).await;
        reports.send(Report::Connected)?;
        phases.recv()?;
        let ledger = Rc::new(Ledger::new(self.seen.clone()));
        let end = self.seconds.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds));
        let seat = |client: &Client| Seat { client: client.clone(), ledger: Rc::clone(&ledger), end };
        let tasks: Vec<_> =
            clients.iter().map(|client| glommio::spawn_local((self.job)(seat(client)))).collect();
        for task in tasks {
            task.await;
        }
        reports.send(Report::Worked(Box::new(ledger.outcome())))?;
        phases.recv()?;
        let (mut server, mut credit) = (Stats::default(), CreditCounts::default());
        for client in &clients {
            server.add(client.call("stats", [(); 0]).await?);
            let ours = client.connection().counters();
            credit.grants += ours.grants_out;
            credit.grant_frames += ours.grant_frames_out;
            credit.stalls += ours.stalls;
            client.close().await;
        }
        Ok(reports.send(Report::Counted(server, credit))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_spread_evenly() {
        let shares: Vec<_> = (0..3).map(|at| share(8, 3, at)).collect();
        assert_eq!(shares, [3, 3, 2]);
    }
}
