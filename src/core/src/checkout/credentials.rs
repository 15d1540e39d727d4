//! Secrets that the master put into a folder of the run.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::git::Git;
use crate::config::GitUrl;
use crate::error::Error;
use crate::process::quoted;

/// Private key for ssh.
pub const SSH_KEY: &str = "ssh-key";
/// `known_hosts` for ssh.
pub const SSH_KNOWN_HOSTS: &str = "ssh-known-hosts";
/// User for https.
pub const HTTPS_USER: &str = "https-user";
/// Password for https.
pub const HTTPS_PASSWORD: &str = "https-password";

/// What git needs to fetch one repository. The folder is removed with this value.
#[derive(Debug)]
pub(super) struct Credentials {
    folder: Option<PathBuf>,
    /// For `GIT_SSH_COMMAND`.
    ssh: Option<String>,
    /// For `credential.helper`.
    helper: Option<String>,
}

impl Credentials {
    /// Looks for files of the known names in `folder`.
    pub(super) fn open(folder: Option<&Path>, url: &GitUrl) -> Result<Self, Error> {
        let mut credentials = Self {
            folder: None,
            ssh: None,
            helper: None,
        };
        let Some(folder) = folder else {
            return Ok(credentials);
        };
        let io = |error| Error::io("read the credentials in", folder, error);
        let folder = folder.canonicalize().map_err(io)?;
        credentials.folder = Some(folder.clone());
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).map_err(io)?;
        credentials.ssh = ssh_command(&folder);
        credentials.helper = https_store(&folder, url).map_err(io)?;
        Ok(credentials)
    }

    /// `git` with these. They stay files: git and ssh are only told where.
    pub(super) fn give_to(&self, git: Git) -> Git {
        let git = match &self.ssh {
            Some(command) => git.variable("GIT_SSH_COMMAND", command),
            None => git,
        };
        match &self.helper {
            // An empty one forgets those of the user's configuration.
            Some(helper) => git
                .config("credential.helper", "")
                .config("credential.helper", helper),
            None => git,
        }
    }
}

impl Drop for Credentials {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

fn ssh_command(folder: &Path) -> Option<String> {
    let key = Some(folder.join(SSH_KEY)).filter(|path| path.exists());
    let hosts = Some(folder.join(SSH_KNOWN_HOSTS)).filter(|path| path.exists());
    if key.is_none() && hosts.is_none() {
        return None;
    }
    let mut command = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes".to_owned();
    if let Some(key) = key {
        command.push_str(" -o IdentitiesOnly=yes -i ");
        command.push_str(&quoted(key.as_os_str()));
    }
    if let Some(hosts) = hosts {
        // ssh takes a list here: a path with a space needs quotes of its own.
        let option = format!("UserKnownHostsFile=\"{}\"", hosts.display());
        command.push_str(" -o GlobalKnownHostsFile=/dev/null -o ");
        command.push_str(&quoted(option.as_ref()));
    }
    Some(command)
}

/// Writes what `git credential-store` reads: user and password of this one server, so that no
/// redirection and no submodule takes them elsewhere.
fn https_store(folder: &Path, url: &GitUrl) -> std::io::Result<Option<String>> {
    let (user, password) = (folder.join(HTTPS_USER), folder.join(HTTPS_PASSWORD));
    let Some((scheme, rest)) = url.as_str().split_once("://") else {
        return Ok(None);
    };
    if !user.exists() || !password.exists() {
        return Ok(None);
    }
    let host = rest.split('/').next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    let escaped = |path: &Path| -> std::io::Result<String> {
        let text = std::fs::read_to_string(path)?;
        Ok(utf8_percent_encode(text.trim_end(), NON_ALPHANUMERIC).to_string())
    };
    let (user, password) = (escaped(&user)?, escaped(&password)?);
    if password.is_empty() {
        // The repository needs none.
        return Ok(None);
    }
    let line = format!("{scheme}://{user}:{password}@{host}\n");
    let store = folder.join("https-store");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&store)?;
    file.write_all(line.as_bytes())?;
    Ok(Some(format!("store --file={}", quoted(store.as_os_str()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(files: &[(&str, &str)], url: &str) -> (tempfile::TempDir, Credentials) {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("of run");
        std::fs::create_dir(&folder).unwrap();
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let url = GitUrl::new(url).unwrap();
        let credentials = Credentials::open(Some(&folder), &url).unwrap();
        (parent, credentials)
    }

    #[test]
    fn a_password_is_for_its_server_and_stays_in_a_file() {
        let files = [(HTTPS_USER, "ci"), (HTTPS_PASSWORD, "p:w@/ü\n")];
        let (parent, credentials) = credentials(&files, "https://host:8443/a/b");
        let store = parent.path().join("of run/https-store");
        let text = std::fs::read_to_string(&store).unwrap();
        assert_eq!(text, "https://ci:p%3Aw%40%2F%C3%BC@host:8443\n");
        let mode = std::fs::metadata(&store).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let git = Git::bare(Path::new("/x"), "https", std::time::Instant::now());
        assert!(!format!("{:?}", credentials.give_to(git)).contains("p%3Aw"));
        drop(credentials);
        assert!(!parent.path().join("of run").exists());
    }

    #[test]
    fn an_empty_password_is_none() {
        let files = [(HTTPS_USER, "\n"), (HTTPS_PASSWORD, "\n")];
        let (_parent, credentials) = credentials(&files, "https://host/a/b");
        assert_eq!(credentials.helper, None);
    }

    #[test]
    fn ssh_gets_the_key_and_knows_its_host() {
        let files = [(SSH_KEY, "k"), (SSH_KNOWN_HOSTS, "h")];
        let (parent, credentials) = credentials(&files, "git@host:a/b");
        let folder = parent.path().canonicalize().unwrap().join("of run");
        let folder = folder.display();
        assert_eq!(
            credentials.ssh.as_deref().unwrap(),
            format!(
                "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes \
                 -i '{folder}/ssh-key' -o GlobalKnownHostsFile=/dev/null \
                 -o 'UserKnownHostsFile=\"{folder}/ssh-known-hosts\"'"
            )
        );
        assert_eq!(credentials.helper, None);
    }
}
