use std::time::{Instant, SystemTime};

use super::cache::{self, Cache};
use super::credentials::{Credentials, SubmoduleCredentials};
use super::failure::Failure;
use super::fetch::{self, Commits, Fetcher};
use super::git::Git;
use super::tree::Tree;
use super::{Request, maintenance, merge, submodules};
use crate::error::Error;
use crate::machine_line::Checkout;

/// What is trusted of earlier runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    All,
    /// The working tree begins anew.
    Clone,
    /// The clone does too.
    Nothing,
}

/// Does what `request` says. `log` gets lines for people.
///
/// `done` gets the result as soon as the tree can be used; tidying up comes after that.
pub fn checkout(
    request: &Request,
    log: &dyn Fn(&str),
    done: &mut dyn FnMut(&Checkout),
) -> Result<(), Error> {
    let deadline = Instant::now() + request.timeout;
    let credentials = Credentials::open(
        request.credentials.as_deref(),
        &request.url,
        &request.private_submodules,
    )?;
    let protocols = protocols(request);
    let git = Git::bare(&cache::directory(request), &protocols, deadline);
    let remote = credentials.give_to(git.clone());
    let run = Run {
        request,
        git: &git,
        remote: &remote,
        submodules: &credentials.submodules,
        log,
    };
    let checkout = run.tries()?;
    done(&checkout);
    drop(credentials);
    // The run is over; what is left to do here can wait for the next one if it fails.
    let tidied = maintenance::maintain(request, &git);
    cache::sweep(&request.cache_dir, SystemTime::now());
    if let Err(error) = tidied {
        log(&format!("cannot tidy up the clone: {error}"));
    }
    Ok(())
}

/// Those that git may fetch with: files of this machine only if the repository itself is one, and
/// nothing that runs programs.
fn protocols(request: &Request) -> String {
    let mut protocols = "https:http:ssh:git".to_owned();
    if request.url.scheme() == "file" {
        protocols.push_str(":file");
    }
    protocols
}

struct Run<'run> {
    request: &'run Request,
    git: &'run Git,
    /// The same with credentials.
    remote: &'run Git,
    submodules: &'run SubmoduleCredentials,
    log: &'run dyn Fn(&str),
}

impl Run<'_> {
    /// Damage of what earlier runs left does not fail this one.
    fn tries(&self) -> Result<Checkout, Error> {
        let mut trust = Trust::All;
        loop {
            match (self.try_once(trust), trust) {
                (Ok(checkout), _) => return Ok(checkout),
                (Err(Failure::Final(error)), _) | (Err(Failure::Local(error)), Trust::Nothing) => {
                    return Err(error);
                }
                (Err(Failure::Local(error)), Trust::All) => {
                    (self.log)(&format!("{error}; trying again in an empty folder"));
                    trust = Trust::Clone;
                }
                (Err(Failure::Local(error)), Trust::Clone) => {
                    (self.log)(&format!("{error}; trying again with a new clone"));
                    trust = Trust::Nothing;
                }
            }
        }
    }

    fn try_once(&self, trust: Trust) -> Result<Checkout, Failure> {
        let begun = Instant::now();
        let request = self.request;
        if trust != Trust::All {
            Tree::discard(&request.directory)?;
        }
        let tree = Tree::prepare(&request.directory, request.replace, request.url.as_str())?;
        let git = self.git.in_tree(&tree.directory);
        let commits = self.fetch(&tree, trust)?;
        let private = self.private_submodules(&commits);
        if private.is_none() && tree.has_private_submodules() {
            (self.log)("beginning in an empty folder: the last run had private submodules");
            Tree::discard(&request.directory)?;
            return self.try_once(trust);
        }
        let commit = merge::merge(&git, &commits, request.merge_into.as_ref())?;
        tree.check_out(&git, &commit)?;
        if request.submodules {
            submodules::update(&git, &tree, &tree.directory.join(".git/refs"), private)?;
        }
        Ok(Checkout {
            tree: Tree::hash(&git, &commit)?,
            revision: commits.revision,
            on_branch: commits.on_branch,
            commit,
            base: commits.base,
            base_branch: request.merge_into.as_ref().map(ToString::to_string),
            seconds: begun.elapsed().as_secs_f64(),
        })
    }

    /// Credentials for submodules, if there are any for what is checked out: it is on a branch of
    /// the repository, or of a pull request of which whoever asks for it knows that it is.
    fn private_submodules(&self, commits: &Commits) -> Option<&SubmoduleCredentials> {
        let is_own = commits.on_branch || self.request.merge_into.is_some();
        Some(self.submodules).filter(|submodules| is_own && submodules.are_any())
    }

    /// The clone is locked no longer than this takes.
    fn fetch(&self, tree: &Tree, trust: Trust) -> Result<Commits, Failure> {
        let cache = Cache::open(self.request, self.git)?;
        if trust == Trust::Nothing {
            cache.remake(self.git)?;
        }
        let commits = match Fetcher::new(self.request, self.remote, self.log).fetch() {
            // The clone is what fetching uses; nothing else here is.
            Err(Failure::Local(error)) if trust != Trust::Nothing => {
                (self.log)(&format!("{error}; trying again with a new clone"));
                cache.remake(self.git)?;
                Fetcher::new(self.request, self.remote, self.log).fetch()?
            }
            result => result?,
        };
        let branches = [Some(&self.request.branch), self.request.merge_into.as_ref()];
        for branch in branches.into_iter().flatten() {
            fetch::touch(&cache.directory, branch);
        }
        tree.take_packs(&cache.packs())?;
        Ok(commits)
    }
}
