use std::path::PathBuf;

use url::Url;

use crate::auth::{Provider, Team};
use crate::config::{ForgeSettings, Settings};
use crate::error::Error;
use crate::secret::{Secret, SecretFile, SecretPlaces};

/// All that logging in needs.
#[derive(Debug)]
pub struct LoginSettings {
    /// Where providers send browsers to, `https://…/auth/login`.
    pub callback: String,
    /// GitHub and Gitea.
    pub forges: Vec<ForgeAddress>,
    /// An `OpenID` Connect provider.
    pub oidc: Option<OidcProvider>,
}

/// What a provider calls this instance, and how it proves to be that.
#[derive(Debug, Clone)]
pub struct Client {
    /// Public.
    pub id: String,
    /// Known to the provider.
    pub secret: Secret<String>,
}

/// A forge that users log in with.
#[derive(Debug)]
pub struct ForgeAddress {
    /// Which.
    pub provider: Provider,
    /// Its pages, `https://github.com/`; the path ends with a slash.
    pub web: Url,
    /// Its interface, `https://api.github.com/` or `https://git.example.org/api/v1/`.
    pub api: Url,
    /// Authorities that are trusted besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// What it is reached through, instead of what the environment says.
    pub proxy: Option<Url>,
    /// Of the OAuth app.
    pub client: Client,
    /// What it is asked about besides organisations.
    pub teams: Vec<Team>,
}

/// An `OpenID` Connect provider.
#[derive(Debug)]
pub struct OidcProvider {
    /// On the button.
    pub title: String,
    /// Where it describes itself.
    pub discovery: Url,
    /// Authorities that are trusted besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// What was registered there.
    pub client: Client,
    /// What is asked for.
    pub scope: Vec<String>,
    /// Claim with the login.
    pub username: String,
    /// Claim with the mail address.
    pub email: String,
    /// Claim with the name.
    pub full_name: String,
    /// Claim with the groups.
    pub groups: Option<String>,
}

impl LoginSettings {
    /// Those of `settings`, with secrets from `places`; none if nobody can log in.
    pub fn of(settings: &Settings, places: &SecretPlaces) -> Result<Option<Self>, Error> {
        let access = &settings.access;
        let client = |id: &str, file: &SecretFile| {
            let secret = file.read(places)?;
            let id = id.to_owned();
            Ok::<_, Error>(Client { id, secret })
        };
        let forge = |provider: Provider, web: &Url, api: Url, common: &ForgeSettings| {
            let wanted = access.providers.contains(&provider);
            let oauth = common.oauth.as_ref().filter(|_| wanted);
            let address = oauth.map(|oauth| {
                Ok::<_, Error>(ForgeAddress {
                    provider,
                    web: web.clone(),
                    api,
                    ca_file: common.ca_file.clone(),
                    proxy: common.proxy.clone(),
                    client: client(&oauth.id, &oauth.secret_file)?,
                    teams: access.members_by.teams().to_vec(),
                })
            });
            address.transpose()
        };
        let mut forges = Vec::new();
        if let Some(github) = &settings.github {
            let api = github.api_url.clone();
            forges.extend(forge(Provider::Github, &github.url, api, &github.common)?);
        }
        if let Some(gitea) = &settings.gitea {
            let api = within(&gitea.url, "api/v1/");
            forges.extend(forge(Provider::Gitea, &gitea.url, api, &gitea.common)?);
        }
        let oidc = access.oidc.as_ref();
        let oidc = oidc.filter(|_| access.providers.contains(&Provider::Oidc));
        let oidc = oidc.map(|oidc| {
            Ok::<_, Error>(OidcProvider {
                title: oidc.name.clone(),
                discovery: oidc.discovery_url.clone(),
                client: client(&oidc.client_id, &oidc.client_secret_file)?,
                ca_file: oidc.ca_file.clone(),
                scope: oidc.scope.clone(),
                username: oidc.username.clone(),
                email: oidc.email.clone(),
                full_name: oidc.full_name.clone(),
                groups: oidc.groups.clone(),
            })
        });
        let oidc = oidc.transpose()?;
        let nobody = forges.is_empty() && oidc.is_none();
        Ok((!nobody).then(|| Self {
            callback: format!("{}auth/login", settings.url),
            forges,
            oidc,
        }))
    }
}

/// `base`, whose path ends with a slash, with `path` behind it.
pub(super) fn within(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path()));
    url
}
