//! One Nix process from its start to its end, with nothing left behind.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::{ChildStderr, ChildStdout, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};

use crate::error::Error;
use crate::process::{Child, CommandSpec, Leftovers, Stream};

/// How often the watcher is asked, at the least.
const TICK: Duration = Duration::from_millis(100);
/// Time between SIGTERM and SIGKILL.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long output is read that others keep open after Nix has ended.
const DRAIN: Duration = Duration::from_secs(2);
/// Most of stdout that is kept: a list of outputs.
const STDOUT_MAX: usize = 4 << 20;

/// Who watches a process.
pub(super) trait Watch {
    /// Takes bytes of stderr.
    fn stderr(&mut self, bytes: &[u8]);

    /// Called every tenth of a second and after bursts of output. Returns whether the process has
    /// to end; once it has said so it stays so.
    fn halt(&mut self) -> bool;
}

/// How a process ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
}

/// Runs `command` to its end, or to the end that `watch` wants: then it gets SIGTERM, and SIGKILL
/// if that does not help. What it started is ended with it. Fails only if it cannot be started.
pub(super) fn run(command: &CommandSpec, watch: &mut dyn Watch) -> Result<Ended, Error> {
    let mut child = Child::spawn(command, [Stream::Null, Stream::Piped, Stream::Piped])?;
    let mut pipes = Pipes {
        stdout: child.take_stdout(),
        stderr: child.take_stderr(),
        kept: Vec::new(),
        buffer: vec![0; 64 << 10],
    };
    let mut ending = Ending::default();
    let mut exited = None;
    let mut next_look = Instant::now();
    let status = loop {
        pipes.read(TICK, watch);
        let now = Instant::now();
        if now >= next_look || pipes.are_closed() {
            next_look = now + TICK;
            if watch.halt() {
                ending.proceed(&mut child);
            }
            if let Some(status) = child.try_wait() {
                let since = *exited.get_or_insert(now);
                if pipes.are_closed() || now - since > DRAIN {
                    break status;
                }
            } else if pipes.are_closed() {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    };
    ending.finish();
    Ok(Ended {
        status,
        stdout: pipes.kept,
    })
}

/// The way from the wish to end a process to its end.
#[derive(Debug, Default)]
struct Ending {
    asked: Option<Instant>,
    killed: bool,
    leftovers: Leftovers,
}

impl Ending {
    fn proceed(&mut self, child: &mut Child) {
        let Some(asked) = self.asked else {
            self.asked = Some(Instant::now());
            self.leftovers = Leftovers::below(child.id());
            terminate(child);
            return;
        };
        if !self.killed && asked.elapsed() > PATIENCE {
            self.killed = true;
            self.leftovers = Leftovers::below(child.id());
            child.kill();
        }
    }

    /// Nix has ended; a builder that outlived it would go on for ever.
    fn finish(&self) {
        self.leftovers.kill();
    }
}

/// Asks a child to end, and does not wait for it.
fn terminate(child: &mut Child) {
    // As long as nobody has waited for it, its number is not another's.
    if child.try_wait().is_none()
        && let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw)
    {
        let _ = kill_process(pid, Signal::TERM);
    }
}

struct Pipes {
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    kept: Vec<u8>,
    buffer: Vec<u8>,
}

impl Pipes {
    fn are_closed(&self) -> bool {
        self.stdout.is_none() && self.stderr.is_none()
    }

    /// Reads what there is, waiting for it up to `timeout`.
    fn read(&mut self, timeout: Duration, watch: &mut dyn Watch) {
        let (out, err) = self.wait(timeout);
        if err && let Some(pipe) = &mut self.stderr {
            match pipe.read(&mut self.buffer) {
                Ok(length) if length > 0 => {
                    watch.stderr(self.buffer.get(..length).unwrap_or_default());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => self.stderr = None,
            }
        }
        if out && let Some(pipe) = &mut self.stdout {
            match pipe.read(&mut self.buffer) {
                Ok(length) if length > 0 => {
                    let room = STDOUT_MAX.saturating_sub(self.kept.len());
                    self.kept.extend(self.buffer.iter().take(length.min(room)));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => self.stdout = None,
            }
        }
    }

    /// Which of stdout and stderr has something to read, be it its end.
    fn wait(&self, timeout: Duration) -> (bool, bool) {
        let out = self.stdout.as_ref().map(AsFd::as_fd);
        let err = self.stderr.as_ref().map(AsFd::as_fd);
        let open = out.iter().chain(&err);
        let mut polled: Vec<PollFd> = open
            .map(|pipe| PollFd::from_borrowed_fd(*pipe, PollFlags::IN))
            .collect();
        if polled.is_empty() {
            return (false, false);
        }
        let timeout = Timespec::try_from(timeout).ok();
        if poll(&mut polled, timeout.as_ref()).is_err() {
            // Interrupted by a signal: whoever waits for it looks in between.
            return (false, false);
        }
        let mut ready = polled.iter().map(|polled| !polled.revents().is_empty());
        let mut is_ready = |pipe: Option<_>| pipe.is_some() && ready.next().unwrap_or(false);
        (is_ready(out), is_ready(err))
    }
}
