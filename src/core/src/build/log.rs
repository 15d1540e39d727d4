use std::io;
use std::time::Duration;

/// Where the readable text of a build goes.
pub trait Log {
    /// Takes whole lines of UTF-8, newlines included.
    fn text(&mut self, lines: &[u8]) -> io::Result<()>;

    /// Called about ten times a second, whether or not there was text: the place to flush and to
    /// show how far the build is.
    fn tick(&mut self, progress: &Progress) -> io::Result<()>;
}

/// How far a build is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Derivations built so far.
    pub built: u64,
    /// Derivations that have to be built in all, as far as known.
    pub to_build: u64,
    /// Paths fetched so far.
    pub fetched: u64,
    /// Paths to fetch in all, as far as known.
    pub to_fetch: u64,
    /// Short names of the derivations that are being built.
    pub running: Vec<String>,
    /// Wall time so far.
    pub elapsed: Duration,
}

/// A log that is only text: a file, a pipe to the worker.
#[derive(Debug)]
pub struct Plain<W>(pub W);

impl<W: io::Write> Log for Plain<W> {
    fn text(&mut self, lines: &[u8]) -> io::Result<()> {
        self.0.write_all(lines)
    }

    fn tick(&mut self, _progress: &Progress) -> io::Result<()> {
        self.0.flush()
    }
}
