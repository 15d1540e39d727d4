use std::fmt;
use std::io;
use std::time::Duration;

/// Where the readable text of a build goes.
pub trait Log {
    /// Takes whole lines of UTF-8, newlines included.
    fn text(&mut self, lines: &[u8]) -> io::Result<()>;

    /// Takes the last lines of a derivation that failed, at the end of a build: text that repeats
    /// what came before.
    fn failure(&mut self, lines: &str) -> io::Result<()> {
        self.text(lines.as_bytes())
    }

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

impl fmt::Display for Progress {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "[{} s", self.elapsed.as_secs())?;
        if self.to_build > 0 {
            write!(formatter, ", {}/{} built", self.built, self.to_build)?;
        }
        if self.to_fetch > 0 {
            write!(formatter, ", {}/{} fetched", self.fetched, self.to_fetch)?;
        }
        write!(formatter, "] {}", self.running.join(", "))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_one_line() {
        let mut progress = Progress::default();
        assert_eq!(progress.to_string(), "[0 s] ");
        progress = Progress {
            built: 1,
            to_build: 3,
            fetched: 2,
            to_fetch: 2,
            running: vec!["hello".to_owned(), "gtk+".to_owned()],
            elapsed: Duration::from_millis(65_900),
        };
        assert_eq!(
            progress.to_string(),
            "[65 s, 1/3 built, 2/2 fetched] hello, gtk+"
        );
    }
}
