use crate::error::Error;
use crate::process::Captured;

/// Why a try did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Perhaps because of what earlier runs left on this machine: worth a try without that.
    Local(Error),
    /// It will be the same the next time.
    Final(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// The source's fault: what was asked for does not exist, or cannot be merged.
pub(super) fn refused(message: String, hint: Option<&str>) -> Failure {
    Failure::Final(Error::Eval {
        message,
        hint: hint.map(str::to_owned),
    })
}

/// The fault of this machine, the network or the server.
pub(super) fn trouble(message: String) -> Error {
    Error::Nix {
        message,
        hint: None,
    }
}

/// `what` failed here, with git's reason.
pub(super) fn local(what: &str, captured: &Captured) -> Failure {
    Failure::Local(trouble(format!("{what}: {}", reason(captured))))
}

/// git's own reason, for people: its last complaint.
pub(super) fn reason(captured: &Captured) -> String {
    let text = String::from_utf8_lossy(&captured.stderr);
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let complaint = |line: &&str| line.starts_with("fatal: ") || line.starts_with("error: ");
    let line = lines().rfind(complaint).or_else(|| lines().next_back());
    let line = line.map(|line| {
        line.trim_start_matches("fatal: ")
            .trim_start_matches("error: ")
    });
    line.map_or_else(
        || {
            format!(
                "git ended with {}",
                crate::process::describe_exit(captured.status)
            )
        },
        |line| line.chars().take(300).collect(),
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    use super::*;

    #[rstest::rstest]
    #[case("remote: x\nfatal: no such thing\nPlease make sure\n", "no such thing")]
    #[case("Permission denied\n\n", "Permission denied")]
    #[case("", "git ended with exit status 1")]
    fn the_last_complaint_is_the_reason(#[case] stderr: &str, #[case] expected: &str) {
        let captured = Captured {
            status: ExitStatus::from_raw(1 << 8),
            stdout: Vec::new(),
            stderr: stderr.into(),
        };
        assert_eq!(reason(&captured), expected);
    }
}
