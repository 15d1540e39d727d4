//! The command `buildbot-nix`; everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    buildbot_nix_cli::main(std::env::args_os())
}
