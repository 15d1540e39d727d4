use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::GithubCredential;
use crate::forge::http::{Authority, Call, Http, Token};
use crate::forge::{Fault, ForgeError, FullName};
use crate::secret::{Secret, SecretFile, SecretPlaces};

use super::access::{Access, Needs};
use super::jwt::{AppToken, sign};
use super::wire;

/// Seconds before its end at which a token is no longer used.
const MARGIN: i64 = 5 * 60;
/// The same for tokens that git uses: a fetch may take a while.
const GIT_MARGIN: i64 = 30 * 60;

/// A token of an installation.
#[derive(Debug, Clone)]
pub(super) struct Minted {
    pub(super) token: Secret<String>,
    /// None if it does not expire.
    pub(super) expires_at: Option<Timestamp>,
    advice: Option<String>,
}

impl Minted {
    fn lasts(&self, now: i64, margin: i64) -> bool {
        self.expires_at
            .is_none_or(|end| end.as_second() - now > margin)
    }
}

/// Installation, repository if it is limited to one, and what it may do.
type Key = (u64, Option<Limit>, Needs);

/// The only repository of a token.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Limit {
    Number(u64),
    Name(FullName),
}

/// Locked while a token is made, so that only one is.
type Slot = Arc<tokio::sync::Mutex<Option<Minted>>>;

/// Makes and keeps tokens: one for each repository and purpose, so that none can do more than it
/// is used for. They are kept in memory alone.
#[derive(Debug)]
pub(super) struct Tokens {
    http: Arc<Http>,
    credential: GithubCredential,
    places: SecretPlaces,
    app: Mutex<Option<AppToken>>,
    minted: Mutex<BTreeMap<Key, Slot>>,
    /// Installations of repositories that were asked after, by name.
    installations: Mutex<BTreeMap<FullName, u64>>,
}

impl Tokens {
    pub(super) fn new(http: Arc<Http>, credential: GithubCredential, places: SecretPlaces) -> Self {
        Self {
            http,
            credential,
            places,
            app: Mutex::default(),
            minted: Mutex::default(),
            installations: Mutex::default(),
        }
    }

    /// A token that lasts long enough for git.
    pub(super) async fn for_git(&self, access: &Access) -> Result<Minted, ForgeError> {
        match &self.credential {
            GithubCredential::Token(file) => Ok(Minted {
                token: self.read(file)?,
                expires_at: None,
                advice: None,
            }),
            GithubCredential::App { .. } => self.installation_token(access, GIT_MARGIN).await,
        }
    }

    fn read(&self, file: &SecretFile) -> Result<Secret<String>, ForgeError> {
        file.read(&self.places)
            .map_err(|error| ForgeError::new(Fault::Auth, "talk to GitHub", error.to_string()))
    }

    fn app_token(&self) -> Result<Token, ForgeError> {
        let GithubCredential::App {
            id,
            secret_key_file,
        } = &self.credential
        else {
            let reason = "there is only a person's token in the settings";
            return Err(ForgeError::new(
                Fault::Refused,
                "act as a GitHub App",
                reason,
            ));
        };
        let now = self.http.clock.now();
        let mut app = lock(&self.app);
        let kept = app.take().filter(|token| token.expires_at - now > 60);
        let token = match kept {
            Some(token) => token,
            None => sign(*id, &self.read(secret_key_file)?, now).map_err(|reason| {
                let path = secret_key_file.path(&self.places);
                let doing = format!("sign with `{}`", path.display());
                ForgeError::new(Fault::Auth, doing, reason).hint(
                    "`github.secret_key_file` has to be the file that GitHub gave when the private \
                     key of the App was made",
                )
            })?,
        };
        let header = bearer(&token.token);
        *app = Some(token);
        Ok(Token {
            scope: "app".to_owned(),
            header: Some(header),
            advice: Some(
                "are `github.id` and `github.secret_key_file` of the same App?".to_owned(),
            ),
        })
    }

    async fn installation_token(&self, access: &Access, margin: i64) -> Result<Minted, ForgeError> {
        let key = self.key(access).await?;
        let now = self.http.clock.now();
        let slot = self.slot(&key, now);
        let mut kept = slot.lock().await;
        if let Some(minted) = kept.as_ref().filter(|minted| minted.lasts(now, margin)) {
            return Ok(minted.clone());
        }
        match self.mint(&key, access).await {
            Ok(minted) => {
                *kept = Some(minted.clone());
                Ok(minted)
            }
            Err(error) => {
                if let (Fault::NotFound, Some(name)) = (error.fault, access.name()) {
                    // It may be another installation's now.
                    lock(&self.installations).remove(name);
                }
                Err(error)
            }
        }
    }

    /// Where the token for `key` is kept. Now and then, those that are over are dropped.
    fn slot(&self, key: &Key, now: i64) -> Slot {
        let mut minted = lock(&self.minted);
        if minted.len().is_power_of_two() {
            minted.retain(|_, slot| {
                let is_over = |minted: &Option<Minted>| {
                    minted.as_ref().is_none_or(|minted| !minted.lasts(now, 0))
                };
                // One that is locked is being made.
                slot.try_lock().map_or(true, |minted| !is_over(&minted))
            });
        }
        Arc::clone(minted.entry(key.clone()).or_default())
    }

    async fn key(&self, access: &Access) -> Result<Key, ForgeError> {
        match access {
            Access::App => Err(ForgeError::new(
                Fault::Refused,
                "get a token of an installation",
                "the App itself is none",
            )),
            Access::Installation { id, needs } => Ok((*id, None, *needs)),
            Access::Repository {
                id,
                name,
                installation,
                needs,
            } => {
                let installation = self.installation_or(*installation, name).await?;
                Ok((installation, Some(Limit::Number(*id)), *needs))
            }
            Access::Named {
                name,
                installation,
                needs,
            } => {
                let installation = self.installation_or(*installation, name).await?;
                Ok((installation, Some(Limit::Name(name.clone())), *needs))
            }
        }
    }

    async fn installation_or(
        &self,
        known: Option<u64>,
        name: &FullName,
    ) -> Result<u64, ForgeError> {
        match known {
            Some(installation) => Ok(installation),
            None => self.installation_of(name).await,
        }
    }

    /// The installation that can see the repository `name`.
    async fn installation_of(&self, name: &FullName) -> Result<u64, ForgeError> {
        if let Some(id) = lock(&self.installations).get(name) {
            return Ok(*id);
        }
        let doing = format!("find the App's installation for `{name}`");
        let url = self
            .http
            .url(&["repos", name.owner(), name.name(), "installation"]);
        let call = Call::get(doing, url);
        let installation: wire::Installation = self.as_app(&call).await?;
        lock(&self.installations).insert(name.clone(), installation.id);
        Ok(installation.id)
    }

    /// Makes a token for `key`. If the App lacks a permission, the token is made without, because
    /// much of what is public can be read all the same.
    async fn mint(
        &self,
        &(installation, ref limit, needs): &Key,
        access: &Access,
    ) -> Result<Minted, ForgeError> {
        let mut body = json!({"permissions": permissions(needs.0.iter().copied())});
        match limit {
            Some(Limit::Number(id)) => body["repository_ids"] = json!([id]),
            Some(Limit::Name(name)) => body["repositories"] = json!([name.name()]),
            None => {}
        }
        match self.mint_once(installation, body.clone(), access).await {
            Err(error) if error.status == Some(422) => {
                let granted = self.granted(installation).await?;
                let missing = wire::missing(&granted, needs.0);
                let having = needs
                    .0
                    .iter()
                    .copied()
                    .filter(|need| !missing.contains(need));
                if missing.is_empty() {
                    // Then it is the repository, which moved out of the installation's reach.
                    return Err(ForgeError {
                        fault: Fault::NotFound,
                        ..error
                    });
                }
                let advice = format!(
                    "the GitHub App lacks the permission {}: add it in the App's settings, and accept \
                     the change where the App is installed",
                    words(&missing)
                );
                let rest = permissions(having);
                if rest.as_object().is_none_or(serde_json::Map::is_empty) {
                    return Err(ForgeError {
                        fault: Fault::Auth,
                        ..error
                    }
                    .hint(advice));
                }
                body["permissions"] = rest;
                let minted = self.mint_once(installation, body, access).await?;
                Ok(Minted {
                    advice: Some(advice),
                    ..minted
                })
            }
            other => other,
        }
    }

    async fn mint_once(
        &self,
        installation: u64,
        body: Value,
        access: &Access,
    ) -> Result<Minted, ForgeError> {
        #[derive(Deserialize)]
        struct Answer {
            token: String,
            expires_at: Timestamp,
        }
        let doing = match access.name() {
            Some(name) => format!("get a token for `{name}`"),
            None => format!("get a token of installation {installation}"),
        };
        let path = [
            "app",
            "installations",
            &installation.to_string(),
            "access_tokens",
        ];
        let call = Call::replace(doing, self.http.url(&path), body);
        let answer: Answer = self.as_app(&call).await.map_err(|error| {
            let hint = match error.fault {
                Fault::NotFound => "the App is not installed there any more",
                Fault::Auth if error.status == Some(403) => {
                    "the App's installation is suspended; who owns it can take that back"
                }
                _ => return error,
            };
            ForgeError {
                hint: None,
                ..error
            }
            .hint(hint)
        })?;
        Ok(Minted {
            token: Secret::new(answer.token),
            expires_at: Some(answer.expires_at),
            advice: None,
        })
    }

    /// What an installation may do.
    async fn granted(&self, installation: u64) -> Result<wire::Permissions, ForgeError> {
        let doing = format!("read the permissions of installation {installation}");
        let path = ["app", "installations", &installation.to_string()];
        let call = Call::get(doing, self.http.url(&path));
        let installation: wire::Installation = self.as_app(&call).await?;
        Ok(installation.permissions)
    }

    async fn as_app<T: serde::de::DeserializeOwned>(&self, call: &Call) -> Result<T, ForgeError> {
        let token = self.app_token()?;
        let reply = match self.http.send(call, &token, None).await {
            // Our clock may have been wrong, which is known now.
            Err(error) if error.status == Some(401) && self.refused(&token) => {
                self.http.send(call, &self.app_token()?, None).await?
            }
            other => other?,
        };
        reply.json(call)
    }
}

#[async_trait]
impl Authority for Tokens {
    type Access = Access;

    async fn token(&self, access: &Access) -> Result<Token, ForgeError> {
        if let GithubCredential::Token(file) = &self.credential {
            return Ok(Token {
                scope: "token".to_owned(),
                header: Some(bearer(&self.read(file)?)),
                advice: Some(
                    "a personal access token needs the scopes `repo` and `admin:repo_hook`, and \
                     `read:org` for members of organisations"
                        .to_owned(),
                ),
            });
        }
        if matches!(access, Access::App) {
            return self.app_token();
        }
        let minted = self.installation_token(access, MARGIN).await?;
        let (installation, ..) = self.key(access).await?;
        Ok(Token {
            scope: format!("installation {installation}"),
            header: Some(bearer(&minted.token)),
            advice: minted.advice,
        })
    }

    fn refused(&self, token: &Token) -> bool {
        match &self.credential {
            // It may have been changed just now.
            GithubCredential::Token(file) => self
                .read(file)
                .is_ok_and(|other| Some(bearer(&other)) != token.header),
            GithubCredential::App { .. } => {
                if token.scope == "app" {
                    *lock(&self.app) = None;
                } else {
                    lock(&self.minted).retain(|_, slot| {
                        slot.try_lock().is_ok_and(|minted| {
                            minted
                                .as_ref()
                                .is_some_and(|minted| Some(bearer(&minted.token)) != token.header)
                        })
                    });
                }
                true
            }
        }
    }
}

fn bearer(token: &Secret<String>) -> Secret<String> {
    Secret::new(format!("Bearer {}", token.expose()))
}

fn permissions(needs: impl Iterator<Item = (&'static str, &'static str)>) -> Value {
    needs
        .map(|(name, level)| (name.to_owned(), Value::from(level)))
        .collect()
}

fn words(needs: &[(&str, &str)]) -> String {
    let words: Vec<String> = needs
        .iter()
        .map(|(name, level)| format!("`{name}: {level}`"))
        .collect();
    words.join(" and ")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
