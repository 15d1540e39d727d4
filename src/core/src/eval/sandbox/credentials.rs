//! What evaluators may use for private inputs: a folder that the master made for one evaluation.

use std::fmt::Write as _;
use std::fs::Permissions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::host;
use super::view::{HOME, OURS};
use crate::error::Error;
use crate::process;

/// A netrc file.
pub const NETRC: &str = "netrc";
/// The value of Nix's setting `access-tokens`.
pub const ACCESS_TOKENS: &str = "access-tokens";
/// Settings of Nix that are ours.
const SETTINGS: &str = "nix.conf";
/// No list of tokens is longer.
const TOKENS_MAX: u64 = 1 << 20;

/// Secrets of one evaluation. Their folder is removed with this value.
#[derive(Debug)]
pub(in super::super) struct Credentials {
    folder: PathBuf,
    /// What evaluators have to see: where it is, and where they find it.
    pub(super) seen: Vec<(PathBuf, PathBuf)>,
}

impl Credentials {
    /// Takes over `folder`.
    pub(in super::super) fn open(folder: &Path) -> Result<Self, Error> {
        Self::beside(folder, &host::settings_directory(&process::environment()))
    }

    /// Where evaluators find Nix's settings.
    pub(super) fn settings_directory() -> PathBuf {
        Path::new(OURS).join("settings")
    }

    /// Writes settings for Nix that go on where those of the machine in `settings` end.
    ///
    /// These are settings of the system to Nix, not of the user: the latter are sent to its daemon,
    /// which has no use for the file and complains.
    fn beside(folder: &Path, settings: &Path) -> Result<Self, Error> {
        let io = |error| Error::io("read the credentials in", folder, error);
        let mut credentials = Self {
            folder: folder.canonicalize().map_err(io)?,
            seen: Vec::new(),
        };
        let permissions = Permissions::from_mode(0o700);
        std::fs::set_permissions(&credentials.folder, permissions).map_err(io)?;
        credentials.seen = credentials.share(settings)?;
        Ok(credentials)
    }

    fn share(&self, settings: &Path) -> Result<Vec<(PathBuf, PathBuf)>, Error> {
        let tokens = self.tokens()?;
        let netrc = self.folder.join(NETRC);
        let has_netrc = netrc.exists();
        let inside = Self::settings_directory();
        let mut text = format!("!include {}\n", settings.join(SETTINGS).display());
        if has_netrc {
            let _ = writeln!(text, "netrc-file = {}", inside.join(NETRC).display());
        }
        if !tokens.is_empty() {
            let _ = writeln!(text, "extra-access-tokens = {}", tokens.join(" "));
        }
        let file = self.folder.join(SETTINGS);
        write_secret(&file, &text).map_err(|error| Error::io("write", &file, error))?;
        let mut shared = vec![(file, inside.join(SETTINGS))];
        let registry = settings.join("registry.json");
        if let Ok(registry) = registry.canonicalize() {
            shared.push((registry, inside.join("registry.json")));
        }
        if has_netrc {
            shared.push((netrc.clone(), inside.join(NETRC)));
            // Git does not know Nix's setting.
            shared.push((netrc, Path::new(HOME).join(".netrc")));
        }
        Ok(shared)
    }

    /// The tokens, `<host>=<token>` each.
    fn tokens(&self) -> Result<Vec<String>, Error> {
        let file = self.folder.join(ACCESS_TOKENS);
        let mut text = String::new();
        match std::fs::File::open(&file) {
            Ok(file) => file.take(TOKENS_MAX).read_to_string(&mut text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
        .map_err(|error| Error::io("read the access tokens in", &file, error))?;
        let tokens: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        // Nix would take the rest of the line for a comment.
        let is_token = |token: &String| token.contains('=') && !token.contains('#');
        if tokens.iter().all(is_token) {
            return Ok(tokens);
        }
        // The words may be secrets, so they are not shown.
        Err(Error::Nix {
            message: "the file of access tokens is not understood".to_owned(),
            hint: Some(
                "write it as Nix's `access-tokens`: `<host>=<token>`, with blanks or new lines \
                 between, and no `#`"
                    .to_owned(),
            ),
        })
    }
}

impl Drop for Credentials {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn write_secret(file: &Path, text: &str) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Credentials, Error>) {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("of run");
        std::fs::create_dir(&folder).unwrap();
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let credentials = Credentials::beside(&folder, Path::new("/etc/nix"));
        (parent, credentials)
    }

    #[test]
    fn settings_go_on_where_those_of_the_machine_end() {
        let files = [
            (NETRC, "machine a password b\n"),
            (ACCESS_TOKENS, "a.org=1\n  b.org=PAT:2\nsubstituters=x\n"),
        ];
        let (parent, credentials) = opened(&files);
        let credentials = credentials.unwrap();
        let shared = &credentials.seen;
        let inside = shared
            .iter()
            .map(|(_, inside)| inside.display().to_string());
        let inside: Vec<String> = inside.collect();
        assert_eq!(
            inside,
            [
                "/run/buildbot-nix/settings/nix.conf",
                "/run/buildbot-nix/settings/netrc",
                "/home/evaluator/.netrc",
            ]
        );
        insta::assert_snapshot!(std::fs::read_to_string(&shared[0].0).unwrap(), @r"
        !include /etc/nix/nix.conf
        netrc-file = /run/buildbot-nix/settings/netrc
        extra-access-tokens = a.org=1 b.org=PAT:2 substituters=x
        ");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&shared[0].0), 0o600);
        assert_eq!(mode(&parent.path().join("of run")), 0o700);
        drop(credentials);
        assert!(!parent.path().join("of run").exists());
    }

    #[test]
    fn tokens_that_are_none_are_not_shown() {
        for text in ["hunter2", "a.org=hunter2#x", "a.org=1 hunter2"] {
            let (parent, credentials) = opened(&[(ACCESS_TOKENS, text)]);
            let error = credentials.unwrap_err();
            assert!(!parent.path().join("of run").exists());
            let shown = format!("{error} {error:?} {:?}", error.hint());
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
