//! Submodules: their URLs are the repository's to choose, so they get none of this machine's files,
//! and no credentials but those that are for one of them.

use std::path::{Path, PathBuf};

use super::credentials::SubmoduleCredentials;
use super::failure::{self, Failure};
use super::git::Git;
use super::tree::Tree;
use crate::error::Error;

/// ssh without any key, for servers that let everyone read.
const SSH: &str = "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=yes \
                   -o IdentitiesOnly=yes -o IdentityFile=/dev/null -o IdentityAgent=none";

/// Checks out the submodules of the checked out commit, recursively.
pub(super) fn update(
    git: &Git,
    tree: &Tree,
    nowhere: &Path,
    credentials: Option<&SubmoduleCredentials>,
) -> Result<(), Failure> {
    let has_any = tree
        .directory
        .join(".gitmodules")
        .symlink_metadata()
        .is_ok();
    if !has_any {
        return Ok(());
    }
    let git = without_credentials(git.clone(), nowhere).finding_its_repository();
    let git = match credentials {
        Some(credentials) => {
            tree.expect_private_submodules()?;
            credentials.give_to(git)
        }
        None => git,
    };
    let steps: [&[&str]; 3] = [
        // URLs of the commit, not those of an earlier one.
        &["submodule", "--quiet", "sync", "--recursive"],
        &[
            "submodule",
            "--quiet",
            "update",
            "--init",
            "--recursive",
            "--force",
        ],
        &[
            "submodule",
            "--quiet",
            "foreach",
            "--recursive",
            "git clean -ffdxq",
        ],
    ];
    for step in steps {
        let captured = git.run(step.iter().copied())?;
        if !captured.status.success() {
            let reason = failure::reason(&captured);
            let error = Error::Nix {
                message: format!("cannot check out the submodules: {reason}"),
                hint: Some(
                    "private ones have to be named in `submodules` of their forge's settings, and \
                     are not for pull requests from forks"
                        .to_owned(),
                ),
            };
            // What the repository itself got wrong does not improve by another try.
            return Err(if tree.is_reused {
                Failure::Local(error)
            } else {
                Failure::Final(error)
            });
        }
    }
    Ok(())
}

fn without_credentials(git: Git, nowhere: &Path) -> Git {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let mut git = git
        .variable("GIT_SSH_COMMAND", SSH)
        .config("credential.helper", "")
        // git's http library looks for passwords in the home's .netrc.
        .variable("HOME", nowhere.as_os_str());
    // The admin's own settings, such as proxies, go on to hold.
    if let Some(home) = variable("HOME") {
        if variable("XDG_CONFIG_HOME").is_none() {
            git = git.variable("XDG_CONFIG_HOME", home.join(".config"));
        }
        let config = home.join(".gitconfig");
        if config.is_file() {
            git = git.variable("GIT_CONFIG_GLOBAL", config);
        }
    }
    git
}
