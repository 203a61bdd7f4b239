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
use crate::machine;
use crate::measure::{Seen, Tally};
use crate::record::noise::{Listener, Noise};
use crate::record::outcome::Outcome as Measured;
use crate::record::usage::{Moments, Sample};
use crate::report::row::{CreditCounts, Moment};
use crate::server::Stats;

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
#[derive(Debug, Default)]
pub(crate) struct Ran {
    /// Everything that was measured.
    pub(crate) outcome: Measured,
    /// All messages, those of the warm-up too.
    pub(crate) tally: Tally,
    /// What the server counted on all connections.
    pub(crate) server: Stats,
}

/// What a run is besides the work of each connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How many.
    pub(crate) connections: u32,
    /// Limit of the work in time, after the warm-up.
    pub(crate) seconds: Option<f64>,
    /// Seconds at the beginning that do not count.
    pub(crate) warmup: f64,
}

impl Plan {
    /// What settings say.
    pub(crate) fn new(settings: &crate::plan::Settings) -> Self {
        let (seconds, warmup) = match settings.messages {
            Some(_) => (None, 0.0),
            None => (Some(settings.duration), settings.warmup),
        };
        Self { connections: settings.connections, seconds, warmup }
    }
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
    warmup: f64,
    seen: Seen,
    job: J,
}

/// Runs `job` on every connection; ends when all are done, or when nothing moves any more.
pub(crate) fn run<J, F>(bench: &Bench, plan: Plan, job: J) -> anyhow::Result<Ran>
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
            seconds: plan.seconds.map(|seconds| plan.warmup + seconds),
            warmup: plan.warmup,
            seen: Seen::default(),
            job: job.clone(),
        };
        fleet.go.push(go);
        fleet.seen.push(crew.seen.clone());
        let reports = reports_in.clone();
        thread::spawn(move || crew.run(&reports, &phases));
    }
    drop(reports_in);
    Ok(fleet.measure(bench, plan))
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
    /// Once the connections stand, whatever goes wrong is told in the outcome, beside what was measured until then.
    fn measure(&self, bench: &Bench, plan: Plan) -> Ran {
        let mut ran = Ran::default();
        let mut watch = Watch::new(bench.server(), plan);
        if let Err(lost) = self.phases(bench, &mut watch, &mut ran) {
            ran.outcome.failed = Some(lost.0);
            ran.outcome.errors += 1;
            ran.tally.messages = ran.tally.messages.max(self.seen());
        }
        watch.finish(&mut ran);
        ran
    }

    fn phases(&self, bench: &Bench, watch: &mut Watch, ran: &mut Ran) -> Result<(), Lost> {
        self.phase("connecting", &mut |_| {})?;
        bench.connected();
        watch.begin();
        self.next_phase();
        let worked = self.phase("working", &mut |messages| watch.look(messages))?;
        watch.end(self.seen());
        worked.into_iter().for_each(|report| ran.add(report));
        self.next_phase();
        let counted = self.phase("counting", &mut |_| {})?;
        counted.into_iter().for_each(|report| ran.add(report));
        Ok(())
    }

    /// Messages that came so far.
    fn seen(&self) -> u64 {
        self.seen.iter().map(Seen::get).sum()
    }

    /// Lets every executor begin the next phase.
    fn next_phase(&self) {
        for go in &self.go {
            // One that has failed no longer listens, and has said so.
            let _failed = go.send(());
        }
    }

    /// Waits for a report of every executor, calling `tick` with the messages so far.
    fn phase(&self, what: &str, tick: &mut dyn FnMut(u64)) -> Result<Vec<Report>, Lost> {
        let mut done = Vec::new();
        let mut last = (0, Instant::now());
        while done.len() < self.go.len() {
            let messages = self.seen();
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
                self.outcome.errors += outcome.tally.errors;
                self.outcome.latency.add(&outcome.latency);
                self.outcome.complaint = self.outcome.complaint.take().or(outcome.complaint);
            }
            Report::Counted(server, ours) => {
                self.server.add(server);
                let credit = self.outcome.credit.get_or_insert_default();
                credit.grants += server.grants + ours.grants;
                credit.grant_frames += server.grant_frames + ours.grant_frames;
                credit.stalls += server.stalls + ours.stalls;
            }
            Report::Connected | Report::Failed(_) => {}
        }
    }
}

/// Looks at both processes while executors work.
struct Watch {
    server: u32,
    plan: Plan,
    began: Instant,
    /// When the measured time began, with the messages until then.
    before: Option<(Sample, Listener, u64, Instant)>,
    after: Option<(Sample, Noise, u64, f64)>,
    moments: Moments,
}

impl Watch {
    fn new(server: u32, plan: Plan) -> Self {
        Self { server, plan, began: Instant::now(), before: None, after: None, moments: Moments::new() }
    }

    fn sample(&self) -> Sample {
        Sample::take(self.server, std::process::id())
    }

    fn begin(&mut self) {
        self.began = Instant::now();
        if self.plan.warmup == 0.0 {
            self.look(0);
        }
    }

    fn look(&mut self, messages: u64) {
        if self.before.is_none() && self.began.elapsed().as_secs_f64() >= self.plan.warmup {
            self.before = Some((self.sample(), Listener::start(), messages, Instant::now()));
        }
        let Some((.., at)) = &self.before else { return };
        let at = at.elapsed().as_secs_f64();
        if self.moments.is_due(at, TICK.as_secs_f64()) {
            let sample = self.sample();
            self.moments.push(at, messages, &sample, |_| {});
        }
    }

    fn end(&mut self, messages: u64) {
        if self.before.is_none() {
            self.before = Some((self.sample(), Listener::start(), 0, self.began));
        }
        if let (None, Some((before, listener, _, at))) = (&self.after, &self.before) {
            let sample = self.sample();
            let cpu = sample.cpu_since(before);
            self.after =
                Some((sample, listener.noise(cpu.server + cpu.client), messages, at.elapsed().as_secs_f64()));
        }
    }

    fn finish(mut self, ran: &mut Ran) {
        self.end(ran.tally.messages);
        let (Some((before, _, had, _)), Some((after, noise, messages, seconds))) = (self.before, self.after)
        else {
            return;
        };
        let outcome = &mut ran.outcome;
        outcome.messages = messages.max(ran.tally.messages).saturating_sub(had);
        // Bodies of one run are of one size, or none is left out.
        let part = outcome.messages as f64 / ran.tally.messages.max(1) as f64;
        outcome.bytes = (ran.tally.bytes as f64 * part).round() as u64;
        outcome.seconds = seconds;
        outcome.cpu_seconds = after.cpu_since(&before);
        outcome.rss_bytes = after.rss();
        outcome.noise = noise;
        outcome.timeline = Vec::<Moment>::from(self.moments);
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
        let now = Instant::now();
        let end = self.seconds.map(|seconds| now + Duration::from_secs_f64(seconds));
        ledger.time_from(now + Duration::from_secs_f64(self.warmup));
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
