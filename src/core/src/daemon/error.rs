use std::io;

/// Why the daemon could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Nothing listens there.
    #[error("cannot connect to `{socket}`: {source}")]
    Unreachable {
        /// Path of the socket.
        socket: String,
        /// Why.
        source: io::Error,
    },
    /// The daemon's place could not be taken by a command.
    #[error("cannot run `{command}`: {reason}")]
    NoCommand {
        /// What was run.
        command: String,
        /// Why it does not work.
        reason: String,
    },
    /// It took too long.
    #[error("no answer within {seconds} s")]
    TimedOut {
        /// How long it was waited for.
        seconds: u64,
    },
    /// It hung up in the middle of an answer.
    #[error("the connection was closed before the answer was complete")]
    Closed,
    /// Reading or writing failed otherwise.
    #[error("cannot talk over the connection: {0}")]
    Io(io::Error),
    /// Too old, or something new altogether.
    #[error("protocol version {major}.{minor} is not understood, only 1.32 and later 1.x are")]
    Version {
        /// First part.
        major: u64,
        /// Second part.
        minor: u64,
    },
    /// What came is not the protocol.
    #[error("the answer is not understood: {0}")]
    Odd(String),
    /// The daemon says that it could not do it.
    #[error("{0}")]
    Refused(String),
    /// This process is to stop.
    #[error("stopped")]
    Stopped,
}

impl DaemonError {
    pub(super) fn odd(what: impl Into<String>) -> Self {
        Self::Odd(what.into())
    }
}

impl From<io::Error> for DaemonError {
    fn from(error: io::Error) -> Self {
        // `transport` puts its own reasons into errors of io, which is all that `Read` can say.
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(error) if is_end(error.kind()) => Self::Closed,
            Err(error) => Self::Io(error),
        }
    }
}

fn is_end(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::WriteZero
    )
}
