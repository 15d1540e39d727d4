use std::fs::File;
use std::io::{BufReader, Read as _, Write as _};
use std::process::{ChildStderr, ChildStdin, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use super::super::budget::Group;
use super::super::lines;
use super::super::log::LogLine;
use super::reply::{self, Reply};
use super::request;
use crate::error::Error;
use crate::nix::{AttrPath, System};
use crate::process::{Child, CommandSpec, Stream, memory_at_most, memory_now};

/// Longest line read. The names of a set with 100,000 members fit.
const LINE_MAX: usize = 64 << 20;
/// Longest text kept of what is no result.
const TEXT_MAX: usize = 1 << 20;
/// Replies that may wait to be looked at. An evaluator that prints more waits itself.
const REPLIES_MAX: usize = 64;
/// How long a repl may take to end after it was told that no more requests come.
const LEAVE: Duration = Duration::from_millis(500);

/// A `nix repl` in which a flake is loaded, or being loaded.
#[derive(Debug)]
pub(super) struct Repl {
    child: Child,
    stdin: Option<ChildStdin>,
    replies: Receiver<Reply>,
    last_id: u64,
    lines: Arc<AtomicU64>,
    /// Goes after the process in it.
    group: Option<Group>,
}

/// What came of waiting for a reply.
#[derive(Debug)]
pub(super) enum Waited {
    Reply(Reply),
    /// Nothing within the time.
    Nothing,
    /// The process has ended or is about to.
    Ended,
}

impl Repl {
    /// Starts `command` and types the definitions for `root`. The end of request 0 tells that all
    /// is loaded.
    pub(super) fn start(
        command: &CommandSpec,
        root: &AttrPath,
        systems: &[System],
        group: Option<Group>,
    ) -> Result<Self, Error> {
        let nonce = nonce()?;
        let prelude = request::prelude(&nonce, root, systems).ok_or_else(|| Error::Eval {
            message: format!(
                "cannot evaluate `{root}` with Nix itself: its first part is no plain identifier"
            ),
            hint: Some("rename the attribute, or install nix-eval-jobs".to_owned()),
        })?;
        let streams = [Stream::Piped, Stream::Null, Stream::Piped];
        let mut child = match &group {
            Some(group) => Child::spawn(&group.command(command.clone()), streams)?,
            None => Child::spawn(command, streams)?,
        };
        let (sender, replies) = mpsc::sync_channel(REPLIES_MAX);
        let lines = Arc::default();
        let probe = request::probe(&nonce);
        if let Some(stderr) = child.take_stderr() {
            let lines = Arc::clone(&lines);
            thread::spawn(move || read(stderr, &nonce, &sender, &lines));
        }
        let mut repl = Self {
            stdin: child.take_stdin(),
            child,
            replies,
            last_id: 0,
            lines,
            group,
        };
        repl.send(&probe);
        repl.send(&prelude);
        Ok(repl)
    }

    /// A number for the next request.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Types `text`. That the process is gone shows when its replies are waited for.
    pub(super) fn send(&mut self, text: &str) {
        if let Some(stdin) = &mut self.stdin {
            let _ = stdin.write_all(text.as_bytes());
        }
    }

    /// The next reply if it comes within `limit`.
    pub(super) fn wait(&self, limit: Duration) -> Waited {
        match self.replies.recv_timeout(limit) {
            Ok(reply) => Waited::Reply(reply),
            Err(RecvTimeoutError::Timeout) => Waited::Nothing,
            Err(RecvTimeoutError::Disconnected) => Waited::Ended,
        }
    }

    /// How many lines it has said, also those that are for nobody.
    pub(super) fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    /// Memory that the process occupies, in MiB, where the system tells.
    pub(super) fn memory(&mut self) -> Option<u64> {
        memory_now(self.child.worker_id()?)
    }

    /// The most memory that the process has occupied so far, in MiB, where the system tells.
    pub(super) fn most_memory(&mut self) -> Option<u64> {
        memory_at_most(self.child.worker_id()?)
    }

    /// The number of the process itself, whatever it runs in.
    pub(super) fn id(&mut self) -> Option<u32> {
        self.child.worker_id()
    }

    /// How the process ended, after it closed its stderr.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.wait(LEAVE).or_else(|| self.child.terminate())
    }

    /// Whether the kernel has killed something of it for want of memory.
    pub(super) fn was_full(&self) -> bool {
        self.group.as_ref().is_some_and(Group::was_full)
    }

    /// Ends the process, at once or after it had time to end what it started itself.
    pub(super) fn end(&mut self, at_once: bool) {
        if at_once {
            self.child.kill();
        } else {
            self.child.terminate();
        }
    }

    /// Lets the process end by itself, which it does when nothing can be typed any more.
    pub(super) fn leave(mut self) {
        self.stdin = None;
        if self.child.wait(LEAVE).is_none() {
            self.child.terminate();
        }
    }
}

/// A word that nobody can guess.
fn nonce() -> Result<String, Error> {
    const SOURCE: &str = "/dev/urandom";
    let mut bytes = [0; 16];
    File::open(SOURCE)
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|error| Error::io("read", SOURCE, error))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

/// Reads until the process closes its stderr, so that it never waits for long, or nobody listens.
fn read(stderr: ChildStderr, nonce: &str, replies: &SyncSender<Reply>, number: &AtomicU64) {
    let mut stderr = BufReader::with_capacity(64 << 10, stderr);
    while let Ok(Some(line)) = lines::next(&mut stderr, LINE_MAX) {
        number.fetch_add(1, Ordering::Relaxed);
        let reply = match reply::parse(nonce, &line) {
            Reply::Log(LogLine::Nothing) => continue,
            Reply::Log(line) => Reply::Log(line.truncated(TEXT_MAX)),
            reply => reply,
        };
        if replies.send(reply).is_err() {
            return;
        }
    }
}
