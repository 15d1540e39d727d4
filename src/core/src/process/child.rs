use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ChildStderr, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::leftovers::signal_id;
use super::{CommandSpec, Leftovers, spawner};
use crate::error::Error;

/// How long a child that has been asked to end is waited for before it is killed.
const GRACE: Duration = Duration::from_secs(1);
/// How often children and the wish to stop are looked at.
pub(super) const POLL: Duration = Duration::from_millis(20);

/// What one of a child's three streams is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Nothing.
    Null,
    /// This process.
    Piped,
    /// What this process itself has there.
    Inherited,
}

impl From<Stream> for Stdio {
    fn from(stream: Stream) -> Self {
        match stream {
            Stream::Null => Self::null(),
            Stream::Piped => Self::piped(),
            Stream::Inherited => Self::inherit(),
        }
    }
}

/// A running program that does not outlive this value.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    status: Option<ExitStatus>,
    is_sandboxed: bool,
    /// The process in the sandbox, once it was found.
    inner: Option<u32>,
}

impl Child {
    /// Starts `command`. `streams` are stdin, stdout, stderr.
    pub fn spawn(command: &CommandSpec, streams: [Stream; 3]) -> Result<Self, Error> {
        let [stdin, stdout, stderr] = streams;
        let mut process = command.command();
        process.stdin(stdin).stdout(stdout).stderr(stderr);
        let process = if command.is_sandboxed {
            spawner::spawn(process)
        } else {
            process.spawn()
        };
        Ok(Self {
            process: process.map_err(|error| Error::io("run", command.program(), error))?,
            status: None,
            is_sandboxed: command.is_sandboxed,
            inner: None,
        })
    }

    /// Starts `command` with one end of a socket as both its stdin and its stdout. The other end
    /// is ours; unlike pipes it has time-outs.
    pub fn spawn_on_socket(command: &CommandSpec) -> Result<(Self, UnixStream), Error> {
        let failed = |error| Error::io("run", command.program(), error);
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let process = command
            .command()
            .stdin(OwnedFd::from(theirs.try_clone().map_err(failed)?))
            .stdout(OwnedFd::from(theirs))
            .stderr(Stream::Null)
            .spawn()
            .map_err(failed)?;
        let child = Self {
            process,
            status: None,
            is_sandboxed: false,
            inner: None,
        };
        Ok((child, ours))
    }

    /// Process number.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Number of the process that does the work: the one in the sandbox, if there is one. `None`
    /// while it does not run yet.
    pub fn worker_id(&mut self) -> Option<u32> {
        if !self.is_sandboxed {
            return Some(self.id());
        }
        if self.inner.is_none() {
            self.inner = Leftovers::grandchild(self.id());
        }
        self.inner
    }

    /// Our end of its stdin. Dropping it closes the pipe. `None` the second time.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.process.stdin.take()
    }

    /// Our end of its stdout, `None` the second time.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.process.stdout.take()
    }

    /// Our end of its stderr, `None` the second time.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.process.stderr.take()
    }

    /// How it ended, `None` while it runs.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            // The only error is that there is no such child; then there is nothing to wait for.
            let status = self.process.try_wait().ok().flatten();
            let is_sandboxed = self.is_sandboxed;
            self.status = status.map(|status| {
                if is_sandboxed {
                    spawner::inner_status(status)
                } else {
                    status
                }
            });
        }
        self.status
    }

    /// Waits up to `limit` for its end.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        let mut pause = Duration::from_millis(1);
        loop {
            let status = self.try_wait();
            if status.is_some() || Instant::now() >= deadline {
                return status;
            }
            thread::sleep(pause);
            pause = POLL.min(pause * 2);
        }
    }

    /// Asks it to end (SIGTERM), kills it if it does not soon. What it started ends with it.
    pub fn terminate(&mut self) -> Option<ExitStatus> {
        let leftovers = self.stop();
        self.signal(Signal::TERM);
        leftovers.resume(self.id());
        let status = self.wait(GRACE).or_else(|| self.kill());
        leftovers.kill();
        status
    }

    /// Ends it, and what it started, at once (SIGKILL).
    pub fn kill(&mut self) -> Option<ExitStatus> {
        let leftovers = self.stop();
        self.signal(Signal::KILL);
        let status = self.wait(GRACE);
        leftovers.kill();
        status
    }

    /// Stops it and what it started, which is returned. A `bwrap` that ends while it starts another
    /// process leaves one behind that waits for ever.
    fn stop(&mut self) -> Leftovers {
        match self.try_wait() {
            None => Leftovers::stopped(self.id()),
            Some(_) => Leftovers::default(),
        }
    }

    /// The number cannot belong to another process: it is only free again after a wait.
    fn signal(&mut self, signal: Signal) {
        if self.try_wait().is_none() {
            signal_id(self.id(), signal);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.try_wait().is_none() {
            self.terminate();
        }
    }
}

/// How a program ended, to stand behind "ended with".
pub fn describe_exit(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => match signal_hook::low_level::signal_name(signal) {
            Some(name) => format!("signal {signal} ({name})"),
            None => format!("signal {signal}"),
        },
        (None, None) => "an unknown status".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn shell(script: &str) -> CommandSpec {
        CommandSpec::new("sh").args(["-c", script])
    }

    /// Several times, as nobody knows when the next one is about to be started.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_starts_others_all_the_time_leaves_none() {
        let mark = format!("600.{}", std::process::id());
        let script = format!("trap '' TERM; echo; while :; do sleep {mark} & done");
        for _ in 0..5 {
            let mut child =
                Child::spawn(&shell(&script), [Stream::Null, Stream::Piped, Stream::Null]).unwrap();
            let mut stdout = child.take_stdout().unwrap();
            stdout.read_exact(&mut [0]).unwrap();
            child.kill();
        }
        let left = std::fs::read_dir("/proc").unwrap().flatten().filter(|it| {
            std::fs::read(it.path().join("cmdline")).is_ok_and(|it| {
                let words: Vec<&[u8]> = it.split(|byte| *byte == 0).collect();
                words.starts_with(&[b"sleep", mark.as_bytes()])
            })
        });
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn what_ignores_the_request_to_end_is_killed() {
        let command = shell("trap '' TERM; echo ready; while :; do sleep 0.05; done");
        let mut child =
            Child::spawn(&command, [Stream::Null, Stream::Piped, Stream::Null]).unwrap();
        let mut ready = [0; 6];
        child.take_stdout().unwrap().read_exact(&mut ready).unwrap();
        let status = child.terminate().unwrap();
        assert_eq!(describe_exit(status), "signal 9 (SIGKILL)");
    }

    #[test]
    fn what_a_child_started_ends_with_it() {
        let command = shell("sleep 600 & echo $!; wait");
        let mut child =
            Child::spawn(&command, [Stream::Null, Stream::Piped, Stream::Null]).unwrap();
        let mut stdout = std::io::BufReader::new(child.take_stdout().unwrap());
        let mut grandchild = String::new();
        std::io::BufRead::read_line(&mut stdout, &mut grandchild).unwrap();
        child.terminate();
        // The pipe closes when the last process that has it is gone.
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }

    #[test]
    fn a_socket_is_both_ends_of_the_program() {
        let (_child, mut socket) = Child::spawn_on_socket(&shell("read a; echo $a $a")).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        socket.write_all(b"x\n").unwrap();
        let mut said = String::new();
        socket.read_to_string(&mut said).unwrap();
        assert_eq!(said, "x x\n");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_sandbox_speaks_for_what_runs_in_it() {
        let mut command = shell("sh -c 'sh -c \"kill -KILL \\$\\$\" & wait $!; exit $?' & wait $!");
        command.is_sandboxed = true;
        let mut child = Child::spawn(&command, [Stream::Null; 3]).unwrap();
        let status = child.wait(Duration::from_secs(20)).unwrap();
        assert_eq!(describe_exit(status), "signal 9 (SIGKILL)");

        let mut command = shell("sh -c 'sleep 600 & echo $!; wait' & wait");
        command.is_sandboxed = true;
        let mut child =
            Child::spawn(&command, [Stream::Null, Stream::Piped, Stream::Null]).unwrap();
        let mut stdout = std::io::BufReader::new(child.take_stdout().unwrap());
        let mut grandchild = String::new();
        std::io::BufRead::read_line(&mut stdout, &mut grandchild).unwrap();
        assert_eq!(child.worker_id(), grandchild.trim().parse().ok());
        // Who signals our group does not end it half.
        let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap());
        assert_eq!(rustix::process::getpgid(pid).ok(), pid);
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Child::spawn(&CommandSpec::new("/no/such/program"), [Stream::Null; 3])
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("cannot run `/no/such/program`: "),
            "{error}"
        );
    }
}
