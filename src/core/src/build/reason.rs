//! The one place where Nix's prose is read: it has no code for how a builder ended.
//!
//! Everything here degrades to "failed": a text of a newer Nix that is not understood is shown as
//! it is. That something failed, and what, is decided on data elsewhere.

use std::borrow::Cow;

use signal_hook::low_level::signal_name;

/// How a builder ended, as a predicate ("the builder …"), from Nix's error about it.
///
/// Nix 2.26: "builder for '/nix/store/….drv' failed with exit code 3", "… failed due to signal 9
/// (Killed)"; since 2.32 the same words behind "Cannot build '/nix/store/….drv'.\n Reason:".
pub(super) fn builder_end(error: &str) -> Option<String> {
    if let Some(signal) = number_behind(error, KILLED) {
        return Some(format!("was killed by {}", signal_text(signal)));
    }
    let status = number_behind(error, ENDED)?;
    Some(match killer_of_command(status) {
        Some(signal) => {
            let signal = signal_text(signal);
            format!("ended with exit status {status}, a command in it was killed by {signal}")
        }
        None => format!("ended with exit status {status}"),
    })
}

/// Whether Nix's error says that the builder, or the last command in it, was killed by SIGKILL.
/// Nobody but the kernel, for lack of memory, does that to what exceeds no limit.
pub(super) fn is_out_of_memory(error: &str) -> bool {
    let killed = number_behind(error, KILLED);
    let signal = killed.or_else(|| killer_of_command(number_behind(error, ENDED)?));
    signal.and_then(signal_name) == Some("SIGKILL")
}

/// Whether Nix's error is what the remote builder `machine` said of the derivation `drv`: "build of
/// '…' on '…' failed: …". Without one, the way there or back broke, and Nix reports the exit status
/// of its own helper as that of the builder.
pub(super) fn is_word_of(error: &str, machine: &str, drv: &str) -> bool {
    error.contains(machine) && error.contains(drv)
}

/// Whether Nix says that it cannot reach a remote builder: "cannot build on 'ssh://…': …".
pub(super) fn is_unreachable(error: &str) -> bool {
    error.contains("cannot build on '")
}

const KILLED: &str = "failed due to signal ";
const ENDED: &str = "failed with exit code ";

/// A shell ends with 128 and the number of the signal that killed its last command.
fn killer_of_command(status: i32) -> Option<i32> {
    (129..=192).contains(&status).then(|| status - 128)
}

/// An error of Nix without the lines of the builder that a daemon puts into it: they are in the
/// log already, and a builder can print anything.
pub(super) fn without_builder_lines(error: &str) -> Cow<'_, str> {
    let is_builders = |line: &str| line.trim_start().starts_with('>');
    let Some(first) = error.lines().position(is_builders) else {
        return Cow::Borrowed(error);
    };
    // "last 25 log lines:"
    let is_heading = |index: usize, line: &str| index + 1 == first && line.ends_with(':');
    let kept = error.lines().enumerate();
    let kept = kept.filter(|(index, line)| !is_builders(line) && !is_heading(*index, line));
    let kept: Vec<&str> = kept.map(|(_, line)| line).collect();
    Cow::Owned(kept.join("\n"))
}

/// Whether Nix says that there was no room. The first is the operating system's own text, the
/// second Nix's note when it found the disk full after a builder had failed.
pub(super) fn is_disk_full(error: &str) -> bool {
    error.contains("No space left on device") || error.contains("lack of free disk space")
}

/// Whether Nix says that no machine it may use is of the system, or has the features, that the
/// derivation asks for. Since 2.32 that counts as a failed build, although no builder ran; before,
/// it is "a '…' with features {…} is required to build '….drv', but I am a '…'".
pub(super) fn is_for_another_machine(error: &str) -> bool {
    without_builder_lines(error).lines().any(|line| {
        line.trim_start().starts_with("Required system: '")
            || line.contains(" is required to build '")
    })
}

/// A signal for people: SIGKILL is nearly always the kernel's answer to a lack of memory.
pub(super) fn signal_text(number: i32) -> String {
    match signal_name(number) {
        Some("SIGKILL") => "SIGKILL (out of memory?)".to_owned(),
        Some(name) => name.to_owned(),
        None => format!("signal {number}"),
    }
}

fn number_behind(text: &str, words: &str) -> Option<i32> {
    let (_, behind) = text.split_once(words)?;
    let end = behind.find(|character: char| !character.is_ascii_digit());
    behind.get(..end.unwrap_or(behind.len()))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    // Recorded from Nix 2.26.3.
    #[case(
        "error: builder for '/nix/store/5q7gssn1i5ksniwasym1cx0hjfpw2i1b-fail-1.drv' failed with exit code 3",
        "ended with exit status 3"
    )]
    #[case(
        "error: builder for '/nix/store/0ld64wyn3iciwd74f09v4mzh5938df5x-killed.drv' failed due to signal 9 (Killed)",
        "was killed by SIGKILL (out of memory?)"
    )]
    #[case(
        "error: builder for '/nix/store/0ld64wyn3iciwd74f09v4mzh5938df5x-killed.drv' failed due to signal 31 (Bad system call)",
        "was killed by SIGSYS"
    )]
    #[case(
        "error: builder for '/nix/store/0ld64wyn3iciwd74f09v4mzh5938df5x-sub.drv' failed with exit code 139",
        "ended with exit status 139, a command in it was killed by SIGSEGV"
    )]
    // Nix 2.32 and later.
    #[case(
        "error: Cannot build '/nix/store/5q7gssn1i5ksniwasym1cx0hjfpw2i1b-fail-1.drv'.\n       Reason: builder failed with exit code 1.\n       Output paths:\n",
        "ended with exit status 1"
    )]
    fn the_end_of_a_builder_is_named(#[case] error: &str, #[case] expected: &str) {
        assert_eq!(builder_end(error).unwrap(), expected);
    }

    #[rstest]
    #[case(
        "error: hash mismatch in fixed-output derivation '/nix/store/rdvzcfg55ppvnpmd34y1ggv1967xnf4d-fod.drv':"
    )]
    #[case("failed with exit code ")]
    #[case("failed due to signal 99999999999999")]
    fn other_errors_speak_for_themselves(#[case] error: &str) {
        assert_eq!(builder_end(error), None);
    }

    #[rstest]
    // Recorded from Nix 2.34.8.
    #[case(
        "error: Cannot build '/nix/store/23h4hxxajkl6vxk8krgks7vadsp4q6x3-x.drv'.\n       Reason: platform mismatch\n       Required system: 'riscv64-linux'\n       Current system: 'x86_64-linux'",
        true
    )]
    #[case(
        "error: Cannot build '/nix/store/x-a.drv'.\n       Reason: builder failed with exit code 1.\n       Last 1 log lines:\n       > Required system: 'a'",
        false
    )]
    fn a_derivation_for_another_machine_is_told(#[case] error: &str, #[case] expected: bool) {
        assert_eq!(is_for_another_machine(error), expected);
    }

    #[rstest]
    #[case(
        "error: builder for '/nix/store/x-a.drv' failed due to signal 9 (Killed)",
        true
    )]
    #[case(
        "error: builder for '/nix/store/x-a.drv' failed with exit code 137",
        true
    )]
    #[case(
        "error: builder for '/nix/store/x-a.drv' failed due to signal 11 (Segmentation fault)",
        false
    )]
    #[case(
        "error: builder for '/nix/store/x-a.drv' failed with exit code 9",
        false
    )]
    #[case(
        "error: builder for '/nix/store/x-a.drv' failed with exit code 143",
        false
    )]
    fn a_lack_of_memory_is_told(#[case] error: &str, #[case] expected: bool) {
        assert_eq!(is_out_of_memory(error), expected);
    }

    #[test]
    fn what_the_builder_said_is_not_what_nix_says() {
        // As a daemon of Nix 2.26.3 has it, with fewer lines.
        let error = "error: builder for '/nix/store/x-failure-1.drv' failed with exit code 3;\n       \
            last 2 log lines:\n       > line 39\n       > No space left on device\n       \
            For full logs, run:\n         nix log /nix/store/x-failure-1.drv";
        assert_eq!(
            without_builder_lines(error),
            "error: builder for '/nix/store/x-failure-1.drv' failed with exit code 3;\n       \
            For full logs, run:\n         nix log /nix/store/x-failure-1.drv"
        );
        assert_eq!(without_builder_lines("error: a:\n  b"), "error: a:\n  b");
    }

    #[test]
    fn a_full_disk_is_recognised() {
        assert!(is_disk_full(
            "error: writing to file: No space left on device"
        ));
        assert!(is_disk_full(
            "error: builder for 'x' failed with exit code 1\nnote: build failure may have been caused by lack of free disk space"
        ));
        assert!(!is_disk_full(
            "error: builder for 'x' failed with exit code 1"
        ));
    }
}
