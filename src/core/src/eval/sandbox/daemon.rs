//! The way to the store: the machine's daemon, or one of our own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::daemon::{Client, DaemonError};
use crate::error::Error;
use crate::process::{Child, CommandSpec, Stream, describe_exit, environment};

/// Time for a daemon to answer.
const LIMIT: Duration = Duration::from_secs(20);
/// Times that it is asked for the store.
const ATTEMPTS: u32 = 5;

/// What to do if a daemon of our own is of no use.
const OWN_STORE: &str = "let the worker's user write to the store, or start the machine's daemon";

/// A socket on which a daemon answers.
#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) socket: PathBuf,
    /// Ours ends with this.
    _child: Option<Child>,
}

/// Where the environment says that the store is.
#[derive(Debug, PartialEq, Eq)]
enum Remote {
    /// A daemon at this socket, or else this user's own files.
    Either(PathBuf),
    /// A daemon at this socket.
    Socket(PathBuf),
    /// This user's own files.
    Own,
    Unknown(String),
}

impl Daemon {
    /// Finds the machine's daemon. Where the store belongs to this user alone, one is started in
    /// `directory`: an evaluator that could write to the store itself could change anything that
    /// was ever built, and cannot build in a sandbox of its own.
    pub(super) fn reach(bwrap: &Path, directory: &Path) -> Result<Self, Error> {
        match remote(&environment()) {
            Remote::Either(socket) => {
                let connected = UnixStream::connect(&socket);
                match of_machine(socket, connected)? {
                    Some(daemon) => Ok(daemon),
                    None => Self::start(bwrap, directory),
                }
            }
            Remote::Own => Self::start(bwrap, directory),
            Remote::Socket(socket) => match UnixStream::connect(&socket) {
                Ok(_) => Ok(Self {
                    socket,
                    _child: None,
                }),
                Err(error) => Err(unreachable(&socket, &error)),
            },
            Remote::Unknown(remote) => Err(Error::Nix {
                message: format!("`NIX_REMOTE` is `{remote}`, which is no daemon of this machine"),
                hint: None,
            }),
        }
    }

    /// The bubblewrap around it hides nothing. It is there to end the daemon if this process is
    /// killed, and the shell for when that happens before bubblewrap has asked to be told.
    fn start(bwrap: &Path, directory: &Path) -> Result<Self, Error> {
        let directory = directory.join("store");
        std::fs::create_dir(&directory).map_err(|e| Error::io("make", &directory, e))?;
        let socket = directory.join("socket");
        let mut command = CommandSpec::new(bwrap)
            .args(["--dev-bind", "/", "/", "--die-with-parent", "--"])
            .args(["/bin/sh", "-c", "kill -0 \"$0\" && exec nix-daemon"])
            .args([std::process::id().to_string()]);
        command.environment = daemon_environment(command.environment, &socket);
        command.is_sandboxed = true;
        let mut child = Child::spawn(&command, [Stream::Null; 3])?;
        let deadline = Instant::now() + LIMIT;
        let mut pause = Duration::from_millis(2);
        while let Err(error) = UnixStream::connect(&socket) {
            if let Some(status) = child.wait(pause) {
                return Err(Error::Nix {
                    message: format!("our own Nix daemon ended with {}", describe_exit(status)),
                    hint: Some(OWN_STORE.to_owned()),
                });
            }
            if Instant::now() >= deadline {
                return Err(Error::io("reach our own Nix daemon at", &socket, error));
            }
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        greet(&socket)?;
        Ok(Self {
            socket,
            _child: Some(child),
        })
    }
}

/// The machine's daemon after an attempt to connect to it; `None` if it has none that runs. Where one
/// is for others, this user's own files are no store.
fn of_machine(
    socket: PathBuf,
    connected: std::io::Result<UnixStream>,
) -> Result<Option<Daemon>, Error> {
    match connected {
        Ok(_) => Ok(Some(Daemon {
            socket,
            _child: None,
        })),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(unreachable(&socket, &error))
        }
        Err(_) => Ok(None),
    }
}

fn unreachable(socket: &Path, error: &std::io::Error) -> Error {
    let hint = match error.kind() {
        ErrorKind::PermissionDenied => {
            "let the worker's user connect to it: Debian wants users to be in the group `nix-users`"
        }
        _ => "start the machine's Nix daemon, e.g. `systemctl start nix-daemon.socket`",
    };
    Error::Nix {
        message: format!(
            "cannot reach the Nix daemon at `{}`: {error}",
            socket.display()
        ),
        hint: Some(hint.to_owned()),
    }
}

/// Waits for the daemon to say hello, which it does when it has opened the store, and made it if
/// there was none: only what is there by now can be seen inside.
///
/// It serves each connection by a process of its own. Of two that make the store at the same time
/// one fails, and the connection that has shown that it listens is served too.
fn greet(socket: &Path) -> Result<(), Error> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match Client::connect(socket, LIMIT) {
            Ok(_) => return Ok(()),
            Err(DaemonError::Stopped) => return Err(Error::Stopped),
            Err(DaemonError::Closed) if attempts < ATTEMPTS => {
                thread::sleep(Duration::from_millis(50));
            }
            Err(error) => {
                return Err(Error::Nix {
                    message: format!("cannot open the store with our own Nix daemon: {error}"),
                    hint: Some(OWN_STORE.to_owned()),
                });
            }
        }
    }
}

/// Whoever connects is trusted with nothing, though it is the same user. The daemon has to be told
/// that the store is its own: where that is not there yet or cannot be written, Nix takes the
/// socket for another daemon's, and this one would connect to itself again and again.
fn daemon_environment(
    mut environment: BTreeMap<OsString, OsString>,
    socket: &Path,
) -> BTreeMap<OsString, OsString> {
    environment.insert("NIX_REMOTE".into(), "local".into());
    environment.insert("NIX_DAEMON_SOCKET_PATH".into(), socket.into());
    let config = environment.entry("NIX_CONFIG".into()).or_default();
    config.push("\ntrusted-users =\nallowed-users = *\n");
    environment
}

fn remote(environment: &BTreeMap<OsString, OsString>) -> Remote {
    let variable = |name: &str| environment.get(&OsString::from(name)).cloned();
    let socket = match variable("NIX_DAEMON_SOCKET_PATH") {
        Some(socket) => PathBuf::from(socket),
        None => PathBuf::from(variable("NIX_STATE_DIR").unwrap_or_else(|| "/nix/var/nix".into()))
            .join("daemon-socket/socket"),
    };
    let remote = variable("NIX_REMOTE").unwrap_or_default();
    match remote.to_string_lossy().as_ref() {
        "" | "auto" => Remote::Either(socket),
        "daemon" => Remote::Socket(socket),
        "local" => Remote::Own,
        remote => match remote.strip_prefix("unix://") {
            Some(path) if !path.is_empty() && !path.contains('?') => Remote::Socket(path.into()),
            _ => Remote::Unknown(remote.to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_for_others_is_no_missing_daemon() {
        let after = |kind: ErrorKind| of_machine("/d/socket".into(), Err(kind.into()));
        let error = after(ErrorKind::PermissionDenied).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot reach the Nix daemon at `/d/socket`: "),
            "{error}"
        );
        for kind in [ErrorKind::NotFound, ErrorKind::ConnectionRefused] {
            assert!(after(kind).unwrap().is_none());
        }
    }

    #[test]
    fn the_environment_says_where_the_store_is() {
        let remote = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(name, value)| (name.into(), value.into()));
            remote(&pairs.collect())
        };
        let usual = PathBuf::from("/nix/var/nix/daemon-socket/socket");
        assert_eq!(remote(&[]), Remote::Either(usual.clone()));
        assert_eq!(remote(&[("NIX_REMOTE", "daemon")]), Remote::Socket(usual));
        assert_eq!(
            remote(&[("NIX_REMOTE", "unix:///a/b")]),
            Remote::Socket("/a/b".into())
        );
        assert_eq!(remote(&[("NIX_REMOTE", "local")]), Remote::Own);
        assert_eq!(
            remote(&[("NIX_STATE_DIR", "/s"), ("NIX_REMOTE", "auto")]),
            Remote::Either("/s/daemon-socket/socket".into())
        );
        assert_eq!(
            remote(&[("NIX_REMOTE", "ssh-ng://host")]),
            Remote::Unknown("ssh-ng://host".to_owned())
        );
    }
}
