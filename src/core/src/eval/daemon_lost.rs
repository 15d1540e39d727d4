/// What Nix says, at the end of an error, when its daemon is gone: `src/libutil/unix-domain-socket.cc`
/// and `src/libstore/remote-store-connection.hh`.
const SAID: [&str; 2] = [
    "cannot connect to socket at '",
    "Nix daemon disconnected unexpectedly",
];

/// Whether `error` of an evaluator is about a daemon that is gone, not about the flake.
///
/// A flake can say the same; its evaluation is then begun again a few times, and fails.
pub(super) fn is_daemon_lost(error: &str) -> bool {
    let mut lines = error.lines().map(str::trim_start);
    lines.any(|line| {
        let said = line.strip_prefix("error: ").unwrap_or(line);
        SAID.iter().any(|text| said.starts_with(text))
    })
}

#[cfg(test)]
mod tests {
    use super::is_daemon_lost;

    #[rstest::rstest]
    #[case(
        "error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused",
        true
    )]
    #[case(
        "error:\n       … while evaluating\n\n       error: Nix daemon disconnected unexpectedly (maybe it crashed?)",
        true
    )]
    #[case("error: attribute 'x' is missing", false)]
    #[case("error: builder cannot connect to socket at 'x'", false)]
    fn the_daemons_end_is_told_from_others(#[case] error: &str, #[case] is_lost: bool) {
        assert_eq!(is_daemon_lost(error), is_lost);
    }
}
