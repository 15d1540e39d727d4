//! Where the daemon is.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::process::CommandSpec;

/// The socket of the daemon that `nix` itself might use, by the variables that it looks at. `None`
/// if the store is something else, which only Nix knows how to open.
pub(super) fn socket(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let remote = variable("NIX_REMOTE").unwrap_or_default();
    let remote = remote.to_str()?;
    if let Some(path) = remote.strip_prefix("unix://") {
        let is_plain = path.starts_with('/') && !path.contains(['?', '%']);
        return is_plain.then(|| path.into());
    }
    if !matches!(remote, "" | "auto" | "daemon") {
        return None;
    }
    if let Some(path) = variable("NIX_DAEMON_SOCKET_PATH") {
        return Some(path.into());
    }
    let state = variable("NIX_STATE_DIR").unwrap_or_else(|| "/nix/var/nix".into());
    Some(PathBuf::from(state).join("daemon-socket/socket"))
}

/// What takes the daemon's place where there is none. With a daemon in another place it only
/// passes on what is said.
pub(super) fn command() -> CommandSpec {
    CommandSpec::new("nix-daemon").args(["--stdio"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket_with(variables: &[(&str, &str)]) -> Option<String> {
        let find = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(OsString::from(found.1))
        };
        socket(find).map(|path| path.display().to_string())
    }

    #[test]
    fn the_socket_is_where_nix_looks() {
        for (variables, path) in [
            (&[][..], Some("/nix/var/nix/daemon-socket/socket")),
            (&[("NIX_STATE_DIR", "/s")], Some("/s/daemon-socket/socket")),
            (
                &[("NIX_DAEMON_SOCKET_PATH", "/x"), ("NIX_REMOTE", "daemon")],
                Some("/x"),
            ),
            (&[("NIX_REMOTE", "unix:///a/b")], Some("/a/b")),
            (&[("NIX_REMOTE", "unix:///a?root=/b")], None),
            (&[("NIX_REMOTE", "unix://a")], None),
            (&[("NIX_REMOTE", "local")], None),
            (&[("NIX_REMOTE", "ssh-ng://a")], None),
        ] {
            assert_eq!(socket_with(variables).as_deref(), path, "{variables:?}");
        }
    }
}
