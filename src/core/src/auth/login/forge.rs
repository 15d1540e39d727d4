use serde::Deserialize;
use url::Url;

use super::attempts::Attempt;
use super::http::{Http, answer};
use super::settings::within;
use super::{ForgeAddress, LoggedIn, LoginError};
use crate::auth::{Account, Membership, Provider, Team, User};
use crate::secret::Secret;

/// Organisations or teams on one page of an answer, the most that Gitea gives by default.
const PAGE: usize = 50;
/// Nobody is in more than fit on so many pages.
const PAGES_MAX: usize = 20;

/// Logging in with GitHub or Gitea.
///
/// Sources: GitHub, "Authorizing OAuth apps" and "Users", "Organizations", "Emails" of its REST
/// API, "Teams" too; Gitea, "`OAuth2` provider" and its API's `/user`, `/user/orgs`, `/user/teams`.
#[derive(Debug)]
pub(super) struct ForgeLogin {
    address: ForgeAddress,
    http: Http,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<String>,
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

/// Both forges call it the same.
#[derive(Deserialize)]
struct Profile {
    id: u64,
    login: String,
    /// GitHub's name for the name.
    name: Option<String>,
    /// Gitea's.
    full_name: Option<String>,
    email: Option<String>,
    #[serde(default)]
    avatar_url: String,
}

#[derive(Deserialize)]
struct Organisation {
    /// On GitHub.
    login: Option<String>,
    /// On Gitea.
    username: Option<String>,
}

impl Organisation {
    fn into_name(self) -> Option<String> {
        self.login.or(self.username)
    }
}

#[derive(Deserialize)]
struct TeamOfUser {
    /// How GitHub writes the name in addresses; Gitea writes it as it is.
    slug: Option<String>,
    name: String,
    organization: Option<Organisation>,
}

impl TeamOfUser {
    fn into_team(self) -> Option<Team> {
        Some(Team {
            owner: self.organization?.into_name()?,
            name: self.slug.unwrap_or(self.name),
        })
    }
}

#[derive(Deserialize)]
struct Email {
    #[serde(rename = "email")]
    address: String,
    primary: bool,
    verified: bool,
}

impl ForgeLogin {
    pub(super) fn new(address: ForgeAddress) -> Result<Self, LoginError> {
        let http = Http::new(address.ca_file.as_deref(), address.proxy.as_ref())?;
        Ok(Self { address, http })
    }

    pub(super) fn provider(&self) -> Provider {
        self.address.provider
    }

    /// Where browsers go, with what only this forge needs.
    pub(super) fn authorize_url(&self) -> Url {
        let mut url = within(&self.address.web, "login/oauth/authorize");
        // To read only: who it is, and where they are a member.
        let scope = match self.address.provider {
            Provider::Gitea => "read:user read:organization",
            _ => "read:user user:email read:org",
        };
        url.query_pairs_mut()
            .append_pair("client_id", &self.address.client.id)
            .append_pair("scope", scope);
        url
    }

    /// Who has brought `code` back.
    pub(super) async fn who(
        &self,
        code: &str,
        attempt: &Attempt,
        callback: &str,
    ) -> Result<LoggedIn, LoginError> {
        let token = self.token(code, attempt, callback).await?;
        let profile: Profile = self.ask("the user", "user", &[], &token).await?;
        let memberships = self.memberships(&token).await?;
        let email = match profile.email {
            // GitHub shows there what the user chose to show, verified.
            Some(email) => email,
            None if self.address.provider == Provider::Github => self.primary_email(&token).await?,
            None => String::new(),
        };
        let name = profile.full_name.or(profile.name).unwrap_or_default();
        Ok(LoggedIn {
            full_name: if name.is_empty() {
                profile.login.clone()
            } else {
                name
            },
            user: User {
                account: Account {
                    provider: self.address.provider,
                    login: profile.login,
                },
                id: profile.id.to_string(),
                memberships,
            },
            email,
            avatar: profile.avatar_url,
            redirect: String::new(),
        })
    }

    async fn token(
        &self,
        code: &str,
        attempt: &Attempt,
        callback: &str,
    ) -> Result<Secret<String>, LoginError> {
        let client = &self.address.client;
        let request = self
            .http
            .post(within(&self.address.web, "login/oauth/access_token"))
            .form(&[
                ("grant_type", "authorization_code"),
                ("client_id", &client.id),
                ("client_secret", client.secret.expose()),
                ("code", code),
                ("redirect_uri", callback),
                ("code_verifier", &attempt.verifier),
            ]);
        let provider = self.address.provider;
        // GitHub says no with status 200.
        let said: TokenAnswer = answer(provider, "a token", request).await?;
        said.access_token.map(Secret::new).ok_or_else(|| {
            let reason = [said.error_description, said.error];
            let reason = reason.into_iter().find(|reason| !reason.is_empty());
            LoginError::Refused(provider, reason.unwrap_or_else(|| "no token".to_owned()))
        })
    }

    async fn memberships(&self, token: &Secret<String>) -> Result<Vec<Membership>, LoginError> {
        let organisations: Vec<Organisation> = self
            .list("the user's organisations", "user/orgs", token)
            .await?;
        let names = organisations
            .into_iter()
            .filter_map(Organisation::into_name);
        let mut names: Vec<String> = names.collect();
        let wanted = &self.address.teams;
        if !wanted.is_empty() {
            let teams: Vec<TeamOfUser> = self.list("the user's teams", "user/teams", token).await?;
            let teams = teams.into_iter().filter_map(TeamOfUser::into_team);
            // Of the others nobody needs to know.
            let teams = teams.map(|team| team.to_string()).filter(|team| {
                let provider = self.address.provider;
                let mut wanted = wanted.iter();
                wanted.any(|known| provider.same_name(&known.to_string(), team))
            });
            names.extend(teams);
        }
        let memberships = names.into_iter().map(|name| Membership {
            provider: self.address.provider,
            name,
        });
        Ok(memberships.collect())
    }

    /// All pages of a list.
    async fn list<T: serde::de::DeserializeOwned>(
        &self,
        what: &'static str,
        path: &str,
        token: &Secret<String>,
    ) -> Result<Vec<T>, LoginError> {
        let size = PAGE.to_string();
        let mut all = Vec::new();
        for page in 1..=PAGES_MAX {
            let page = page.to_string();
            let query = [
                ("page", page.as_str()),
                // One each.
                ("per_page", size.as_str()),
                ("limit", size.as_str()),
            ];
            let found: Vec<T> = self.ask(what, path, &query, token).await?;
            let is_last = found.len() < PAGE;
            all.extend(found);
            if is_last {
                break;
            }
        }
        Ok(all)
    }

    async fn primary_email(&self, token: &Secret<String>) -> Result<String, LoginError> {
        let what = "the user's mail addresses";
        // An app of GitHub's may not be allowed to; nothing here depends on it.
        let Ok(emails) = self
            .ask::<Vec<Email>>(what, "user/emails", &[], token)
            .await
        else {
            return Ok(String::new());
        };
        let mut emails = emails.into_iter();
        let primary = emails.find(|email| email.primary && email.verified);
        Ok(primary.map(|email| email.address).unwrap_or_default())
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        what: &'static str,
        path: &str,
        query: &[(&str, &str)],
        token: &Secret<String>,
    ) -> Result<T, LoginError> {
        let request = self
            .http
            .get(within(&self.address.api, path))
            .query(query)
            .bearer_auth(token.expose());
        answer(self.address.provider, what, request).await
    }
}
