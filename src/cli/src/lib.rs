//! The command line of buildbot-nix, for people and for Buildbot's workers.
//!
//! One file per subcommand: its arguments, and a `run` that calls the core and prints.

mod apply_patches;
mod build;
mod check;
mod check_config;
mod checkout;
mod completions;
mod eval;
mod exit;
mod failures;
mod forget;
mod init;
mod keep;
mod list_settings;
mod migrate;
mod output;
mod plan;
mod post_build;
mod projects;
mod release;
mod settings;
mod trace;
mod upload;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use exit::Exit;
pub use trace::show_requests;

/// Nix CI on Buildbot: evaluates a flake's checks and builds every one of them.
#[derive(Debug, Parser)]
#[command(name = "buildbot-nix", version, after_help = exit::HELP, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Arguments),
    ApplyPatches(apply_patches::Arguments),
    Migrate(migrate::Arguments),
    CheckConfig(check_config::Arguments),
    ListSettings(list_settings::Arguments),
    Plan(plan::Arguments),
    Projects(projects::Arguments),
    Check(check::Arguments),
    Checkout(checkout::Arguments),
    Eval(Box<eval::Arguments>),
    Build(build::Arguments),
    Keep(keep::Arguments),
    Release(release::Arguments),
    Forget(forget::Arguments),
    PostBuild(post_build::Arguments),
    Upload(upload::Arguments),
    Failures(failures::Arguments),
    Completions(completions::Arguments),
}

/// Runs the command line `arguments` (the program's name first) in this process.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    run(arguments).into()
}

/// Like [`main`], for callers that report the exit status themselves.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are "errors" with exit status 0 for clap.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Success
            };
        }
    };
    match arguments.command {
        Command::Init(arguments) => init::run(&arguments),
        Command::ApplyPatches(arguments) => apply_patches::run(&arguments),
        Command::Migrate(arguments) => migrate::run(&arguments),
        Command::CheckConfig(arguments) => check_config::run(&arguments),
        Command::ListSettings(arguments) => list_settings::run(&arguments),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Projects(arguments) => projects::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Checkout(arguments) => checkout::run(&arguments),
        Command::Eval(arguments) => eval::run(&arguments),
        Command::Build(arguments) => build::run(&arguments),
        Command::Keep(arguments) => keep::run(&arguments),
        Command::Release(arguments) => release::run(&arguments),
        Command::Forget(arguments) => forget::run(&arguments),
        Command::PostBuild(arguments) => post_build::run(&arguments),
        Command::Upload(arguments) => upload::run(&arguments),
        Command::Failures(arguments) => failures::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}
