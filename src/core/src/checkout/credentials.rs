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

/// Files with user and password of the private submodule number `index`.
pub fn submodule_files(index: usize) -> (String, String) {
    let file = |what| format!("submodule-{index}-{what}");
    (file("user"), file("password"))
}

/// What git needs to fetch one repository. The folder is removed with this value.
#[derive(Debug)]
pub(super) struct Credentials {
    folder: Option<PathBuf>,
    /// For `GIT_SSH_COMMAND`.
    ssh: Option<String>,
    /// For `credential.helper`.
    helper: Option<String>,
    /// For submodules.
    pub(super) submodules: SubmoduleCredentials,
}

/// What git needs to fetch some repositories, should they be submodules, and no others.
#[derive(Debug, Default)]
pub(super) struct SubmoduleCredentials {
    /// For `credential.helper`.
    helper: Option<String>,
    /// What they are called over ssh, and over https.
    urls: Vec<(String, String)>,
}

impl Credentials {
    /// Looks for files of the known names in `folder`: for the repository `url`, and for those that
    /// are `submodules`.
    pub(super) fn open(
        folder: Option<&Path>,
        url: &GitUrl,
        submodules: &[GitUrl],
    ) -> Result<Self, Error> {
        let mut credentials = Self {
            folder: None,
            ssh: None,
            helper: None,
            submodules: SubmoduleCredentials::default(),
        };
        let Some(folder) = folder else {
            return Ok(credentials);
        };
        let io = |error| Error::io("read the credentials in", folder, error);
        let folder = folder.canonicalize().map_err(io)?;
        credentials.folder = Some(folder.clone());
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).map_err(io)?;
        credentials.ssh = ssh_command(&folder);
        let line = read(&folder, HTTPS_USER, HTTPS_PASSWORD).map_err(io)?;
        let line = line.and_then(|login| login.for_server(url));
        credentials.helper = store(&folder, "https-store", line).map_err(io)?;
        credentials.submodules = SubmoduleCredentials::open(&folder, submodules).map_err(io)?;
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

impl SubmoduleCredentials {
    fn open(folder: &Path, submodules: &[GitUrl]) -> std::io::Result<Self> {
        let mut lines = Vec::new();
        let mut urls = Vec::new();
        for (index, url) in submodules.iter().enumerate() {
            let (user, password) = submodule_files(index);
            if let Some(login) = read(folder, &user, &password)? {
                lines.extend(login.for_repository(url));
                urls.extend(over_ssh(url));
            }
        }
        let helper = store(folder, "submodules-store", lines)?;
        Ok(Self { helper, urls })
    }

    pub(super) fn are_any(&self) -> bool {
        self.helper.is_some()
    }

    /// `git`, which has no other credentials, with these.
    pub(super) fn give_to(&self, git: Git) -> Git {
        let Some(helper) = &self.helper else {
            return git;
        };
        // By path, or all repositories of the server would get those of one.
        let git = git
            .config("credential.helper", helper)
            .config("credential.useHttpPath", "true");
        self.urls.iter().fold(git, |git, (ssh, https)| {
            git.config(&format!("url.{https}.insteadOf"), ssh)
        })
    }
}

/// User and password, as they stand in a URL.
struct Login {
    user: String,
    password: String,
}

impl Login {
    /// A line for all of the server of `url`: no redirection takes it elsewhere.
    fn for_server(&self, url: &GitUrl) -> Option<String> {
        let (scheme, host, _) = parts(url)?;
        Some(self.line(scheme, host, ""))
    }

    /// Lines for `url` alone, which people write with and without the end.
    fn for_repository(&self, url: &GitUrl) -> Vec<String> {
        let Some((scheme, host, path)) = parts(url) else {
            return Vec::new();
        };
        let line = |path: &str| self.line(scheme, host, &format!("/{path}"));
        vec![line(path), line(&format!("{path}.git"))]
    }

    fn line(&self, scheme: &str, host: &str, path: &str) -> String {
        let Self { user, password } = self;
        format!("{scheme}://{user}:{password}@{host}{path}\n")
    }
}

/// Scheme, host and path of a repository on a web server, without `.git`.
fn parts(url: &GitUrl) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.as_str().split_once("://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.rsplit('@').next().unwrap_or_default();
    Some((scheme, host, path.strip_suffix(".git").unwrap_or(path)))
}

/// What people write for `url` if they fetch it over ssh, each with what is fetched instead: the
/// keys of ssh are for a whole server.
fn over_ssh(url: &GitUrl) -> Vec<(String, String)> {
    let Some((scheme, host, path)) = parts(url) else {
        return Vec::new();
    };
    let https = format!("{scheme}://{host}/{path}");
    let name = host.split(':').next().unwrap_or_default();
    // Below a path or not, ssh knows owner and name only.
    let mut segments = path.rsplit('/');
    let (Some(repository), Some(owner)) = (segments.next(), segments.next()) else {
        return Vec::new();
    };
    [
        format!("git@{name}:{owner}/{repository}"),
        format!("ssh://git@{name}/{owner}/{repository}"),
    ]
    .map(|ssh| (ssh, https.clone()))
    .into()
}

/// What the files `user` and `password` say; none if there are none, or nothing is needed.
fn read(folder: &Path, user: &str, password: &str) -> std::io::Result<Option<Login>> {
    let (user, password) = (folder.join(user), folder.join(password));
    if !user.exists() || !password.exists() {
        return Ok(None);
    }
    let escaped = |path: &Path| -> std::io::Result<String> {
        let text = std::fs::read_to_string(path)?;
        Ok(utf8_percent_encode(text.trim_end(), NON_ALPHANUMERIC).to_string())
    };
    let (user, password) = (escaped(&user)?, escaped(&password)?);
    Ok((!password.is_empty()).then_some(Login { user, password }))
}

/// Writes the file `name` for `git credential-store`; returns the helper that reads it, unless
/// there is nothing to write.
fn store(
    folder: &Path,
    name: &str,
    lines: impl IntoIterator<Item = String>,
) -> std::io::Result<Option<String>> {
    let text: String = lines.into_iter().collect();
    if text.is_empty() {
        return Ok(None);
    }
    let store = folder.join(name);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&store)?;
    file.write_all(text.as_bytes())?;
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
        let submodules = [GitUrl::new("https://host:8443/git/a/lib.git").unwrap()];
        let credentials = Credentials::open(Some(&folder), &url, &submodules).unwrap();
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
    fn those_of_a_submodule_are_for_nothing_else() {
        let files = [("submodule-0-user", "ci"), ("submodule-0-password", "p")];
        let (parent, credentials) = credentials(&files, "https://host:8443/git/a/b");
        let text = std::fs::read_to_string(parent.path().join("of run/submodules-store"));
        insta::assert_snapshot!(text.unwrap(), @r"
        https://ci:p@host:8443/git/a/lib
        https://ci:p@host:8443/git/a/lib.git
        ");
        let urls = credentials.submodules.urls.iter();
        let urls: Vec<String> = urls.map(|(ssh, https)| format!("{ssh} {https}")).collect();
        insta::assert_snapshot!(urls.join("\n"), @r"
        git@host:a/lib https://host:8443/git/a/lib
        ssh://git@host/a/lib https://host:8443/git/a/lib
        ");
        assert_eq!(credentials.helper, None);
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
