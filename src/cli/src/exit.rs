use std::process::ExitCode;

/// Shown below `--help`.
pub(crate) const HELP: &str = "\
Exit status:
  0  everything asked for was done, and is good
  1  it was done, and is not good: an attribute failed to evaluate or build
  2  the command line or the settings are wrong
  3  it could not be done here: no Nix, a file cannot be read, no space, …
  4  stopped by a signal";

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Everything asked for was done, and is good.
    Success = 0,
    /// It was done, and the result is negative.
    Negative = 1,
    /// The command line or the settings are wrong.
    Usage = 2,
    /// It could not be done on this machine.
    Machine = 3,
    /// Stopped by a signal.
    Stopped = 4,
}

impl Exit {
    /// The number for the operating system.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
