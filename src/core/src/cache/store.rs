//! `nix copy --to`: binary caches in S3, behind HTTP or in a folder, and other Nix stores.

use std::fmt::Write as _;

use super::scratch::Scratch;
use super::secret::{AWS_CREDENTIALS, NETRC, SIGNING_KEY, SSH_KEY};
use super::target::Backend;
use crate::error::Error;
use crate::nix::StorePath;
use crate::process::CommandSpec;

pub(super) struct Store<'t> {
    pub(super) url: &'t str,
}

impl Backend for Store<'_> {
    fn program(&self) -> &'static str {
        "nix"
    }

    fn takes_single_paths(&self) -> bool {
        true
    }

    fn push(
        &self,
        paths: &[StorePath],
        closure: bool,
        scratch: &Scratch,
    ) -> Result<CommandSpec, Error> {
        let mut url = self.url.to_owned();
        let mut parameter = |name: &str, value: &std::path::Path| {
            let sign = if url.contains('?') { '&' } else { '?' };
            let _ = write!(url, "{sign}{name}={}", value.display());
        };
        // The key signs what is uploaded; Nix reads the file.
        if let Some(file) = scratch.secret_file(SIGNING_KEY) {
            parameter("secret-key", file);
        }
        if let Some(file) = scratch.secret_file(SSH_KEY) {
            parameter("ssh-key", file);
        }
        let mut command = CommandSpec::new(self.program()).args([
            "--extra-experimental-features",
            "nix-command",
            "copy",
            "--to",
            url.as_str(),
        ]);
        if !closure {
            command = command.args(["--no-recursive"]);
        }
        if let Some(file) = scratch.secret_file(NETRC) {
            command = command
                .args(["--option", "netrc-file"])
                .args([file.as_os_str()]);
        }
        if let Some(file) = scratch.secret_file(AWS_CREDENTIALS) {
            command = command.env("AWS_SHARED_CREDENTIALS_FILE", file);
        }
        Ok(command.args(paths.iter().map(StorePath::as_str)))
    }
}
