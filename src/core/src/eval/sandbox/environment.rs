//! The environment inside.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::view::HOME;

/// Variables that come in as they are. Those of Nix that name files of the user do not.
const NAMES: [&str; 11] = [
    "LANG",
    "LOCALE_ARCHIVE",
    "TERM",
    "SSL_CERT_FILE",
    "NIX_SSL_CERT_FILE",
    "NIX_CONF_DIR",
    "NIX_STORE_DIR",
    "NIX_STATE_DIR",
    "NIX_LOG_DIR",
    "NO_PROXY",
    "no_proxy",
];
/// Settings of Nix that hold secrets, or name files that do.
const SECRET_SETTINGS: [&str; 3] = ["access-tokens", "netrc-file", "secret-key-files"];

/// What an evaluator gets of `outer`, and what is different inside.
pub(super) fn inner(
    outer: &BTreeMap<OsString, OsString>,
    path: OsString,
    ours: impl IntoIterator<Item = (&'static str, OsString)>,
) -> BTreeMap<OsString, OsString> {
    let mut inner: BTreeMap<OsString, OsString> = outer
        .iter()
        .filter(|(name, _)| name.to_str().is_some_and(is_allowed))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if let Some(config) = outer.get(OsStr::new("NIX_CONFIG")) {
        inner.insert("NIX_CONFIG".into(), without_secrets(config).into());
    }
    inner.insert("PATH".into(), path);
    for (name, value) in [
        ("HOME", HOME),
        ("USER", "evaluator"),
        ("LOGNAME", "evaluator"),
        ("TMPDIR", "/tmp"),
    ] {
        inner.insert(name.into(), value.into());
    }
    inner.extend(ours.into_iter().map(|(name, value)| (name.into(), value)));
    inner
}

fn is_allowed(name: &str) -> bool {
    let is_proxy = name.to_ascii_lowercase().ends_with("_proxy");
    NAMES.contains(&name) || name.starts_with("LC_") || is_proxy
}

/// Settings of Nix without those that are secret, and without those from files that are not there.
fn without_secrets(config: &OsStr) -> String {
    let config = config.to_string_lossy();
    let is_harmless = |line: &&str| {
        let key = line.split('=').next().unwrap_or_default().trim();
        let word = key.split_ascii_whitespace().next().unwrap_or_default();
        let key = key.strip_prefix("extra-").unwrap_or(key);
        !SECRET_SETTINGS.contains(&key) && !matches!(word, "include" | "!include")
    };
    let lines: Vec<&str> = config.lines().filter(is_harmless).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_needed_comes_in() {
        let outer = [
            ("HOME", "/home/me"),
            ("PATH", "/secret/bin"),
            ("NIX_SSHOPTS", "-i /home/me/key"),
            ("NIX_USER_CONF_FILES", "/home/me/nix.conf"),
            ("XDG_CONFIG_HOME", "/home/me/.config"),
            ("LC_ALL", "C"),
            ("https_proxy", "http://proxy"),
            (
                "NIX_CONFIG",
                "cores = 1\naccess-tokens = github.com=x\nextra-access-tokens= a=b\n!include /x",
            ),
        ];
        let outer = outer.map(|(name, value)| (name.into(), value.into()));
        let inner = inner(
            &BTreeMap::from(outer),
            "/usr/bin".into(),
            [("NIX_REMOTE", "unix:///x".into())],
        );
        let text: Vec<String> = inner
            .iter()
            .map(|(name, value)| format!("{}={}", name.display(), value.display()))
            .collect();
        insta::assert_snapshot!(text.join("\n"), @r"
        HOME=/home/evaluator
        LC_ALL=C
        LOGNAME=evaluator
        NIX_CONFIG=cores = 1
        NIX_REMOTE=unix:///x
        PATH=/usr/bin
        TMPDIR=/tmp
        USER=evaluator
        https_proxy=http://proxy
        ");
    }
}
