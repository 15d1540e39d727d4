use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{Exit, output};

/// Print shell completions
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  buildbot-nix completions bash > ~/.local/share/bash-completion/completions/buildbot-nix
  buildbot-nix completions fish > ~/.config/fish/completions/buildbot-nix.fish
  buildbot-nix completions zsh > ~/.zfunc/_buildbot-nix")]
pub(crate) struct Arguments {
    /// The shell to complete in
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    let mut command = crate::Arguments::command();
    // Into memory first: the generator panics when it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "buildbot-nix", &mut script);
    output::say(&String::from_utf8_lossy(&script))
}
