use std::path::PathBuf;

use url::Url;

use crate::secret::SecretFile;

use super::filters::filters;
use super::forges::{
    ForgeSettings, GiteaSettings, GithubCredential, GithubSettings, OauthSettings, WebhookSettings,
};
use super::read::secret_file;
use super::table::{Read, Table};
use super::value;

/// Where GitHub is if nothing else is said.
const GITHUB: &str = "https://github.com/";

pub(super) fn github(table: &Table) -> Read<Option<GithubSettings>> {
    let Some(table) = table.table("github")? else {
        return Ok(None);
    };
    let url = table.perhaps("instance_url", value::forge_url);
    let api_url = table.perhaps("api_url", value::forge_url);
    let credential = credential(&table);
    let app_webhook = table.optional("app_webhook", value::boolean, false);
    let check_runs = table.optional("check_runs", value::boolean, false);
    for (key, wanted, reason) in [
        ("app_webhook", app_webhook, "has a webhook"),
        ("check_runs", check_runs, "makes check runs"),
    ] {
        if let (Ok(GithubCredential::Token(_)), Ok(true)) = (&credential, wanted) {
            table.problem(key, format!("expected `id`: only a GitHub App {reason}"));
        }
    }
    let common = common(&table, "github-webhook-secret", "github-oauth-secret");
    table.finish();
    let url = match url? {
        Some(url) => url,
        None => Url::parse(GITHUB).map_err(|_| super::table::Reported)?,
    };
    Ok(Some(GithubSettings {
        api_url: api_url?.unwrap_or_else(|| github_api(&url)),
        url,
        credential: credential?,
        app_webhook: app_webhook?,
        check_runs: check_runs?,
        common: common?,
    }))
}

fn credential(table: &Table) -> Read<GithubCredential> {
    let id = table.perhaps("id", value::count(1_u64, u64::MAX >> 1, ""));
    let key = file_or(table, "secret_key_file", "github-app-secret-key");
    let token = secret_file(table, "token_file");
    match (id?, token?) {
        (Some(_), Some(_)) => {
            table.problem("token_file", "expected either this key or `id`, found both");
            Err(super::table::Reported)
        }
        (Some(id), None) => Ok(GithubCredential::App {
            id,
            secret_key_file: key?,
        }),
        (None, Some(token)) => Ok(GithubCredential::Token(token)),
        (None, None) => {
            table.problem(
                "id",
                "expected the number of a GitHub App, or a token in `token_file`, found neither",
            );
            Err(super::table::Reported)
        }
    }
}

/// <https://docs.github.com/en/enterprise-server/rest/overview>; data residency has the API beside
/// the instance as github.com has.
fn github_api(url: &Url) -> Url {
    let mut api = url.clone();
    let host = url.host_str().unwrap_or_default();
    if host == "github.com" || host.ends_with(".ghe.com") {
        // A host with a label more is a host.
        let _ = api.set_host(Some(&format!("api.{host}")));
        api
    } else {
        url.join("api/v3/").unwrap_or(api)
    }
}

pub(super) fn gitea(table: &Table) -> Read<Option<GiteaSettings>> {
    let Some(table) = table.table("gitea")? else {
        return Ok(None);
    };
    let url = table.required("instance_url", value::forge_url);
    let token_file = file_or(&table, "token_file", "gitea-token");
    let git_token_file = secret_file(&table, "git_token_file");
    let ssh_private_key_file = secret_file(&table, "ssh_private_key_file");
    let ssh_known_hosts_file = secret_file(&table, "ssh_known_hosts_file");
    let common = common(&table, "gitea-webhook-secret", "gitea-oauth-secret");
    table.finish();
    Ok(Some(GiteaSettings {
        url: url?,
        token_file: token_file?,
        git_token_file: git_token_file?,
        ssh_private_key_file: ssh_private_key_file?,
        ssh_known_hosts_file: ssh_known_hosts_file?,
        common: common?,
    }))
}

fn common(table: &Table, secret: &str, oauth_secret: &str) -> Read<ForgeSettings> {
    let secret_file = file_or(table, "webhook_secret_file", secret);
    let previous = self::secret_file(table, "webhook_previous_secret_file");
    let per_repository = table.optional("webhook_secret_per_repository", value::boolean, false);
    let filters = filters(table);
    let submodules = table.optional("submodules", value::repositories, Vec::new());
    let ca_file = table.perhaps("ca_file", value::absolute_path);
    let proxy = table.perhaps("proxy", value::forge_url);
    let oauth_id = table.perhaps("oauth_id", value::text);
    let oauth_secret_file = file_or(table, "oauth_secret_file", oauth_secret);
    Ok(ForgeSettings {
        webhook: WebhookSettings {
            secret_file: secret_file?,
            previous_secret_file: previous?,
            per_repository: per_repository?,
        },
        filters: filters?,
        submodules: submodules?,
        ca_file: ca_file?.map(PathBuf::from),
        proxy: proxy?,
        oauth: match (oauth_id?, oauth_secret_file?) {
            (Some(id), secret_file) => Some(OauthSettings { id, secret_file }),
            (None, _) => None,
        },
    })
}

/// The file below `key`, or the credential called `name`, as NixOS's unit has it.
pub(super) fn file_or(table: &Table, key: &'static str, name: &str) -> Read<SecretFile> {
    let reference = table.optional(key, value::file_reference, name.to_owned())?;
    Ok(SecretFile::new(table.path_of(key), reference))
}
