//! `attic push`, <https://docs.attic.rs/reference/attic-cli.html>: servers and tokens are in
//! `$XDG_CONFIG_HOME/attic/config.toml`.

use super::scratch::Scratch;
use super::secret::ATTIC_TOKEN;
use super::target::Backend;
use crate::error::Error;
use crate::nix::StorePath;
use crate::process::CommandSpec;

/// What the server is called in the configuration file.
const SERVER: &str = "ci";

pub(super) struct Attic<'t> {
    pub(super) server_url: &'t str,
    pub(super) cache: &'t str,
}

impl Backend for Attic<'_> {
    fn program(&self) -> &'static str {
        "attic"
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
        let mut server = toml::Table::new();
        server.insert("endpoint".to_owned(), self.server_url.into());
        if let Some(token) = scratch.secret(ATTIC_TOKEN)? {
            server.insert("token".to_owned(), token.expose().clone().into());
        }
        let servers = toml::Table::from_iter([(SERVER.to_owned(), server.into())]);
        let config = toml::Table::from_iter([
            ("default-server".to_owned(), SERVER.into()),
            ("servers".to_owned(), servers.into()),
        ]);
        scratch.write("config/attic/config.toml", &config.to_string())?;
        let mut command = CommandSpec::new(self.program())
            .env("XDG_CONFIG_HOME", scratch.path("config"))
            .args(["push"]);
        if !closure {
            command = command.args(["--no-closure"]);
        }
        let cache = format!("{SERVER}:{}", self.cache);
        Ok(command
            .args([cache.as_str()])
            .args(paths.iter().map(StorePath::as_str)))
    }
}
