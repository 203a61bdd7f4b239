//! Child processes that speak in lines, die with us, and are never waited for without a deadline.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

/// How much of a child's last words is kept.
const LAST_WORDS: usize = 2000;

/// Why no line came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// The deadline passed and the child still runs.
    TimedOut,
    /// The child closed its output.
    Ended,
}

/// A running child process; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    lines: Receiver<String>,
    complaints: Option<JoinHandle<String>>,
}

impl Worker {
    /// Starts this very program again with other arguments.
    pub(crate) fn again(arguments: &[String]) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        Self::start(Command::new(program).args(arguments))
    }

    /// Starts a command with its output and its complaints coming to us.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let named = format!("cannot start {}", command.get_program().display());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context(named)?;
        let (line_in, lines) = channel();
        let output = child.stdout.take().context("the child has no output")?;
        thread::spawn(move || {
            // The channel is as long as the lines a child prints: a ready line and a result.
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if line_in.send(line).is_err() {
                    break;
                }
            }
        });
        let errors = child.stderr.take().context("the child has no error output")?;
        let complaints = Some(thread::spawn(move || last_words(errors)));
        Ok(Self { child, lines, complaints })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line of its output.
    pub(crate) fn line(&self, patience: Duration) -> Result<String, Silence> {
        self.lines.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => Silence::TimedOut,
            RecvTimeoutError::Disconnected => Silence::Ended,
        })
    }

    /// Asks it to end and waits until it has; kills it if it takes too long.
    pub(crate) fn stop(&mut self, patience: Duration) {
        if let Ok(Some(process)) = i32::try_from(self.child.id()).map(Pid::from_raw) {
            // One that is gone already needs no asking.
            let _gone = kill_process(process, Signal::TERM);
        }
        let began = Instant::now();
        while began.elapsed() < patience && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills it and returns the end of what it wrote to its error output.
    pub(crate) fn end(&mut self) -> String {
        let _already_gone = self.child.kill();
        let _already_reaped = self.child.wait();
        self.complaints.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

/// Asks the kernel to end this process when the one that started it ends, however it ends.
pub(crate) fn die_with_parent() {
    // Without it a killed comparison would leave its current pair behind; nothing else depends on it.
    let _best_effort = set_parent_process_death_signal(Some(Signal::KILL));
}

fn last_words(mut from: impl Read) -> String {
    let mut kept = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(read) = from.read(&mut piece)
        && read > 0
    {
        kept.extend_from_slice(&piece[..read]);
        let surplus = kept.len().saturating_sub(LAST_WORDS);
        kept.drain(..surplus);
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Worker {
        Worker::start(Command::new("sh").args(["-c", script])).expect("a shell")
    }

    #[test]
    fn lines_come_in_order_and_then_the_end() {
        let worker = shell("echo one; echo two");
        assert_eq!(worker.line(LONG).as_deref(), Ok("one"));
        assert_eq!(worker.line(LONG).as_deref(), Ok("two"));
        assert_eq!(worker.line(LONG), Err(Silence::Ended));
    }

    #[test]
    fn a_child_that_is_asked_to_end_may_say_a_last_word() {
        let mut worker = shell("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done");
        assert_eq!(worker.line(LONG).as_deref(), Ok("ready"));
        worker.stop(LONG);
        assert_eq!(worker.line(LONG).as_deref(), Ok("bye"));
    }

    #[test]
    fn a_silent_child_is_given_up_and_killed() {
        let mut worker = shell("exec sleep 1000");
        assert_eq!(worker.line(Duration::from_millis(50)), Err(Silence::TimedOut));
        assert_eq!(worker.end(), "");
    }

    #[test]
    fn only_the_end_of_the_complaints_is_kept() {
        let mut worker = shell("head -c 100000 /dev/zero | tr '\\0' x >&2; echo the end >&2; echo done");
        assert_eq!(worker.line(LONG).as_deref(), Ok("done"));
        assert_eq!(worker.line(LONG), Err(Silence::Ended));
        let complaints = worker.end();
        assert!(complaints.ends_with("the end") && complaints.len() <= LAST_WORDS, "{}", complaints.len());
    }
}
