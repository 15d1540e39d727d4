use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::attempts::Attempt;
use super::error::excerpt;
use super::http::{Http, answer};
use super::id_token::{Expected, Rejected, verify};
use super::{LoggedIn, LoginError, OidcProvider};
use crate::auth::{Account, Membership, Provider, User};

/// How long what a provider says of itself is believed.
const DESCRIPTION_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Keys are asked for again at most that often because of a token whose key is not known.
const KEYS_AGE_MIN: Duration = Duration::from_secs(10);

/// Logging in with an `OpenID` Connect provider.
#[derive(Debug)]
pub(super) struct OidcLogin {
    settings: OidcProvider,
    http: Http,
    known: Mutex<Option<Known>>,
}

/// What a provider has said of itself.
#[derive(Debug, Clone)]
struct Known {
    description: Description,
    described_at: Instant,
    keys: Option<(JwkSet, Instant)>,
}

/// `OpenID` Connect Discovery 1.0, section 3.
#[derive(Debug, Clone, Deserialize)]
struct Description {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    userinfo_endpoint: Option<Url>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    id_token: String,
}

impl OidcLogin {
    pub(super) fn new(settings: OidcProvider) -> Result<Self, LoginError> {
        Ok(Self {
            http: Http::new(settings.ca_file.as_deref(), None)?,
            settings,
            known: Mutex::default(),
        })
    }

    pub(super) fn title(&self) -> &str {
        &self.settings.title
    }

    /// Where browsers go, with what only this provider needs.
    pub(super) async fn authorize_url(&self, nonce: &str) -> Result<Url, LoginError> {
        let mut url = self.description().await?.authorization_endpoint;
        url.query_pairs_mut()
            .append_pair("client_id", &self.settings.client.id)
            .append_pair("scope", &self.settings.scope.join(" "))
            .append_pair("nonce", nonce);
        Ok(url)
    }

    /// Who has brought `code` back.
    pub(super) async fn who(
        &self,
        code: &str,
        attempt: &Attempt,
        callback: &str,
    ) -> Result<LoggedIn, LoginError> {
        let description = self.description().await?;
        let token = self.token(&description, code, attempt, callback).await?;
        let mut claims = self
            .verified(&description, &token.id_token, &attempt.nonce)
            .await?;
        if let Some(url) = description.userinfo_endpoint {
            let request = self.http.get(url).bearer_auth(&token.access_token);
            let more: Map<String, Value> =
                answer(Provider::Oidc, "the user's claims", request).await?;
            // Of somebody else, they would be an attack: section 5.3.2.
            if more.get("sub") != claims.get("sub") {
                return Err(invalid("its claims are about somebody else"));
            }
            claims.extend(more);
        }
        self.logged_in(&claims)
    }

    async fn token(
        &self,
        description: &Description,
        code: &str,
        attempt: &Attempt,
        callback: &str,
    ) -> Result<TokenAnswer, LoginError> {
        let client = &self.settings.client;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", callback),
            ("code_verifier", &attempt.verifier),
        ];
        let request = self.http.post(description.token_endpoint.clone());
        // What a provider that does not say supports is `client_secret_basic`; most take both.
        let methods = &description.token_endpoint_auth_methods_supported;
        let takes = |method: &str| methods.iter().any(|known| known == method);
        let request = if takes("client_secret_post") || !takes("client_secret_basic") {
            form.push(("client_id", &client.id));
            form.push(("client_secret", client.secret.expose()));
            request
        } else {
            request.basic_auth(encoded(&client.id), Some(encoded(client.secret.expose())))
        };
        answer(Provider::Oidc, "a token", request.form(&form)).await
    }

    /// The claims of an id token. Keys that are not known yet are asked for.
    async fn verified(
        &self,
        description: &Description,
        token: &str,
        nonce: &str,
    ) -> Result<Map<String, Value>, LoginError> {
        let expected = Expected {
            issuer: &description.issuer,
            client_id: &self.settings.client.id,
            nonce,
        };
        let mut result = verify(token, &self.keys(description, false).await?, &expected);
        if result == Err(Rejected::UnknownKey) {
            result = verify(token, &self.keys(description, true).await?, &expected);
        }
        result.map_err(|rejected| match rejected {
            Rejected::UnknownKey => invalid("its token is signed with a key that it does not list"),
            Rejected::Invalid(why) => invalid(&format!("its token: {why}")),
        })
    }

    fn logged_in(&self, claims: &Map<String, Value>) -> Result<LoggedIn, LoginError> {
        let text = |claim: &str| match claims.get(claim) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        let settings = &self.settings;
        let login = text(&settings.username).ok_or_else(|| {
            let why = format!(
                "there is no claim `{}` with a name; an admin can choose another with \
                 `oidc.mapping.username`",
                excerpt(&settings.username)
            );
            invalid(&why)
        })?;
        let groups = settings.groups.as_ref().and_then(|claim| claims.get(claim));
        let groups = match groups {
            Some(Value::Array(groups)) => groups.as_slice(),
            _ => &[],
        };
        let is_verified = claims.get("email_verified") != Some(&Value::Bool(false));
        Ok(LoggedIn {
            full_name: text(&settings.full_name).unwrap_or_else(|| login.clone()),
            email: text(&settings.email)
                .filter(|_| is_verified)
                .unwrap_or_default(),
            avatar: text("picture").unwrap_or_default(),
            user: User {
                account: Account {
                    provider: Provider::Oidc,
                    login,
                },
                // Every verified token has it.
                id: text("sub").unwrap_or_default(),
                memberships: groups
                    .iter()
                    .filter_map(Value::as_str)
                    .map(|name| Membership {
                        provider: Provider::Oidc,
                        name: name.to_owned(),
                    })
                    .collect(),
            },
            redirect: String::new(),
        })
    }

    async fn description(&self) -> Result<Description, LoginError> {
        if let Some(known) = self.known(|known| known.clone())
            && known.described_at.elapsed() < DESCRIPTION_AGE_MAX
        {
            return Ok(known.description);
        }
        let request = self.http.get(self.settings.discovery.clone());
        let description: Description = answer(Provider::Oidc, "its description", request).await?;
        // Who can answer for this address may not speak for another: section 4.3.
        let own = format!(
            "{}/.well-known/openid-configuration",
            description.issuer.trim_end_matches('/')
        );
        if own != self.settings.discovery.as_str() {
            let issuer = excerpt(&description.issuer);
            let why = format!("it describes `{issuer}`, whose description would be at `{own}`");
            return Err(invalid(&why));
        }
        let known = Known {
            description: description.clone(),
            described_at: Instant::now(),
            keys: None,
        };
        self.known(|slot| *slot = Some(known));
        Ok(description)
    }

    async fn keys(&self, description: &Description, anew: bool) -> Result<JwkSet, LoginError> {
        let known = self.known(|known| known.as_ref().and_then(|known| known.keys.clone()));
        if let Some((keys, asked_at)) = known
            && (!anew || asked_at.elapsed() < KEYS_AGE_MIN)
        {
            return Ok(keys);
        }
        let request = self.http.get(description.jwks_uri.clone());
        let listed: Keys = answer(Provider::Oidc, "its keys", request).await?;
        let keys = listed.usable();
        self.known(|known| {
            if let Some(known) = known {
                known.keys = Some((keys.clone(), Instant::now()));
            }
        });
        Ok(keys)
    }

    #[cfg(test)]
    pub(super) fn keys_are_old(&self) {
        self.known(|known| {
            if let Some((_, asked_at)) = known.as_mut().and_then(|known| known.keys.as_mut()) {
                *asked_at -= KEYS_AGE_MIN;
            }
        });
    }

    fn known<T>(&self, with: impl FnOnce(&mut Option<Known>) -> T) -> T {
        with(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A key set, of which some keys may be of kinds that we do not know.
#[derive(Deserialize)]
struct Keys {
    keys: Vec<Value>,
}

impl Keys {
    fn usable(self) -> JwkSet {
        let keys = self.keys.into_iter();
        JwkSet {
            keys: keys
                .filter_map(|key| serde_json::from_value(key).ok())
                .collect(),
        }
    }
}

/// As RFC 6749, section 2.3.1 wants it in front of HTTP's own encoding.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn invalid(why: &str) -> LoginError {
    LoginError::Invalid {
        provider: Provider::Oidc,
        why: why.to_owned(),
    }
}
