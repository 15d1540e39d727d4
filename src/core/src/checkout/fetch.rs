//! What is fetched into the clone, and what it means when that fails.

use std::time::SystemTime;

use super::failure::{self, Failure, refused, trouble};
use super::git::Git;
use super::{RefName, Request, Revision};

/// The commits of a run, whole hashes. Their packs are in the clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Commits {
    /// What was asked for.
    pub(super) revision: String,
    /// Into what it is to be merged.
    pub(super) base: Option<String>,
    /// Whether the branch has the revision.
    pub(super) on_branch: bool,
}

/// Fetching for one request.
pub(super) struct Fetcher<'run> {
    request: &'run Request,
    git: &'run Git,
    log: &'run dyn Fn(&str),
}

impl<'run> Fetcher<'run> {
    pub(super) fn new(request: &'run Request, git: &'run Git, log: &'run dyn Fn(&str)) -> Self {
        Self { request, git, log }
    }

    /// Has the clone get what is missing. A commit that is there is not asked for again.
    pub(super) fn fetch(&self) -> Result<Commits, Failure> {
        let branch = &self.request.branch;
        let (base, revision) = match (&self.request.merge_into, &self.request.revision) {
            (Some(base), Some(revision)) => {
                let tip = self.base_and(base, revision)?;
                (Some(tip), self.revision(revision)?)
            }
            (_, Some(revision)) => (None, self.revision(revision)?),
            (Some(base), None) => {
                let tip = self.branch(base)?.ok_or_else(|| self.gone(base))?;
                (
                    Some(tip),
                    self.branch(branch)?.ok_or_else(|| self.gone(branch))?,
                )
            }
            (None, None) => {
                let tip = self.branch(branch)?;
                (None, tip.ok_or_else(|| self.gone(branch))?)
            }
        };
        let on_branch = base.is_none() && self.is_on_branch(&revision);
        Ok(Commits {
            revision,
            base,
            on_branch,
        })
    }

    /// Whether the branch has `commit`, as far as that can be found out.
    fn is_on_branch(&self, commit: &str) -> bool {
        let branch = &self.request.branch;
        let has = || {
            let arguments = ["merge-base", "--is-ancestor", commit, &branch.kept()];
            let ran = self.git.run(arguments);
            ran.is_ok_and(|captured| captured.status.success())
        };
        // The clone may have seen the branch last before it had the commit.
        has() || (matches!(self.branch(branch), Ok(Some(_))) && has())
    }

    /// The tip of `base`; gets `revision` on the way, if the server gives it.
    fn base_and(&self, base: &RefName, revision: &Revision) -> Result<String, Failure> {
        if revision.is_whole() && self.present(revision)?.is_none() {
            let wanted = [refspec(base), revision.to_string()];
            if self.run(&wanted)?.status.success() {
                return self.kept(base);
            }
        }
        self.branch(base)?.ok_or_else(|| self.gone(base))
    }

    fn revision(&self, revision: &Revision) -> Result<String, Failure> {
        if let Some(commit) = self.present(revision)? {
            return Ok(commit);
        }
        let branch = &self.request.branch;
        let tip = self.branch(branch)?;
        if let Some(commit) = self.present(revision)? {
            return Ok(commit);
        }
        // The branch was reset or deleted, but servers keep commits for a while.
        if revision.is_whole() {
            self.run(&[revision.to_string()])?;
            if let Some(commit) = self.present(revision)? {
                return Ok(commit);
            }
        }
        let url = &self.request.url;
        let message = match tip {
            Some(tip) => format!(
                "commit `{revision}` is no longer in `{url}`: branch `{branch}` is now at `{tip}`"
            ),
            None => {
                format!("commit `{revision}` is no longer in `{url}`: nor is branch `{branch}`")
            }
        };
        Err(refused(message, Some("build what the branch is now")))
    }

    /// The tip of `branch`, `None` if there is no such branch.
    fn branch(&self, branch: &RefName) -> Result<Option<String>, Failure> {
        let captured = self.run(&[refspec(branch)])?;
        if captured.status.success() {
            return self.kept(branch).map(Some);
        }
        // Whose fault it is shows in what the server says when it is asked for nothing else.
        let url = self.request.url.as_str();
        let asked = ["ls-remote", "--quiet", "--exit-code", url, &branch.full()];
        let listed = self.git.run(asked)?;
        match listed.status.code() {
            Some(2) => Ok(None),
            Some(0) => Err(failure::local(
                &format!("cannot fetch `{branch}`"),
                &captured,
            )),
            _ => {
                let reason = failure::reason(&listed);
                Err(trouble(format!("cannot fetch from `{url}`: {reason}")).into())
            }
        }
    }

    fn run(&self, wanted: &[String]) -> Result<crate::process::Captured, Failure> {
        let url = self.request.url.as_str();
        (self.log)(&format!("fetching {} from {url}", wanted.join(" ")));
        let options = [
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--force",
        ];
        let arguments = options.into_iter().chain(["--", url]).map(str::to_owned);
        let captured = self.git.run(arguments.chain(wanted.iter().cloned()))?;
        let said = String::from_utf8_lossy(&captured.stderr);
        if !said.trim().is_empty() {
            (self.log)(said.trim_end());
        }
        Ok(captured)
    }

    /// The whole hash of a commit that the clone has.
    fn present(&self, revision: &Revision) -> Result<Option<String>, Failure> {
        let commit = format!("{revision}^{{commit}}");
        Ok(self
            .git
            .line(["rev-parse", "--quiet", "--verify", &commit])?)
    }

    fn kept(&self, branch: &RefName) -> Result<String, Failure> {
        let commit = format!("{}^{{commit}}", branch.kept());
        let tip = self
            .git
            .line(["rev-parse", "--quiet", "--verify", &commit])?;
        tip.ok_or_else(|| {
            let url = &self.request.url;
            refused(format!("`{branch}` of `{url}` is no commit"), None)
        })
    }

    fn gone(&self, branch: &RefName) -> Failure {
        let url = &self.request.url;
        refused(
            format!("there is no branch `{branch}` in `{url}`"),
            Some("it was deleted or renamed"),
        )
    }
}

fn refspec(branch: &RefName) -> String {
    format!("+{}:{}", branch.full(), branch.kept())
}

/// Remembers that `branch` was used, see [`super::maintenance`].
pub(super) fn touch(directory: &std::path::Path, branch: &RefName) {
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(directory.join(branch.kept()));
    if let Ok(file) = file {
        let _ = file.set_modified(SystemTime::now());
    }
}
