//! `niks3 push`, <https://github.com/Mic92/niks3>: server and file of the token are in its
//! environment, and it uploads closures.

use super::scratch::Scratch;
use super::secret::NIKS3_AUTH_TOKEN;
use super::target::Backend;
use crate::error::Error;
use crate::nix::StorePath;
use crate::process::CommandSpec;

pub(super) struct Niks3<'t> {
    pub(super) server_url: &'t str,
}

impl Backend for Niks3<'_> {
    fn program(&self) -> &'static str {
        "niks3"
    }

    fn takes_single_paths(&self) -> bool {
        false
    }

    fn push(&self, paths: &[StorePath], _: bool, scratch: &Scratch) -> Result<CommandSpec, Error> {
        let mut command = CommandSpec::new(self.program())
            .env("NIKS3_SERVER_URL", self.server_url.trim_end_matches('/'))
            .args(["push"]);
        if let Some(file) = scratch.secret_file(NIKS3_AUTH_TOKEN) {
            command = command.env("NIKS3_AUTH_TOKEN_FILE", file);
        }
        Ok(command.args(paths.iter().map(StorePath::as_str)))
    }
}
