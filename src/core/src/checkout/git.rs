//! git's command lines, and the surroundings in which a stranger's repository does no harm.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::process::{Captured, CommandSpec, capture};

/// Settings that hold for every call, whatever the user's own configuration says.
const CONFIG: [(&str, &str); 12] = [
    // Nothing of the repository is run.
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    // The tree has to be what the commit says.
    ("core.autocrlf", "false"),
    ("core.sparseCheckout", "false"),
    ("core.splitIndex", "false"),
    ("core.logAllRefUpdates", "false"),
    // Packs are shared and counted, loose objects are not.
    ("fetch.unpackLimit", "1"),
    ("transfer.unpackLimit", "1"),
    // Submodules and maintenance have their own time.
    ("fetch.recurseSubmodules", "false"),
    ("submodule.recurse", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
];
/// Which certificates are trusted is the admin's to say; git alone reads these.
const INHERITED: [&str; 2] = ["GIT_SSL_CAINFO", "GIT_SSL_CAPATH"];

/// git for one repository.
#[derive(Debug, Clone)]
pub(super) struct Git {
    /// `None` lets git find it.
    repository: Option<PathBuf>,
    work_tree: Option<PathBuf>,
    environment: BTreeMap<OsString, OsString>,
    config: Vec<(OsString, OsString)>,
    deadline: Instant,
}

impl Git {
    /// git for the bare repository `repository`. Fetches with `protocols` only.
    pub(super) fn bare(repository: &Path, protocols: &str, deadline: Instant) -> Self {
        let mut environment = crate::process::environment();
        for name in INHERITED {
            if let Some(value) = std::env::var_os(name) {
                environment.insert(name.into(), value);
            }
        }
        let more = [
            // Nobody is there to answer.
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ALLOW_PROTOCOL", protocols),
            ("LC_ALL", "C.UTF-8"),
        ];
        environment.extend(more.map(|(name, value)| (name.into(), value.into())));
        Self {
            repository: Some(repository.to_owned()),
            work_tree: None,
            environment,
            config: CONFIG.map(|(key, value)| (key.into(), value.into())).into(),
            deadline,
        }
    }

    /// The same for the repository of the working tree `directory`.
    pub(super) fn in_tree(&self, directory: &Path) -> Self {
        Self {
            repository: Some(directory.join(".git")),
            work_tree: Some(directory.to_owned()),
            ..self.clone()
        }
    }

    /// The same for `git submodule`, which changes between repositories by itself.
    pub(super) fn finding_its_repository(self) -> Self {
        let Some(tree) = &self.work_tree else {
            return self;
        };
        let above = tree.parent().unwrap_or(tree).as_os_str().to_owned();
        Self {
            repository: None,
            ..self.variable("GIT_CEILING_DIRECTORIES", above)
        }
    }

    /// The same with another variable.
    pub(super) fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// The same with another setting. Not for secrets, though nobody else can read them there.
    pub(super) fn config(mut self, key: &str, value: impl Into<OsString>) -> Self {
        self.config.push((key.into(), value.into()));
        self
    }

    /// Runs `git <arguments>`.
    pub(super) fn run<I>(&self, arguments: I) -> Result<Captured, Error>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        capture(&self.command(arguments), b"", self.time_left())
    }

    /// The first line that `git <arguments>` prints, if it succeeds.
    pub(super) fn line<const N: usize>(
        &self,
        arguments: [&str; N],
    ) -> Result<Option<String>, Error> {
        let captured = self.run(arguments)?;
        let text = String::from_utf8_lossy(&captured.stdout);
        let line = text.lines().next().unwrap_or_default().to_owned();
        Ok(captured.status.success().then_some(line))
    }

    pub(super) fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    fn command<I>(&self, arguments: I) -> CommandSpec
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        let mut command = CommandSpec::new("git").args(arguments);
        command.environment = self.environment.clone();
        let mut set = |name: String, value: &OsStr| {
            command.environment.insert(name.into(), value.to_owned());
        };
        if let Some(repository) = &self.repository {
            set("GIT_DIR".to_owned(), repository.as_os_str());
        }
        // The environment outranks every file, unlike the command line it is nobody else's to
        // read, and what git itself starts inherits it.
        set(
            "GIT_CONFIG_COUNT".to_owned(),
            OsStr::new(&self.config.len().to_string()),
        );
        for (index, (key, value)) in self.config.iter().enumerate() {
            set(format!("GIT_CONFIG_KEY_{index}"), key);
            set(format!("GIT_CONFIG_VALUE_{index}"), value);
        }
        match (&self.work_tree, &self.repository) {
            (Some(directory), Some(_)) => {
                set("GIT_WORK_TREE".to_owned(), directory.as_os_str());
                command.in_directory(directory)
            }
            (Some(directory), None) => command.in_directory(directory),
            (None, _) => command,
        }
    }
}
