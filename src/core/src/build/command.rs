//! Command lines as values.

use std::path::Path;
use std::time::Duration;

use super::request::Request;
use crate::nix::DrvPath;
use crate::process::CommandSpec;

/// Builds the derivation, and protects it while Nix still holds it if there is a `gc_root`.
///
/// Nothing is evaluated, so that nothing of a flake's own settings can matter.
pub(super) fn build(request: &Request, gc_root: Option<&Path>) -> CommandSpec {
    let command = CommandSpec::new("nix").args([
        "build",
        "--extra-experimental-features",
        "nix-command flakes",
        "--log-format",
        "internal-json",
        "-v",
        "--json",
        // Independent parts of the closure are built although one failed: the next run needs them
        // too.
        "--option",
        "keep-going",
        "true",
        // Builds that run at once share dependencies; the default is to look every five seconds
        // whether the other one is done.
        "--option",
        "build-poll-interval",
        "1",
    ]);
    let command = match gc_root {
        Some(root) => command.args(["--out-link".as_ref(), root.as_os_str()]),
        None => command.args(["--no-link"]),
    };
    let command = limit(command, "--timeout", request.timeout);
    let command = limit(command, "--max-silent-time", request.max_silent);
    let command = if request.show_trace {
        command.args(["--show-trace"])
    } else {
        command
    };
    command.args([format!("{}^*", request.drv_path)])
}

fn limit(command: CommandSpec, option: &str, value: Option<Duration>) -> CommandSpec {
    // Zero would mean "no limit" to Nix.
    let seconds = value.map(|value| value.as_secs().max(1).to_string());
    match seconds {
        Some(seconds) => command.args([option, &seconds]),
        None => command,
    }
}

/// Lists those of `paths` that the store does not have.
pub(super) fn print_invalid<'a>(paths: impl IntoIterator<Item = &'a str>) -> CommandSpec {
    CommandSpec::new("nix-store")
        .args(["--check-validity", "--print-invalid"])
        .args(paths)
}

/// Options with which Nix neither builds nor fetches.
const OFFLINE: [&str; 8] = [
    "--option",
    "substitute",
    "false",
    "--option",
    "builders",
    "",
    "--max-jobs",
    "0",
];

/// Protects paths that are all in the store by links `<link>`, `<link>-1` and so on.
pub(super) fn add_roots(paths: &[&str], link: &Path) -> CommandSpec {
    CommandSpec::new("nix")
        .args(["--extra-experimental-features", "nix-command", "build"])
        .args(OFFLINE)
        .args(["--out-link".as_ref(), link.as_os_str()])
        .args(paths)
}

/// Protects the outputs of a derivation that are all in the store. Neither builds nor fetches.
pub(super) fn add_root(drv: &DrvPath, gc_root: &Path) -> CommandSpec {
    CommandSpec::new("nix-store")
        .args(["--realise", drv.as_str()])
        .args(OFFLINE)
        .args(["--add-root".as_ref(), gc_root.as_os_str()])
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRV: &str = "/nix/store/g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-hello.drv";

    #[test]
    fn a_plain_build() {
        let request = Request::new(DRV.parse().unwrap());
        insta::assert_snapshot!(build(&request, None), @"nix build --extra-experimental-features 'nix-command flakes' --log-format internal-json -v --json --option keep-going true --option build-poll-interval 1 --no-link '/nix/store/g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-hello.drv^*'");
    }

    #[test]
    fn a_build_with_everything() {
        let mut request = Request::new(DRV.parse().unwrap());
        request.timeout = Some(Duration::from_secs(3600));
        request.max_silent = Some(Duration::from_millis(1));
        request.show_trace = true;
        let command = build(&request, Some(Path::new("/roots/a b")));
        insta::assert_snapshot!(command, @"nix build --extra-experimental-features 'nix-command flakes' --log-format internal-json -v --json --option keep-going true --option build-poll-interval 1 --out-link '/roots/a b' --timeout 3600 --max-silent-time 1 --show-trace '/nix/store/g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-hello.drv^*'");
    }

    #[test]
    fn questions_to_the_store() {
        insta::assert_snapshot!(print_invalid(["/nix/store/a", "/nix/store/b"]), @"nix-store --check-validity --print-invalid /nix/store/a /nix/store/b");
        insta::assert_snapshot!(add_root(&DRV.parse().unwrap(), Path::new("/r")), @"nix-store --realise /nix/store/g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-hello.drv --option substitute false --option builders '' --max-jobs 0 --add-root /r");
    }
}
