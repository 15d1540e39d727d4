//! `cachix push`, <https://docs.cachix.org/cli>: it reads its secrets from the environment, and always
//! uploads closures.

use super::scratch::Scratch;
use super::secret::{CACHIX_AUTH_TOKEN, CACHIX_SIGNING_KEY};
use super::target::Backend;
use crate::error::Error;
use crate::nix::StorePath;
use crate::process::CommandSpec;

pub(super) struct Cachix<'t> {
    pub(super) cache: &'t str,
}

impl Backend for Cachix<'_> {
    fn program(&self) -> &'static str {
        "cachix"
    }

    fn takes_single_paths(&self) -> bool {
        false
    }

    fn push(&self, paths: &[StorePath], _: bool, scratch: &Scratch) -> Result<CommandSpec, Error> {
        let mut command = CommandSpec::new(self.program()).args(["push", self.cache]);
        for (name, file) in [
            ("CACHIX_AUTH_TOKEN", CACHIX_AUTH_TOKEN),
            ("CACHIX_SIGNING_KEY", CACHIX_SIGNING_KEY),
        ] {
            if let Some(secret) = scratch.secret(file)? {
                command = command.env(name, secret.expose());
            }
        }
        Ok(command.args(paths.iter().map(StorePath::as_str)))
    }
}
