use std::collections::BTreeMap;

use super::node::Value;
use super::read::secret_file;
use super::table::{Read, Reported, Table};
use super::value::{self, Mismatch, Parsed};
use crate::cache::{Target, secret};
use crate::results::component;
use crate::secret::{SecretFile, redact_url};

/// Where results are uploaded to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSettings {
    /// Its name here.
    pub name: String,
    /// What and where it is.
    pub target: Target,
    /// Its secrets, by the name that the agent expects.
    pub secrets: BTreeMap<&'static str, SecretFile>,
    /// Whether everything goes there that a result refers to, or the result alone.
    pub closure: bool,
    /// Whether also results of pull requests, whose code nobody has to have read.
    pub pull_requests: bool,
    /// Names of the projects whose results go there; none = all.
    pub projects: Option<Vec<String>>,
    /// Seconds that one upload of some results may take.
    pub timeout: u64,
}

/// Caches that have a key of their own, besides those below `caches`.
const TYPES: [&str; 3] = ["cachix", "niks3", "attic"];

pub(super) fn caches(table: &Table) -> Read<Vec<CacheSettings>> {
    let mut read: Vec<Read<CacheSettings>> = Vec::new();
    for kind in TYPES {
        match table.table(kind) {
            Ok(Some(cache)) => read.push(cache_of(kind, kind, &cache)),
            Ok(None) => {}
            Err(reported) => read.push(Err(reported)),
        }
    }
    let named = table.tables("caches", |name, cache| {
        if TYPES.contains(&name) || component(name) != name {
            let problem = format!("`{name}` cannot be the name of a cache here: use letters, digits, `-` and `_`, and none of `{}`", TYPES.join("`, `"));
            cache.problem("type", problem);
            return Err(Reported);
        }
        let kind = cache.required("type", kind)?;
        cache_of(name, kind, cache)
    })?;
    let mut caches: Vec<CacheSettings> = read.into_iter().collect::<Read<_>>()?;
    caches.extend(named);
    Ok(caches)
}

fn kind(value: &Value) -> Parsed<&'static str> {
    let kinds = ["cachix", "niks3", "attic", "store"];
    let known = match value {
        Value::Text(text) => kinds.into_iter().find(|kind| kind == text),
        _ => None,
    };
    known.ok_or_else(|| Mismatch::expected("`cachix`, `niks3`, `attic` or `store`"))
}

fn cache_of(name: &str, kind: &str, table: &Table) -> Read<CacheSettings> {
    let mut secrets = Secrets::default();
    let target = match kind {
        "cachix" => cachix(table, &mut secrets),
        "niks3" => niks3(table, &mut secrets),
        "attic" => attic(table, &mut secrets),
        _ => store(table, &mut secrets),
    };
    let closure = table.optional("closure", value::boolean, true);
    let pull_requests = table.optional("pull_requests", value::boolean, false);
    let projects = table.perhaps("projects", value::texts);
    let timeout = table.optional("timeout", value::seconds, 3600);
    if let (Ok(target), Ok(false)) = (&target, closure)
        && !target.takes_single_paths()
    {
        table.problem(
            "closure",
            format!("`false` is not possible: {kind} uploads closures only"),
        );
    }
    table.finish();
    Ok(CacheSettings {
        name: name.to_owned(),
        target: target?,
        secrets: secrets.0?,
        closure: closure?,
        pull_requests: pull_requests?,
        projects: projects?,
        timeout: timeout?,
    })
}

struct Secrets(Read<BTreeMap<&'static str, SecretFile>>);

impl Default for Secrets {
    fn default() -> Self {
        Self(Ok(BTreeMap::new()))
    }
}

impl Secrets {
    /// Whether the file below `key` is given.
    fn take(&mut self, table: &Table, key: &'static str, name: &'static str) -> bool {
        match (secret_file(table, key), &mut self.0) {
            (Ok(Some(file)), Ok(secrets)) => {
                secrets.insert(name, file);
                true
            }
            (Ok(None), _) => false,
            (Ok(Some(_)), Err(_)) => true,
            (Err(reported), _) => {
                self.0 = Err(reported);
                true
            }
        }
    }

    fn require(&mut self, table: &Table, key: &'static str, name: &'static str) {
        if !self.take(table, key, name) {
            table.problem(key, "is required: expected the path of a file, or the name of a systemd credential, found nothing");
            self.0 = Err(Reported);
        }
    }
}

fn cachix(table: &Table, secrets: &mut Secrets) -> Read<Target> {
    let cache = table.required("name", cache_name);
    let token = secrets.take(table, "auth_token_file", secret::CACHIX_AUTH_TOKEN);
    let key = secrets.take(table, "signing_key_file", secret::CACHIX_SIGNING_KEY);
    if !token && !key {
        table.problem("auth_token_file", "is required, or `signing_key_file`");
        return Err(Reported);
    }
    Ok(Target::Cachix { cache: cache? })
}

fn niks3(table: &Table, secrets: &mut Secrets) -> Read<Target> {
    let server_url = table.required("server_url", value::web_url);
    secrets.require(table, "auth_token_file", secret::NIKS3_AUTH_TOKEN);
    Ok(Target::Niks3 {
        server_url: server_url?,
    })
}

fn attic(table: &Table, secrets: &mut Secrets) -> Read<Target> {
    let server_url = table.required("server_url", value::web_url);
    let cache = table.required("cache", cache_name);
    secrets.require(table, "token_file", secret::ATTIC_TOKEN);
    Ok(Target::Attic {
        server_url: server_url?,
        cache: cache?,
    })
}

fn store(table: &Table, secrets: &mut Secrets) -> Read<Target> {
    let url = table.required("url", store_url);
    secrets.take(table, "signing_key_file", secret::SIGNING_KEY);
    secrets.take(table, "netrc_file", secret::NETRC);
    secrets.take(table, "aws_credentials_file", secret::AWS_CREDENTIALS);
    secrets.take(table, "ssh_key_file", secret::SSH_KEY);
    Ok(Target::Store { url: url? })
}

/// The name of a cache on its server.
fn cache_name(value: &Value) -> Parsed<String> {
    let mismatch = Mismatch::expected("the name of a cache: letters, digits, `-` and `_`");
    match value {
        Value::Text(name)
            if !name.is_empty()
                && !name.starts_with('-')
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-_+.".contains(c)) =>
        {
            Ok(name.clone())
        }
        _ => Err(mismatch),
    }
}

/// What `nix copy --to` takes.
fn store_url(value: &Value) -> Parsed<String> {
    let mismatch = Mismatch::expected(
        "the URL of a Nix store such as `s3://bucket?region=eu-west-1`, `https://cache.example.org` or `ssh-ng://host`",
    );
    let url = value::text(value).map_err(|_| mismatch.clone())?;
    if redact_url(&url) != url && !url.starts_with("ssh") {
        let hint = "it may hold no password or key: use `netrc_file`, `aws_credentials_file` or `signing_key_file`";
        return Err(mismatch.found(format!("`{}`", redact_url(&url))).hint(hint));
    }
    if !url.contains("://") || url.starts_with("://") || url.contains(char::is_whitespace) {
        return Err(mismatch);
    }
    Ok(url)
}
