use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::time::Duration;

use buildbot_nix_core::checkout::{self, RefName, Request, Revision, default_cache_dir};
use buildbot_nix_core::config::GitUrl;
use buildbot_nix_core::error::Error;
use buildbot_nix_core::machine_line::{Checkout, Line, encode};
use buildbot_nix_core::process::watch_stop_signals;
use clap::ValueEnum;

use crate::{Exit, output};

const EXAMPLES: &str = "\
Examples:
  buildbot-nix checkout https://github.com/NixOS/patchelf src
                                         the tip of `main`, with submodules
  buildbot-nix checkout URL src --branch release-1 --revision 0123abcd…
                                         one commit, which `release-1` is expected to have
  buildbot-nix checkout URL src --branch refs/pull/7/head --merge-into main
                                         a pull request as CI tests it

A second run is quick: one bare clone of each repository is kept below the cache folder, and only
what changed is fetched and written. Everything in DIR that is not the repository's is removed.
At least git 2.38 is needed.";

/// Check out a commit, or what its merge would be (what a worker runs first)
///
/// The working tree is clean and complete, and its `.git` refers to no other folder.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The repository, without password
    #[arg(value_parser = parse_url)]
    url: GitUrl,
    /// The working tree: a new or empty folder, or one that this command made
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Branch, or whole ref such as refs/pull/1/head
    #[arg(long, value_name = "NAME", default_value = "main")]
    branch: RefName,
    /// The commit [default: what the branch is now]
    #[arg(long, value_name = "HASH")]
    revision: Option<Revision>,
    /// Merge the commit into what this branch is now
    #[arg(long, value_name = "BRANCH")]
    merge_into: Option<RefName>,
    /// Leave submodules empty
    #[arg(long)]
    no_submodules: bool,
    /// Empty DIR first if it is something else
    #[arg(long)]
    replace: bool,
    /// Where clones are kept [default: $XDG_CACHE_HOME/buildbot-nix/git or
    /// ~/.cache/buildbot-nix/git]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// Folder with any of the files ssh-key, ssh-known-hosts, https-user, https-password. It is
    /// removed at the end
    #[arg(long, value_name = "DIR")]
    credentials: Option<PathBuf>,
    /// A repository that is fetched with the files submodule-N-user, submodule-N-password there, N
    /// counting these options from 0, if it is a submodule and the commit is on the branch
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    private_submodule: Vec<GitUrl>,
    /// Longest time for everything
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    timeout: u64,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One machine line, see docs/machine-lines.md
    Json,
    /// A sentence
    Human,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    match try_run(arguments) {
        Ok(()) => Exit::Success,
        Err(error) => {
            if arguments.format == Format::Json {
                // If stdout is gone, the exit status still tells.
                let _ = print(&Line::fatal(&error));
            }
            output::fail(&error)
        }
    }
}

fn try_run(arguments: &Arguments) -> Result<(), Error> {
    watch_stop_signals()?;
    let mut printed = Ok(());
    let log = |text: &str| output::warn(&format!("{text}\n"));
    checkout::checkout(&arguments.request()?, &log, &mut |checkout| {
        let text = sentence(checkout);
        printed = match arguments.format {
            Format::Json => {
                log(&text);
                print(&Line::Checkout(checkout.clone()))
            }
            Format::Human => writeln!(stdout(), "{text}"),
        };
    })?;
    printed.map_err(|error| Error::io("write", "the result", error))
}

fn print(line: &Line) -> std::io::Result<()> {
    let mut stdout = stdout().lock();
    stdout.write_all(&encode(line))?;
    stdout.flush()
}

fn sentence(checkout: &Checkout) -> String {
    let Checkout {
        revision,
        tree,
        seconds,
        ..
    } = checkout;
    let merged = match (&checkout.base, &checkout.base_branch) {
        (Some(base), Some(branch)) => format!(" merged into {branch} at {base}"),
        _ => String::new(),
    };
    format!("{revision}{merged} is checked out, tree {tree}, in {seconds:.1} s")
}

fn parse_url(text: &str) -> Result<GitUrl, String> {
    GitUrl::new(text).map_err(|error| error.to_string())
}

impl Arguments {
    fn request(&self) -> Result<Request, Error> {
        let cache_dir = self.cache_dir.clone().or_else(default_cache_dir);
        Ok(Request {
            url: self.url.clone(),
            branch: self.branch.clone(),
            revision: self.revision.clone(),
            merge_into: self.merge_into.clone(),
            directory: self.directory.clone(),
            replace: self.replace,
            submodules: !self.no_submodules,
            cache_dir: cache_dir.ok_or_else(|| Error::Nix {
                message:
                    "there is no folder for clones: neither `XDG_CACHE_HOME` nor `HOME` is set"
                        .to_owned(),
                hint: Some("name one with `--cache-dir`".to_owned()),
            })?,
            private_submodules: self.private_submodule.clone(),
            credentials: self.credentials.clone(),
            timeout: Duration::from_secs(self.timeout),
        })
    }
}
