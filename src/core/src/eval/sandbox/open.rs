use std::ffi::OsString;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::super::{Isolation, Request, SandboxChoice, text, tools};
use super::Credentials;
use super::daemon::Daemon;
use super::host::{Seen, find};
use super::view::{HOME, OURS, View};
use super::{environment, trusted};
use crate::error::Error;
use crate::process::{self, CommandSpec, capture, describe_exit};

/// Time for Nix to say its version.
const LIMIT: Duration = Duration::from_secs(60);
/// Folder for what fetchers keep, below that for all caches of the user.
const CACHE: &str = "buildbot-nix/fetch";

/// What stands between the machine and the evaluators of one evaluation.
#[derive(Debug)]
pub(in super::super) struct Sandbox {
    /// `None` where evaluators see everything.
    inside: Option<Inside>,
    /// What the admin should know.
    pub(in super::super) warnings: Vec<String>,
    scratch: TempDir,
}

#[derive(Debug)]
struct Inside {
    view: View,
    nix_version: String,
    /// One of our own lives as long as this.
    _daemon: Daemon,
}

impl Sandbox {
    /// Makes ready what `request` asks for, and tries it out.
    pub(in super::super) fn open(
        request: &Request,
        credentials: Option<&Credentials>,
    ) -> Result<Self, Error> {
        let isolation = &request.isolation;
        let scratch = tempfile::Builder::new().prefix("buildbot-nix-").tempdir();
        let scratch =
            scratch.map_err(|error| Error::io("make a folder in", std::env::temp_dir(), error))?;
        trusted::write(&scratch.path().join("data"), &isolation.nix_config_allow)?;
        let mut sandbox = Self {
            inside: None,
            warnings: Vec::new(),
            scratch,
        };
        if isolation.sandbox != SandboxChoice::Off {
            match sandbox.close(request, credentials) {
                Ok(inside) => sandbox.inside = Some(inside),
                Err(Error::Stopped) => return Err(Error::Stopped),
                Err(error) => {
                    // Perhaps there is no Nix at all.
                    tools::nix_version()?;
                    let warning = without(isolation.sandbox, &error)?;
                    sandbox.warnings.push(warning);
                }
            }
        }
        if credentials.is_some() && !sandbox.is_closed() {
            // Whoever evaluates beside this one could read them.
            let warning = "credentials for private inputs are not used: the evaluation runs \
                           without a sandbox";
            sandbox.warnings.push(warning.to_owned());
        }
        Ok(sandbox)
    }

    /// `command`, seeing what it is meant to see.
    pub(in super::super) fn command(&self, mut command: CommandSpec) -> CommandSpec {
        if let Some(inside) = &self.inside {
            return inside.view.command(command);
        }
        let environment = &mut command.environment;
        environment.remove(&OsString::from("NIX_DATA_HOME"));
        let data = self.scratch.path().join("data");
        environment.insert("XDG_DATA_HOME".into(), data.into());
        command
    }

    /// Whether evaluators see only what they are meant to see.
    pub(in super::super) fn is_closed(&self) -> bool {
        self.inside.is_some()
    }

    /// The version of Nix, e.g. `2.26.3`.
    pub(in super::super) fn nix_version(&self) -> Result<String, Error> {
        match &self.inside {
            Some(inside) => Ok(inside.nix_version.clone()),
            None => tools::nix_version(),
        }
    }

    fn close(
        &mut self,
        request: &Request,
        credentials: Option<&Credentials>,
    ) -> Result<Inside, Error> {
        let outer = process::environment();
        let path = outer
            .get(&OsString::from("PATH"))
            .cloned()
            .unwrap_or_default();
        let bwrap = find("bwrap", &path).ok_or_else(|| Error::Nix {
            message: "there is no `bwrap` on PATH".to_owned(),
            hint: None,
        })?;
        let scratch = self.scratch.path();
        let daemon = Daemon::reach(&bwrap, scratch)?;
        let mut seen = Seen::default();
        seen.add_system();
        let path = seen.add_programs(&path);
        for name in ["SSL_CERT_FILE", "NIX_SSL_CERT_FILE", "NIX_STORE_DIR"] {
            if let Some(file) = outer.get(&OsString::from(name)) {
                seen.add(Path::new(file));
            }
        }
        let settings = outer.get(&OsString::from("NIX_CONF_DIR"));
        seen.add_settings(settings.map_or(Path::new("/etc/nix"), Path::new));
        for path in &request.isolation.sandbox_paths {
            seen.add(path);
        }
        let directory = seen.add_source(&request.source);
        let mut read_only = seen.0;
        read_only
            .extend(ours(scratch, &daemon).map_err(|error| Error::io("write", scratch, error))?);
        let socket = daemon.socket.file_name().unwrap_or_default();
        let mut remote = OsString::from(format!("unix://{OURS}/store/"));
        remote.push(socket);
        let cache = self.cache(&request.isolation);
        let data = format!("{OURS}/data");
        let mut variables = vec![("NIX_REMOTE", remote), ("XDG_DATA_HOME", data.into())];
        if let Some(credentials) = credentials {
            read_only.extend(credentials.seen.iter().cloned());
            variables.push(("NIX_CONF_DIR", Credentials::settings_directory().into()));
        }
        let view = View {
            bwrap,
            read_only,
            cache,
            directory,
            environment: environment::inner(&outer, path, variables),
        };
        Ok(Inside {
            nix_version: try_out(&view)?,
            view,
            _daemon: daemon,
        })
    }

    /// Where fetchers of evaluations that trust each other keep what they fetched.
    fn cache(&mut self, isolation: &Isolation) -> Option<PathBuf> {
        let name = isolation.fetch_cache.as_ref()?;
        let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let caches = folder("XDG_CACHE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| folder("HOME").map(|home| home.join(".cache")))?;
        let cache = caches.join(CACHE).join(crate::results::component(name));
        let mut builder = std::fs::DirBuilder::new();
        match builder.recursive(true).mode(0o700).create(&cache) {
            Ok(()) => Some(cache),
            Err(error) => {
                let error = Error::io("make", &cache, error);
                self.warnings
                    .push(format!("fetched inputs are not kept: {error}"));
                None
            }
        }
    }
}

/// What to tell of an evaluation without a sandbox, if it may be done.
fn without(sandbox: SandboxChoice, error: &Error) -> Result<String, Error> {
    let hint = error
        .hint()
        .unwrap_or("install bubblewrap and allow user namespaces on the worker");
    if sandbox == SandboxChoice::Required {
        return Err(Error::Nix {
            message: format!("cannot evaluate in a sandbox: {error}"),
            hint: Some(format!("{hint}; or set `eval_sandbox` to `auto`")),
        });
    }
    Ok(format!(
        "the evaluation ran without a sandbox: {error}; {hint}, or set `eval_sandbox` to `off`"
    ))
}

/// Writes what is made for the evaluators, and tells where they see it.
fn ours(scratch: &Path, daemon: &Daemon) -> io::Result<[(PathBuf, PathBuf); 4]> {
    let (user, group) = (
        rustix::process::getuid().as_raw(),
        rustix::process::getgid().as_raw(),
    );
    let passwd = scratch.join("passwd");
    let groups = scratch.join("group");
    std::fs::write(
        &passwd,
        format!("evaluator:x:{user}:{group}::{HOME}:/bin/sh\n"),
    )?;
    std::fs::write(&groups, format!("evaluator:x:{group}:\n"))?;
    let inside = |name: &str| Path::new(OURS).join(name);
    // The socket's folder, not the socket: a daemon that starts again makes a new one.
    let store = daemon.socket.parent().unwrap_or(scratch).to_owned();
    Ok([
        (store, inside("store")),
        (scratch.join("data"), inside("data")),
        (passwd, "/etc/passwd".into()),
        (groups, "/etc/group".into()),
    ])
}

/// Has Nix say its version from inside `view`.
fn try_out(view: &View) -> Result<String, Error> {
    let command = view.command(CommandSpec::new("nix").args(["--version"]));
    let captured = capture(&command, b"", LIMIT)?;
    if captured.status.success() {
        return Ok(tools::last_word(&captured));
    }
    let words = String::from_utf8_lossy(&captured.stderr);
    let words = text::clean(&words);
    let last = words.lines().next_back().unwrap_or_default();
    Err(Error::Nix {
        message: format!(
            "bubblewrap with `nix --version` ended with {}: {last}",
            describe_exit(captured.status)
        ),
        hint: None,
    })
}
