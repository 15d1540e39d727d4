use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::secret;
use crate::error::Error;
use crate::secret::Secret;

const ALL: [&str; 8] = [
    secret::CACHIX_AUTH_TOKEN,
    secret::CACHIX_SIGNING_KEY,
    secret::ATTIC_TOKEN,
    secret::NIKS3_AUTH_TOKEN,
    secret::SIGNING_KEY,
    secret::NETRC,
    secret::AWS_CREDENTIALS,
    secret::SSH_KEY,
];

/// A folder that only its owner can read and that is removed with everything in it, and the
/// secrets of one cache.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: tempfile::TempDir,
    /// Absolute paths of the files with secrets.
    files: Vec<(&'static str, PathBuf)>,
}

impl Scratch {
    /// With the secrets in the folder `secrets`, if there is one.
    pub(super) fn new(secrets: Option<&Path>) -> Result<Self, Error> {
        let folder = tempfile::Builder::new()
            .prefix("buildbot-nix-upload-")
            .tempdir()
            .map_err(|error| Error::io("make a folder in", std::env::temp_dir(), error))?;
        let mut files = Vec::new();
        if let Some(secrets) = secrets {
            let secrets = fs::canonicalize(secrets)
                .map_err(|error| Error::io("find the folder of secrets", secrets, error))?;
            let found = ALL.into_iter().map(|name| (name, secrets.join(name)));
            files.extend(found.filter(|(_, file)| file.exists()));
        }
        Ok(Self { folder, files })
    }

    /// The file with a secret, if there is one.
    pub(super) fn secret_file(&self, name: &str) -> Option<&Path> {
        let mut files = self.files.iter();
        let (_, file) = files.find(|(known, _)| *known == name)?;
        Some(file)
    }

    /// The secret, without white space around it.
    pub(super) fn secret(&self, name: &str) -> Result<Option<Secret<String>>, Error> {
        let Some(file) = self.secret_file(name) else {
            return Ok(None);
        };
        let text = fs::read_to_string(file).map_err(|error| Error::io("read", file, error))?;
        Ok(Some(Secret::new(text.trim().to_owned())))
    }

    /// A path in the folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that only its owner can read.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.path(name);
        let write = || {
            if let Some(parent) = path.parent() {
                fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(parent)?;
            }
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            options.open(&path)?.write_all(text.as_bytes())
        };
        write().map_err(|error| Error::io("write", &path, error))
    }

    /// `text` without the secrets: a tool may repeat them in an error.
    pub(super) fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, _) in &self.files {
            if let Ok(Some(secret)) = self.secret(name) {
                let lines = secret.expose().lines().map(str::trim);
                for line in lines.filter(|line| line.len() >= SHORTEST) {
                    text = text.replace(line, "***");
                }
            }
        }
        text
    }
}

/// Shorter texts in a file of secrets are words like `default`.
const SHORTEST: usize = 8;
