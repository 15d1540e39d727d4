use url::Url;

use crate::forge::FullName;
use crate::nix::System;
use crate::secret::{SecretUrl, redact_url};

use super::node::{Node, Value};
use super::{BranchGlob, Endpoint, Engine, GitUrl, GitUrlError};

/// What a reading function says about one value.
pub(super) type Parsed<T> = Result<T, Mismatch>;

/// Why a value is not what its key needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// Completes "expected …".
    pub(super) expected: String,
    /// Completes "found …"; without it, the value is described.
    pub(super) found: Option<String>,
    /// What to do about it.
    pub(super) hint: Option<String>,
}

impl Mismatch {
    pub(super) fn expected(expected: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            found: None,
            hint: None,
        }
    }

    pub(super) fn found(self, found: impl Into<String>) -> Self {
        Self {
            found: Some(found.into()),
            ..self
        }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

/// Characters of a wrong text that a message repeats.
const EXCERPT_LENGTH: usize = 60;

/// `value` in words.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Integer(value) => format!("the number `{value}`"),
        Value::Number(value) => format!("the number `{}`", excerpt(value)),
        Value::Text(value) if value.is_empty() => "an empty text".to_owned(),
        Value::Text(value) => format!("the text `{}`", excerpt(value)),
        Value::List(_) => "a list".to_owned(),
        Value::Table(_) => "a table of keys".to_owned(),
    }
}

/// `value` in words that do not repeat it, for where a secret may be.
pub(super) fn describe_kind(value: &Value) -> String {
    match value {
        Value::Null | Value::List(_) | Value::Table(_) => describe(value),
        Value::Bool(_) | Value::Integer(_) | Value::Number(_) | Value::Text(_) => {
            "a single value".to_owned()
        }
    }
}

fn excerpt(text: &str) -> String {
    let mut excerpt: String = text.chars().take(EXCERPT_LENGTH).collect();
    if excerpt.len() < text.len() {
        excerpt.push('…');
    }
    excerpt
        .escape_debug()
        .to_string()
        .replace("\\\"", "\"")
        .replace("\\'", "'")
}

/// Text that is not empty, on one line.
pub(super) fn text(value: &Value) -> Parsed<String> {
    let mismatch = Mismatch::expected("a text");
    match value {
        Value::Text(text) if text.trim().is_empty() => Err(mismatch.found("an empty text")),
        Value::Text(text) if text.contains(char::is_control) => {
            Err(mismatch.hint("line breaks and other control characters are not allowed here"))
        }
        Value::Text(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Integer(_) | Value::Number(_) => {
            Err(mismatch.hint("put it in quotes if it is meant as text"))
        }
        Value::Null | Value::List(_) | Value::Table(_) => Err(mismatch),
    }
}

/// Like [`text`], for secrets: a message never repeats them.
pub(super) fn secret_text(value: &Value) -> Parsed<String> {
    text(value).map_err(|mismatch| mismatch.found(describe_kind(value)))
}

/// `true` or `false`.
pub(super) fn boolean(value: &Value) -> Parsed<bool> {
    let mismatch = Mismatch::expected("`true` or `false`");
    match value {
        Value::Bool(value) => Ok(*value),
        Value::Text(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Err(mismatch.hint("write `true`, without quotes")),
            "false" | "no" | "off" => Err(mismatch.hint("write `false`, without quotes")),
            _ => Err(mismatch),
        },
        _ => Err(mismatch),
    }
}

/// A whole number of `unit` from `least` to `most`.
pub(super) fn count<T>(least: T, most: T, unit: &str) -> impl Fn(&Value) -> Parsed<T>
where
    T: TryFrom<i64> + PartialOrd + Copy + std::fmt::Display,
{
    move |value| {
        let unit = if unit.is_empty() {
            String::new()
        } else {
            format!(" of {unit}")
        };
        let mismatch = Mismatch::expected(format!("a whole number{unit} from {least} to {most}"));
        match value {
            Value::Integer(number) => T::try_from(*number)
                .ok()
                .filter(|number| (least..=most).contains(number))
                .ok_or(mismatch),
            Value::Text(text) if text.parse::<i64>().is_ok() => {
                Err(mismatch.hint("write the number without quotes"))
            }
            _ => Err(mismatch),
        }
    }
}

/// Some texts.
pub(super) fn texts(value: &Value) -> Parsed<Vec<String>> {
    let mismatch = Mismatch::expected("a list of texts");
    let Value::List(items) = value else {
        return Err(mismatch);
    };
    let texts = items.iter().map(|item| text(&item.value));
    texts.collect::<Parsed<_>>().map_err(|_| mismatch)
}

/// Names of repositories on a forge.
pub(super) fn repositories(value: &Value) -> Parsed<Vec<FullName>> {
    let mismatch = Mismatch::expected("a list of repositories, `<owner>/<name>`");
    let Ok(names) = texts(value) else {
        return Err(mismatch);
    };
    let names = names.iter().map(|name| name.parse().map_err(|_| name));
    let names: Result<_, &String> = names.collect();
    names.map_err(|name| mismatch.found(format!("`{}`", name.escape_debug())))
}

/// The longest time that is a time and no mistake, seconds.
const YEAR: i64 = 365 * 24 * 60 * 60;

/// A duration, at least one second.
pub(super) fn seconds<T>(value: &Value) -> Parsed<T>
where
    T: TryFrom<i64> + PartialOrd + Copy + std::fmt::Display + Default,
{
    let (Ok(least), Ok(most)) = (T::try_from(1), T::try_from(YEAR)) else {
        return Err(Mismatch::expected("seconds"));
    };
    count(least, most, "seconds")(value)
}

/// The public address of the web interface.
pub(super) fn web_url(value: &Value) -> Parsed<String> {
    let mismatch = Mismatch::expected("an `http://` or `https://` URL without `?` and `#`");
    let url = text(value).map_err(|_| mismatch.clone())?;
    if redact_url(&url) != url {
        let mismatch = mismatch.found(format!("credentials in `{}`", redact_url(&url)));
        return Err(mismatch.hint("everyone sees this URL; remove user and password"));
    }
    let host = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    match host {
        None if !url.contains("://") => Err(mismatch.hint(format!("write `https://{url}/`"))),
        Some(host)
            if !host.is_empty() && !host.starts_with('/') && !url.contains(['?', '#', ' ']) =>
        {
            Ok(if url.ends_with('/') { url } else { url + "/" })
        }
        Some(_) | None => Err(mismatch),
    }
}

/// Address of a forge or a proxy, with a slash at the end.
pub(super) fn forge_url(value: &Value) -> Parsed<Url> {
    let mismatch = Mismatch::expected("an `http://` or `https://` URL without user and password");
    let url = web_url(value).map_err(|error| Mismatch {
        found: error.found,
        hint: error.hint.filter(|hint| !hint.contains("password")),
        ..mismatch.clone()
    })?;
    Url::parse(&url).map_err(|error| mismatch.hint(error.to_string()))
}

/// The path of a file that is no secret.
pub(super) fn absolute_path(value: &Value) -> Parsed<String> {
    let mismatch = Mismatch::expected("an absolute path");
    match text(value) {
        Ok(path) if path.starts_with('/') => Ok(path),
        _ => Err(mismatch),
    }
}

/// URL of a database that Buildbot and this project's tables work on.
pub(super) fn database_url(value: &Value) -> Parsed<SecretUrl> {
    let mismatch = Mismatch::expected(
        "`sqlite:///<file>` or `postgresql://<user>:<password>@<host>/<database>`",
    );
    let url = match value {
        Value::Text(url) => url.trim(),
        _ => return Err(mismatch),
    };
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    // `postgresql+psycopg` names a driver.
    let dialect = scheme.and_then(|scheme| scheme.split('+').next());
    match dialect {
        Some("sqlite" | "postgresql") => Ok(SecretUrl::new(url)),
        Some("postgres") => Err(mismatch
            .found(format!("the URL `{}`", redact_url(url)))
            .hint("write `postgresql` instead of `postgres`")),
        // Whatever it is, it may contain a password.
        Some(_) => Err(mismatch.found(format!("the URL `{}`", redact_url(url)))),
        None => Err(mismatch.found("a text that is no URL")),
    }
}

/// A port, or a Twisted endpoint.
pub(super) fn endpoint(value: &Value) -> Parsed<Endpoint> {
    let mismatch = Mismatch::expected(
        "a port from 0 to 65535 or a Twisted endpoint such as `tcp:8010:interface=127.0.0.1`",
    );
    match value {
        Value::Integer(port) => u16::try_from(*port)
            .map(Endpoint::tcp)
            .map_err(|_| mismatch),
        Value::Text(text) => Endpoint::parse(text).ok_or(mismatch),
        _ => Err(mismatch),
    }
}

/// Which evaluator.
pub(super) fn engine(value: &Value) -> Parsed<Engine> {
    let engines = [Engine::Auto, Engine::Nix, Engine::NixEvalJobs];
    let known = |text: &str| engines.into_iter().find(|engine| engine.as_str() == text);
    match value {
        Value::Text(text) => known(text),
        _ => None,
    }
    .ok_or_else(|| Mismatch::expected("`auto`, `nix` or `nix-eval-jobs`"))
}

/// Nix systems, at least one.
pub(super) fn systems(value: &Value) -> Parsed<Vec<System>> {
    let mismatch = Mismatch::expected("a list of Nix systems such as `[x86_64-linux]`");
    let items = match value {
        Value::List(items) if items.is_empty() => return Err(mismatch.found("an empty list")),
        Value::List(items) => items,
        Value::Text(text) => return Err(mismatch.hint(format!("write `[{}]`", excerpt(text)))),
        _ => return Err(mismatch),
    };
    let mut systems = Vec::new();
    for Node { line, value } in items {
        let system = match value {
            Value::Text(text) => text.parse::<System>().ok(),
            _ => None,
        };
        let system = system.ok_or_else(|| {
            let found = format!("{} on line {line}", describe(value));
            mismatch.clone().found(found)
        })?;
        // Twice the same system means the same as once.
        if !systems.contains(&system) {
            systems.push(system);
        }
    }
    Ok(systems)
}

/// A branch pattern.
pub(super) fn glob(value: &Value) -> Parsed<BranchGlob> {
    let mismatch = Mismatch::expected("a pattern of branch names such as `release-*`");
    let pattern = text(value).map_err(|_| mismatch.clone())?;
    BranchGlob::new(&pattern).map_err(|error| mismatch.hint(error.to_string()))
}

/// Where git fetches from.
pub(super) fn git_url(value: &Value) -> Parsed<GitUrl> {
    let mismatch = Mismatch::expected(
        "a git URL such as `https://host/repo.git`, `ssh://git@host/repo.git` or `git@host:repo.git`",
    );
    let Value::Text(url) = value else {
        return Err(mismatch);
    };
    GitUrl::new(url).map_err(|error| match error {
        GitUrlError::Credentials(shown) => mismatch
            .found(format!("credentials in `{shown}`"))
            .hint("put `user:password` into a file and name it with the key `credentials_file`"),
        GitUrlError::Malformed(shown) => mismatch.found(format!("`{}`", excerpt(&shown))),
        GitUrlError::TooLong => mismatch.found("a longer text than Buildbot can store"),
    })
}

/// A branch name, without `refs/heads/`.
pub(super) fn branch(value: &Value) -> Parsed<String> {
    let mismatch = Mismatch::expected("the name of a branch such as `main`");
    let name = text(value).map_err(|error| Mismatch {
        hint: error.hint,
        ..mismatch.clone()
    })?;
    if let Some(short) = name.strip_prefix("refs/heads/") {
        return Err(mismatch.hint(format!("write `{}`", excerpt(short))));
    }
    if name.starts_with(['-', '/']) || name.contains([' ', '~', '^', ':', '?', '*', '[', '\\']) {
        return Err(mismatch.hint("git allows no such branch"));
    }
    Ok(name)
}

/// A file with a secret: a path, or the name of a credential.
pub(super) fn file_reference(value: &Value) -> Parsed<String> {
    let mismatch = Mismatch::expected("the path of a file, or the name of a systemd credential");
    match value {
        // It is easy to put the secret where its file belongs; then it must not be shown.
        Value::Text(text) if text.contains(char::is_control) || text.contains(':') => Err(mismatch
            .found("a text with colons or line breaks, which is not shown")
            .hint("write the secret into a file and name the file here")),
        Value::Text(text) if matches!(text.as_str(), "" | "." | "..") => Err(mismatch),
        Value::Text(text) => Ok(text.clone()),
        _ => Err(mismatch),
    }
}

/// Name of a folder, of a system user.
pub(super) fn user(value: &Value) -> Parsed<String> {
    let mismatch = Mismatch::expected("a user name of letters, digits, `_`, `-` and `.`");
    match value {
        Value::Text(name)
            if !name.starts_with(['.', '-'])
                && !name.is_empty()
                && name.chars().all(|character| {
                    character.is_ascii_alphanumeric() || "_-.".contains(character)
                }) =>
        {
            Ok(name.clone())
        }
        _ => Err(mismatch),
    }
}
