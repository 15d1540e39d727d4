//! Stage: settings. In: a file reference from the settings. Out: its content, which never shows
//! itself in debug output, messages or serialised plans.
//!
//! Nothing here reads the environment: [`SecretPlaces`] is passed in. Secrets are read late, when
//! they are used, so that a changed file takes effect without a restart.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

/// Shown in place of everything secret.
const REDACTED: &str = "***";
/// No key or password is longer; a device or a wrong path must not fill the memory.
const SECRET_BYTES_MAX: u64 = 1 << 20;

/// A value that shows itself only to who asks for it with [`Secret::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps `value`.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Keep it out of logs, arguments of processes and properties.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REDACTED)
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REDACTED)
    }
}

impl<T> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

/// A URL that may hold a password: shown and serialised as [`redact_url`] has it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// Wraps `url`, unchecked.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The URL with its password.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&redact_url(&self.0))
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for SecretUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// `url` with passwords replaced: `https://user:***@host`.
///
/// Rather hides too much than too little: everything up to the last `@` counts as credentials
/// when it holds a colon, and so does the lone user of an `http` URL, which is usually a token.
pub fn redact_url(url: &str) -> String {
    let (head, query) = match url.split_once('?') {
        // An unescaped `?` inside a password: take the whole rest for credentials.
        Some((_, query)) if query.contains('@') => (url, None),
        Some((head, query)) => (head, Some(query)),
        None => (url, None),
    };
    let mut shown = redact_credentials(head);
    if let Some(query) = query {
        let fields: Vec<String> = query.split('&').map(redact_field).collect();
        shown.push('?');
        shown.push_str(&fields.join("&"));
    }
    shown
}

fn redact_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let Some((credentials, host)) = rest.rsplit_once('@') else {
        return url.to_owned();
    };
    match credentials.split_once(':') {
        Some((user, _)) => format!("{scheme}://{user}:{REDACTED}@{host}"),
        None if scheme.starts_with("http") && !credentials.contains('/') => {
            format!("{scheme}://{REDACTED}@{host}")
        }
        None => url.to_owned(),
    }
}

/// One `name=value` of a query; database drivers also take the password there.
fn redact_field(field: &str) -> String {
    match field.split_once('=') {
        Some((name, _)) if is_secret_name(name) => format!("{name}={REDACTED}"),
        _ => field.to_owned(),
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "token", "secret", "key"]
        .iter()
        .any(|word| name.contains(word))
}

/// Where file references of the settings are looked up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SecretPlaces {
    /// `$CREDENTIALS_DIRECTORY`, which systemd sets for units with `LoadCredential=`.
    pub credentials_directory: Option<PathBuf>,
    /// The folder of the settings file.
    pub settings_directory: PathBuf,
}

/// A file named in the settings: its path, or a bare name below `$CREDENTIALS_DIRECTORY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    key: String,
    reference: String,
}

/// A secret that could not be read. Holds no content.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the file of setting `{key}`, `{path}`: {reason}")]
pub struct SecretFileError {
    /// Key path of the setting, e.g. `pull_based.ssh_private_key_file`.
    pub key: String,
    /// The file that was tried.
    pub path: String,
    /// Why.
    pub reason: String,
}

impl SecretFile {
    /// The file `reference` that setting `key` names.
    pub fn new(key: impl Into<String>, reference: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            reference: reference.into(),
        }
    }

    /// The setting's key path.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What the settings say.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The file it means: a path is a path, relative to the settings file; a bare name is below
    /// `$CREDENTIALS_DIRECTORY`, or beside the settings file when there is none.
    pub fn path(&self, places: &SecretPlaces) -> PathBuf {
        let reference = Path::new(&self.reference);
        match &places.credentials_directory {
            Some(directory) if !self.reference.contains('/') => directory.join(reference),
            _ => places.settings_directory.join(reference),
        }
    }

    /// Reads the file, without trailing white space. An empty one is an error.
    pub fn read(&self, places: &SecretPlaces) -> Result<Secret<String>, SecretFileError> {
        let path = self.path(places);
        read_text(&path)
            .map(Secret::new)
            .map_err(|reason| SecretFileError {
                key: self.key.clone(),
                path: path.display().to_string(),
                reason,
            })
    }
}

impl Serialize for SecretFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.reference)
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    use std::io::Read as _;

    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(SECRET_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err("it is larger than 1 MiB, which no secret is".to_owned());
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
    match text.trim_end() {
        "" => Err("it is empty".to_owned()),
        trimmed => Ok(trimmed.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_a_secret() {
        let secret = Secret::new("hunter2".to_owned());
        let url = SecretUrl::new("postgresql://ci:hunter2@db/ci");
        let shown = format!(
            "{secret} {secret:?} {url} {url:?} {} {}",
            serde_json::to_string(&secret).unwrap(),
            serde_json::to_string(&url).unwrap()
        );
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[rstest::rstest]
    #[case("https://host/a", "https://host/a")]
    #[case("https://user:pw@host/a", "https://user:***@host/a")]
    #[case("https://token@host/a", "https://***@host/a")]
    #[case("ssh://git@host:22/a", "ssh://git@host:22/a")]
    #[case("git@host:a/b", "git@host:a/b")]
    #[case("postgresql://u:p@/w@host/db", "postgresql://u:***@host/db")]
    #[case("postgresql://u:p?w@host/db", "postgresql://u:***@host/db")]
    #[case("postgresql://@/buildbot", "postgresql://@/buildbot")]
    #[case(
        "postgresql://h/db?password=pw&a=b",
        "postgresql://h/db?password=***&a=b"
    )]
    #[case("sqlite:///state.sqlite", "sqlite:///state.sqlite")]
    fn urls_are_redacted(#[case] url: &str, #[case] shown: &str) {
        assert_eq!(redact_url(url), shown);
    }

    #[test]
    fn a_bare_name_is_a_credential_and_a_path_is_a_path() {
        let places = SecretPlaces {
            credentials_directory: Some("/run/credentials".into()),
            settings_directory: "/etc/ci".into(),
        };
        let path = |reference: &str, places: &SecretPlaces| {
            SecretFile::new("k", reference)
                .path(places)
                .display()
                .to_string()
        };
        assert_eq!(path("key", &places), "/run/credentials/key");
        assert_eq!(path("./key", &places), "/etc/ci/./key");
        assert_eq!(path("/srv/key", &places), "/srv/key");
        let places = SecretPlaces {
            credentials_directory: None,
            ..places
        };
        assert_eq!(path("key", &places), "/etc/ci/key");
    }

    #[test]
    fn reading_trims_and_errors_name_key_and_path() {
        let folder = tempfile::tempdir().unwrap();
        let places = SecretPlaces {
            credentials_directory: None,
            settings_directory: folder.path().to_owned(),
        };
        std::fs::write(folder.path().join("good"), " pw \n\n").unwrap();
        std::fs::write(folder.path().join("empty"), "\n").unwrap();
        std::fs::write(folder.path().join("binary"), b"hunter2\xff").unwrap();
        let read = |name: &str| SecretFile::new("a.b", name).read(&places);
        assert_eq!(read("good").unwrap().expose(), " pw");
        let directory = folder.path().display();
        assert_eq!(
            read("empty").unwrap_err().to_string(),
            format!("cannot read the file of setting `a.b`, `{directory}/empty`: it is empty")
        );
        assert!(
            read("missing")
                .unwrap_err()
                .to_string()
                .contains("No such file")
        );
        assert!(!read("binary").unwrap_err().to_string().contains("hunter2"));
    }
}
