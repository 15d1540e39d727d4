use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use super::environment;

/// A command as a value: nothing is started. Its [`fmt::Display`] can be pasted into a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSpec {
    /// The program, looked up on PATH unless it contains a slash, and its arguments.
    pub argv: Vec<OsString>,
    /// The child's whole environment. Not part of what is displayed.
    pub environment: BTreeMap<OsString, OsString>,
    /// Where it runs, `None` for where this process is.
    pub directory: Option<PathBuf>,
    /// Whether the program is bubblewrap: it ends with this process, what it runs is its only
    /// grandchild, and it tells of a signal as shells do, by an exit status above 128.
    pub is_sandboxed: bool,
}

impl CommandSpec {
    /// A command without arguments, with the [`environment`] that children get.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            argv: vec![program.into()],
            environment: environment(),
            directory: None,
            is_sandboxed: false,
        }
    }

    /// The same with more arguments.
    #[must_use]
    pub fn args<I>(mut self, arguments: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        self.argv.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// The same with a variable in its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// The same, run in `directory`.
    #[must_use]
    pub fn in_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// The program's name.
    pub fn program(&self) -> &OsStr {
        self.argv
            .first()
            .map_or(OsStr::new(""), OsString::as_os_str)
    }

    pub(super) fn command(&self) -> std::process::Command {
        let mut command = std::process::Command::new(self.program());
        command
            .args(self.argv.iter().skip(1))
            .env_clear()
            .envs(&self.environment);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }
}

impl fmt::Display for CommandSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(directory) = &self.directory {
            write!(formatter, "cd {} && ", quoted(directory.as_os_str()))?;
        }
        for (index, word) in self.argv.iter().enumerate() {
            if index > 0 {
                formatter.write_str(" ")?;
            }
            formatter.write_str(&quoted(word))?;
        }
        Ok(())
    }
}

/// `word` so that a POSIX shell reads it as one word.
pub fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,+@%^".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_displayed_can_be_pasted() {
        let command = CommandSpec::new("nix")
            .args(["build", "/nix/store/x.drv^*", "", "it's `$HOME`"])
            .in_directory("/tmp/a b");
        assert_eq!(
            command.to_string(),
            r"cd '/tmp/a b' && nix build '/nix/store/x.drv^*' '' 'it'\''s `$HOME`'"
        );
    }
}
