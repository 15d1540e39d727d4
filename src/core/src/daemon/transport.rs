//! A socket with one deadline for a whole question, however slowly the answer drips in.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::DaemonError;
use crate::process::stop_requested;

/// How often the wish to stop is looked at.
const POLL: Duration = Duration::from_millis(100);
/// How often a daemon is tried that has too many visitors.
const RETRY: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Transport {
    stream: UnixStream,
    limit: Duration,
    deadline: Instant,
}

impl Transport {
    pub(super) fn new(stream: UnixStream, limit: Duration) -> Self {
        Self {
            stream,
            limit,
            deadline: Instant::now() + limit,
        }
    }

    /// Connects to `socket`. A full queue of visitors would block a plain connect without end.
    pub(super) fn connect(socket: &Path, limit: Duration) -> Result<Self, DaemonError> {
        let deadline = Instant::now() + limit;
        loop {
            match try_connect(socket) {
                Ok(stream) => return Ok(Self::new(stream, limit)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if stop_requested() {
                        return Err(DaemonError::Stopped);
                    }
                    if Instant::now() >= deadline {
                        return Err(timed_out(limit));
                    }
                    thread::sleep(RETRY);
                }
                Err(source) => {
                    return Err(DaemonError::Unreachable {
                        socket: socket.display().to_string(),
                        source,
                    });
                }
            }
        }
    }

    /// A new question begins: its answer has to be complete within `limit`.
    pub(super) fn begin(&mut self, limit: Duration) {
        self.limit = limit;
        self.deadline = Instant::now() + limit;
    }

    /// Another handle on the socket.
    pub(super) fn handle(&self) -> io::Result<UnixStream> {
        self.stream.try_clone()
    }

    /// Does `step` again until it is no longer a matter of waiting.
    fn patiently(
        &mut self,
        mut step: impl FnMut(&mut UnixStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            if stop_requested() {
                return Err(io::Error::other(DaemonError::Stopped));
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::Error::other(timed_out(self.limit)));
            }
            let patience = Some(left.min(POLL));
            self.stream.set_read_timeout(patience)?;
            self.stream.set_write_timeout(patience)?;
            match step(&mut self.stream) {
                Err(error) if is_wait(error.kind()) => {}
                done => return done,
            }
        }
    }
}

fn is_wait(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

fn timed_out(limit: Duration) -> DaemonError {
    DaemonError::TimedOut {
        seconds: limit.as_secs(),
    }
}

fn try_connect(socket: &Path) -> io::Result<UnixStream> {
    let fd = socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    connect(&fd, &SocketAddrUnix::new(socket)?)?;
    let stream = UnixStream::from(fd);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.patiently(|stream| stream.read(buffer))
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.patiently(|stream| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        // Also for handles that are elsewhere.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
