//! A pull request is tested as what its merge would be.

use super::RefName;
use super::failure::{self, Failure, refused};
use super::fetch::Commits;
use super::git::Git;

/// Who merges.
const NAME: &str = "buildbot";
const EMAIL: &str = "buildbot@example.com";
/// Conflicting files that a message names.
const NAMED_MAX: usize = 10;

/// The commit to test: the revision, or its merge with the base. Writes into `git`'s repository.
///
/// Equal parents give an equal merge commit, so that a second run tests, and Nix evaluates, the
/// same.
pub(super) fn merge(
    git: &Git,
    commits: &Commits,
    base_branch: Option<&RefName>,
) -> Result<String, Failure> {
    let head = &commits.revision;
    let (Some(base), Some(branch)) = (&commits.base, base_branch) else {
        return Ok(head.clone());
    };
    let is_ancestor = git.run(["merge-base", "--is-ancestor", base, head])?;
    match is_ancestor.status.code() {
        // Nothing has happened on the base branch since.
        Some(0) => return Ok(head.clone()),
        Some(1) => {}
        _ => return Err(failure::local("cannot compare the branches", &is_ancestor)),
    }
    let tree = merged_tree(git, head, base, branch)?;
    let date = later_date(git, head, base)?;
    let git = git
        .clone()
        .variable("GIT_AUTHOR_NAME", NAME)
        .variable("GIT_AUTHOR_EMAIL", EMAIL)
        .variable("GIT_AUTHOR_DATE", &date)
        .variable("GIT_COMMITTER_NAME", NAME)
        .variable("GIT_COMMITTER_EMAIL", EMAIL)
        .variable("GIT_COMMITTER_DATE", &date);
    let message = format!("Merge {base} into {head}");
    let captured = git.run(["commit-tree", &tree, "-p", head, "-p", base, "-m", &message])?;
    if !captured.status.success() {
        return Err(failure::local("cannot commit the merge", &captured));
    }
    Ok(String::from_utf8_lossy(&captured.stdout).trim().to_owned())
}

fn merged_tree(git: &Git, head: &str, base: &str, branch: &RefName) -> Result<String, Failure> {
    let options = [
        "merge-tree",
        "--write-tree",
        "-z",
        "--name-only",
        "--no-messages",
    ];
    let merged = git.run(options.into_iter().chain([head, base]))?;
    let text = String::from_utf8_lossy(&merged.stdout);
    let mut parts = text.split('\0').filter(|part| !part.is_empty());
    let tree = parts.next().unwrap_or_default().to_owned();
    match merged.status.code() {
        Some(0) => Ok(tree),
        Some(1) => Err(conflict(head, base, branch, &parts.collect::<Vec<_>>())),
        // How git ends for an option that it does not know.
        Some(129) => Err(failure::trouble(
            "cannot merge: git is too old, at least 2.38 is needed".to_owned(),
        )
        .into()),
        _ => Err(failure::local(
            &format!("cannot merge `{head}` into `{branch}`"),
            &merged,
        )),
    }
}

fn conflict(head: &str, base: &str, branch: &RefName, files: &[&str]) -> Failure {
    let shown = files.iter().take(NAMED_MAX);
    let mut list: Vec<String> = shown
        .map(|file| format!("`{}`", file.escape_debug()))
        .collect();
    if files.len() > NAMED_MAX {
        list.push(format!("{} more", files.len() - NAMED_MAX));
    }
    let (head, base) = (short(head), short(base));
    refused(
        format!(
            "merge conflict: `{head}` cannot be merged into `{branch}` (now `{base}`) because of {}",
            list.join(", ")
        ),
        Some("merge or rebase by hand and push"),
    )
}

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// The later of two commits' dates, as git takes dates.
fn later_date(git: &Git, head: &str, base: &str) -> Result<String, Failure> {
    let captured = git.run(["show", "--no-patch", "--format=%ct", head, base])?;
    if !captured.status.success() {
        return Err(failure::local("cannot read the commits", &captured));
    }
    let text = String::from_utf8_lossy(&captured.stdout);
    let seconds = text.lines().filter_map(|line| line.parse::<i64>().ok());
    Ok(format!(
        "@{} +0000",
        seconds.max().unwrap_or_default().max(0)
    ))
}
