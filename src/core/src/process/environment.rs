use std::collections::BTreeMap;
use std::ffi::OsString;

/// Variables that Nix and the programs it calls need. All others stay away from evaluators and
/// builders: a worker's environment holds passwords and tokens, and a flake can make Nix run
/// programs (builders, git).
const NAMES: [&str; 14] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LOCALE_ARCHIVE",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TERM",
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "all_proxy",
    "no_proxy",
];
const PREFIXES: [&str; 3] = ["LC_", "NIX_", "XDG_"];

/// The part of this process's environment that children get.
pub fn environment() -> BTreeMap<OsString, OsString> {
    std::env::vars_os()
        .filter(|(name, _)| name.to_str().is_some_and(is_allowed))
        .collect()
}

fn is_allowed(name: &str) -> bool {
    let is_proxy = name.to_ascii_lowercase().ends_with("_proxy");
    NAMES.contains(&name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || (is_proxy && NAMES.contains(&name.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_names_pass() {
        for name in ["PATH", "NIX_REMOTE", "LC_ALL", "HTTPS_PROXY", "no_proxy"] {
            assert!(is_allowed(name), "{name}");
        }
        for name in [
            "SSH_AUTH_SOCK",
            "GITHUB_TOKEN",
            "path",
            "AWS_SECRET_ACCESS_KEY",
            "SECRET_PROXY",
            "LD_PRELOAD",
        ] {
            assert!(!is_allowed(name), "{name}");
        }
    }
}
