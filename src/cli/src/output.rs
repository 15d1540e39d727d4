//! Writing for people: text to stdout, errors with their hint to stderr.
//!
//! A reader that went away, such as `head`, is no error and never a panic.

use std::io::{self, Write as _};

use buildbot_nix_core::error::Error;

use crate::Exit;

/// Writes `text` to stdout; what goes wrong there is the machine's fault.
pub(crate) fn say(text: &str) -> Exit {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        Ok(()) => Exit::Success,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
        Err(error) => fail(&Error::io("write to", "stdout", error)),
    }
}

/// Writes `text` to stderr, if that can be done.
pub(crate) fn warn(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Tells of `error`; returns how the command ends for it.
pub(crate) fn fail(error: &Error) -> Exit {
    let mut text = match error {
        // Lists of problems start with file and line, for editors that jump there.
        Error::Config(problems) => format!("{problems}\n"),
        other => format!("error: {other}\n"),
    };
    if let Some(hint) = error.hint() {
        text.push_str("  hint: ");
        text.push_str(hint);
        text.push('\n');
    }
    warn(&text);
    match error {
        Error::Config(_) | Error::Event(_) => Exit::Usage,
        Error::Eval { .. } => Exit::Negative,
        Error::Io { .. }
        | Error::Secret(_)
        | Error::Nix { .. }
        | Error::DaemonLost(_)
        | Error::Forge(_)
        | Error::Login(_)
        | Error::Protocol(_) => Exit::Machine,
        Error::Stopped => Exit::Stopped,
    }
}
