use std::path::PathBuf;

use url::Url;

use crate::auth::{Admin, MembersBy, Provider, Team};
use crate::secret::SecretFile;

use super::isolation::texts;
use super::node::{Node, Value};
use super::read::secret_file;
use super::read_forges::file_or;
use super::table::{Read, Table};
use super::value::{self, Mismatch, Parsed};
use super::{GiteaSettings, GithubSettings, OauthSettings};

/// Who may log in, and what they may do then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessSettings {
    /// Who vouches for users; nobody can log in if there is none.
    pub providers: Vec<Provider>,
    /// Who may do everything.
    pub admins: Vec<Admin>,
    /// What makes somebody a member.
    pub members_by: MembersBy,
    /// Whether authors of pull requests may restart the runs of these.
    pub authors_may_restart: bool,
    /// Whether private repositories are hidden from those who cannot read them on the forge.
    pub hide_private_repositories: bool,
    /// Seconds after which users have to log in again.
    pub session_lifetime: u32,
    /// What the reverse proxy that logs users in proves itself with.
    pub proxy_password: Option<SecretFile>,
    /// The OpenID Connect provider.
    pub oidc: Option<OidcSettings>,
}

/// An OpenID Connect provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcSettings {
    /// On the button.
    pub name: String,
    /// Where it describes itself, `…/.well-known/openid-configuration`.
    pub discovery_url: Url,
    /// Certificates that are trusted besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// What it calls this instance.
    pub client_id: String,
    /// What this instance proves itself with.
    pub client_secret_file: SecretFile,
    /// What is asked for.
    pub scope: Vec<String>,
    /// Claim with the login.
    pub username: String,
    /// Claim with the mail address.
    pub email: String,
    /// Claim with the name.
    pub full_name: String,
    /// Claim with a list of groups.
    pub groups: Option<String>,
}

const WEEK: u32 = 7 * 24 * 60 * 60;

pub(super) fn access(table: &Table) -> Read<AccessSettings> {
    let providers = table.optional("auth_backend", providers, Vec::new());
    let admins = table.optional("admins", admins, Vec::new());
    let members_by = table.optional("members_by", members_by, MembersBy::Organisation);
    let authors_may_restart = table.optional("authors_may_restart", value::boolean, true);
    let hide = table.perhaps("hide_private_repositories", value::boolean);
    let session_lifetime = table.optional("session_lifetime", value::seconds, WEEK);
    let proxy_password = secret_file(table, "http_basic_auth_password_file");
    let oidc = oidc(table);
    if let Ok(providers) = &providers {
        check(table, providers, &admins, &proxy_password, &oidc);
    }
    let providers = providers?;
    // Behind a proxy everybody who gets through sees all; without log-in nobody could see them.
    let can_tell = providers
        .iter()
        .any(|provider| *provider != Provider::Proxy);
    Ok(AccessSettings {
        admins: admins?,
        members_by: members_by?,
        authors_may_restart: authors_may_restart?,
        hide_private_repositories: hide?.unwrap_or(can_tell),
        session_lifetime: session_lifetime?,
        proxy_password: proxy_password?,
        oidc: oidc?,
        providers,
    })
}

/// Whether the forges that log users in have an app for that.
pub(super) fn check_forges(
    table: &Table,
    access: &Read<AccessSettings>,
    github: &Read<Option<GithubSettings>>,
    gitea: &Read<Option<GiteaSettings>>,
) {
    let Ok(access) = access else { return };
    let missing = |provider: Provider, oauth: Option<Option<&OauthSettings>>| {
        access.providers.contains(&provider) && oauth == Some(None)
    };
    let github = github.as_ref().map(Option::as_ref).ok();
    let github = github.map(|github| github.and_then(|github| github.common.oauth.as_ref()));
    let gitea = gitea.as_ref().map(Option::as_ref).ok();
    let gitea = gitea.map(|gitea| gitea.and_then(|gitea| gitea.common.oauth.as_ref()));
    for (provider, oauth) in [(Provider::Github, github), (Provider::Gitea, gitea)] {
        if missing(provider, oauth) {
            let message = format!(
                "`{provider}` needs the key `oauth_id` in `{provider}`: the client ID of the app \
                 with which users log in"
            );
            table.problem("auth_backend", message);
        }
    }
}

/// What fits together only in some ways.
fn check(
    table: &Table,
    providers: &[Provider],
    admins: &Read<Vec<Admin>>,
    proxy_password: &Read<Option<SecretFile>>,
    oidc: &Read<Option<OidcSettings>>,
) {
    if providers.contains(&Provider::Proxy) && providers.len() > 1 {
        let message = "expected `httpbasicauth` alone: nobody gets here but through the proxy";
        table.problem("auth_backend", message);
    }
    if providers.contains(&Provider::Proxy) && *proxy_password == Ok(None) {
        let message = "is required with `auth_backend: httpbasicauth`: the password by which the \
                       proxy is known, or everybody could say who they are";
        table.problem("http_basic_auth_password_file", message);
    }
    if providers.contains(&Provider::Oidc) && *oidc == Ok(None) {
        table.problem("oidc", "is required with `auth_backend: oidc`");
    }
    if let (Ok(admins), [_, _, ..]) = (admins, providers)
        && let Some(admin) = admins.iter().find(|admin| admin.provider.is_none())
    {
        // The same name may be somebody else's at another provider.
        let (login, first) = (
            &admin.login,
            providers.first().map_or("", |one| one.as_str()),
        );
        let message = format!("`{login}` may be anybody: write `{first}:{login}`, or whose it is");
        table.problem("admins", message);
    }
}

fn oidc(table: &Table) -> Read<Option<OidcSettings>> {
    let Some(table) = table.table("oidc")? else {
        return Ok(None);
    };
    let name = table.optional("name", value::text, "OIDC Provider".to_owned());
    let discovery_url = table.required("discovery_url", discovery_url);
    let ca_file = table.perhaps("ca_file", value::absolute_path);
    let client_id = table.required("client_id", value::text);
    let secret = file_or(&table, "client_secret_file", "oidc-client-secret");
    let scope = ["openid", "email", "profile"].map(str::to_owned).to_vec();
    let scope = table.optional("scope", scopes, scope);
    let mapping = mapping(&table);
    table.finish();
    let [username, email, full_name, groups] = mapping?;
    Ok(Some(OidcSettings {
        name: name?,
        discovery_url: discovery_url?,
        ca_file: ca_file?.map(PathBuf::from),
        client_id: client_id?,
        client_secret_file: secret?,
        scope: scope?,
        username: username.unwrap_or_else(|| "preferred_username".to_owned()),
        email: email.unwrap_or_else(|| "email".to_owned()),
        full_name: full_name.unwrap_or_else(|| "name".to_owned()),
        groups,
    }))
}

fn mapping(table: &Table) -> Read<[Option<String>; 4]> {
    let Some(table) = table.table("mapping")? else {
        return Ok(Default::default());
    };
    let username = table.perhaps("username", value::text);
    let email = table.perhaps("email", value::text);
    let full_name = table.perhaps("full_name", value::text);
    let groups = table.perhaps("groups", value::text);
    table.finish();
    Ok([username?, email?, full_name?, groups?])
}

fn discovery_url(value: &Value) -> Parsed<Url> {
    let mismatch = Mismatch::expected("a URL such as `https://…/.well-known/openid-configuration`");
    let text = value::text(value).map_err(|_| mismatch.clone())?;
    let url = text.parse::<Url>().ok();
    url.filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host())
        .ok_or(mismatch)
}

fn scopes(value: &Value) -> Parsed<Vec<String>> {
    let expected = "a list of scopes such as `[openid, email, profile]`";
    let scopes = texts(value, expected)?;
    if scopes.iter().any(|scope| scope == "openid") {
        Ok(scopes)
    } else {
        Err(Mismatch::expected(expected).hint("`openid` has to be among them"))
    }
}

/// One provider, or several.
fn providers(value: &Value) -> Parsed<Vec<Provider>> {
    let one = std::slice::from_ref(value);
    let values: Vec<&Value> = match value {
        Value::List(items) => items.iter().map(|Node { value, .. }| value).collect(),
        _ => one.iter().collect(),
    };
    let mut providers = Vec::new();
    for value in values {
        let provider = match value {
            Value::Text(text) if text == "none" => continue,
            Value::Text(text) if text == "httpbasicauth" => Provider::Proxy,
            Value::Text(text) if text == "github" => Provider::Github,
            Value::Text(text) if text == "gitea" => Provider::Gitea,
            Value::Text(text) if text == "oidc" => Provider::Oidc,
            _ => {
                return Err(Mismatch::expected(
                    "`github`, `gitea`, `oidc`, `httpbasicauth` or `none`, or a list of them",
                ));
            }
        };
        if !providers.contains(&provider) {
            providers.push(provider);
        }
    }
    Ok(providers)
}

fn admins(value: &Value) -> Parsed<Vec<Admin>> {
    let expected = "a list of users such as `[alice, github:bob]`";
    let admins = texts(value, expected)?;
    admins
        .into_iter()
        .map(|text| match text.split_once(':') {
            None => Ok(Admin {
                provider: None,
                login: text,
            }),
            Some((provider, login)) => {
                let provider = provider
                    .parse()
                    .map_err(|error| Mismatch::expected(expected).hint(format!("{error}")))?;
                Ok(Admin {
                    provider: Some(provider),
                    login: login.to_owned(),
                })
            }
        })
        .collect()
}

fn members_by(value: &Value) -> Parsed<MembersBy> {
    let expected = "`organisation`, `repository`, or a list of teams such as `[acme/ci]`";
    match value {
        Value::Text(text) if text == "organisation" => Ok(MembersBy::Organisation),
        Value::Text(text) if text == "repository" => Ok(MembersBy::Repository),
        Value::List(_) => {
            let teams = texts(value, expected)?.into_iter().map(|text| {
                let (owner, name) = text.split_once('/')?;
                let is_team = !owner.is_empty() && !name.is_empty() && !name.contains('/');
                is_team.then(|| Team {
                    owner: owner.to_owned(),
                    name: name.to_owned(),
                })
            });
            let teams = teams.collect::<Option<Vec<_>>>();
            teams
                .filter(|teams| !teams.is_empty())
                .map(MembersBy::Teams)
                .ok_or_else(|| Mismatch::expected(expected))
        }
        _ => Err(Mismatch::expected(expected)),
    }
}
