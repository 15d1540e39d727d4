use std::collections::HashSet;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::connection::{Connection, Missing, Wanted};
use super::transport::Transport;
use super::{DaemonError, endpoint};
use crate::nix::StorePath;
use crate::process::{Child, describe_exit};

/// Time for connecting and for a question that needs no network.
const LIMIT: Duration = Duration::from_secs(30);
/// How long a program that hung up may take to end.
const END: Duration = Duration::from_secs(2);

/// One connection. After an error other than [`DaemonError::Refused`] it is of no use any more.
#[derive(Debug)]
pub struct Client {
    // Goes first: the program ends by itself when its connection does.
    connection: Connection<Transport>,
    _program: Option<Child>,
}

/// Ends a [`Client`]'s connection from another thread, so that whoever waits for an answer gets
/// an error.
#[derive(Debug)]
pub struct Closer(UnixStream);

impl Client {
    /// Connects to what serves the store that `nix` would use: the daemon if it is there, else a
    /// program started for this.
    pub fn open() -> Result<Self, DaemonError> {
        if let Some(socket) = endpoint::socket(|name| std::env::var_os(name)) {
            match Self::connect(&socket, LIMIT) {
                // No daemon here. One that is there but does not answer is another matter: the
                // program would only turn to it again.
                Err(DaemonError::Unreachable { .. }) => {}
                result => return result,
            }
        }
        Self::start()
    }

    /// Connects to the daemon at `socket`. Within `limit` it has to have said hello.
    pub fn connect(socket: &Path, limit: Duration) -> Result<Self, DaemonError> {
        let mut transport = Transport::connect(socket, limit)?;
        transport.begin(limit);
        Ok(Self {
            connection: Connection::open(transport)?,
            _program: None,
        })
    }

    fn start() -> Result<Self, DaemonError> {
        let command = endpoint::command();
        let bad = |reason: String| DaemonError::NoCommand {
            command: command.to_string(),
            reason,
        };
        let (mut program, stream) =
            Child::spawn_on_socket(&command).map_err(|error| bad(error.to_string()))?;
        match Connection::open(Transport::new(stream, LIMIT)) {
            Ok(connection) => Ok(Self {
                connection,
                _program: Some(program),
            }),
            Err(DaemonError::Closed) => Err(match program.wait(END) {
                Some(status) => bad(format!("it ended with {}", describe_exit(status))),
                None => DaemonError::Closed,
            }),
            Err(error) => Err(error),
        }
    }

    /// A handle that ends the connection.
    pub fn closer(&mut self) -> Result<Closer, DaemonError> {
        let stream = self.connection.stream_mut().handle();
        Ok(Closer(stream.map_err(DaemonError::Io)?))
    }

    /// Those of `paths` that are valid now. Nothing is fetched.
    pub fn valid_paths(&mut self, paths: &[&StorePath]) -> Result<HashSet<StorePath>, DaemonError> {
        self.connection.stream_mut().begin(LIMIT);
        self.connection.valid_paths(paths)
    }

    /// Keeps `paths` from the garbage collector as long as this client is there, even if they are
    /// to be made only later. A collection that runs leaves them too, unless it has them already:
    /// so ask afterwards which are valid.
    pub fn add_temp_roots(&mut self, paths: &[&StorePath]) -> Result<(), DaemonError> {
        self.connection.stream_mut().begin(LIMIT);
        self.connection.add_temp_roots(paths)
    }

    /// Adds a file called `name` with `text` that refers to `references`, which cannot be collected
    /// before it then. It is held as by [`Client::add_temp_roots`]. Refused if one of them is not
    /// valid.
    pub fn add_text(
        &mut self,
        name: &str,
        text: &str,
        references: &[&StorePath],
    ) -> Result<StorePath, DaemonError> {
        self.connection.stream_mut().begin(LIMIT);
        self.connection.add_text(name, text, references)
    }

    /// What would be built and fetched for all of `wanted`. Substituters are asked, so this takes
    /// as long as they do, at most `limit`.
    ///
    /// A substituter that does not work makes Nix refuse the question. Then it is asked again
    /// without such substituters; not at once, because that can only be had by switching all
    /// substituters on, which an administrator may have switched off.
    pub fn missing(&mut self, wanted: &[Wanted], limit: Duration) -> Result<Missing, DaemonError> {
        self.connection.stream_mut().begin(limit);
        match self.connection.missing(wanted) {
            Err(DaemonError::Refused(_)) => {
                self.connection.leave_out_broken_substituters()?;
                self.connection.missing(wanted)
            }
            result => result,
        }
    }
}

impl Closer {
    /// Ends the connection.
    pub fn close(&self) {
        // It may have ended by itself.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}
