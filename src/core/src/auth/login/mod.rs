//! Logging in: the browser goes to a provider and comes back with a code, for which the provider
//! says who it is. OAuth 2.0 (RFC 6749) with PKCE (RFC 7636) at GitHub and Gitea, `OpenID` Connect
//! Core 1.0 elsewhere. Talks to providers; keeps nothing of what they give but who somebody is.

mod attempts;
mod error;
mod forge;
mod http;
mod id_token;
mod oidc;
mod settings;

use std::time::SystemTime;

use url::Url;

use self::attempts::{Attempt, Attempts};
use self::forge::ForgeLogin;
use self::oidc::OidcLogin;
use super::{Provider, User};

pub use self::error::LoginError;
pub use self::settings::{Client, ForgeAddress, LoginSettings, OidcProvider};

/// Somebody came back, and this is who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// Who.
    pub user: User,
    /// For people; the login if the provider does not say.
    pub full_name: String,
    /// Empty if the provider does not say, or has not verified it.
    pub email: String,
    /// URL of a picture; empty if there is none.
    pub avatar: String,
    /// What they wanted to see, a path of the web interface.
    pub redirect: String,
}

/// What makes a browser begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// Where it is to go.
    pub url: String,
    /// What it has to bring back as a cookie, so that nobody else's answer is taken for its own.
    pub cookie: String,
}

/// What a provider makes the browser bring back.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Ours.
    pub state: String,
    /// For who it is.
    pub code: String,
    /// Why there is no code.
    pub error: String,
}

/// The providers of one master.
#[derive(Debug)]
pub struct Logins {
    providers: Vec<Login>,
    attempts: Attempts,
    /// Where providers send browsers to.
    callback: String,
}

#[derive(Debug)]
enum Login {
    Forge(Box<ForgeLogin>),
    Oidc(Box<OidcLogin>),
}

impl Login {
    fn provider(&self) -> Provider {
        match self {
            Self::Forge(login) => login.provider(),
            Self::Oidc(_) => Provider::Oidc,
        }
    }
}

impl Logins {
    /// The providers that `settings` name. Asks none of them: one that is down is no reason not
    /// to start.
    pub fn new(settings: LoginSettings) -> Result<Self, LoginError> {
        let forges = settings.forges.into_iter();
        let forges = forges.map(|address| Ok(Login::Forge(Box::new(ForgeLogin::new(address)?))));
        let oidc = settings.oidc.into_iter();
        let oidc = oidc.map(|provider| Ok(Login::Oidc(Box::new(OidcLogin::new(provider)?))));
        Ok(Self {
            providers: forges.chain(oidc).collect::<Result<_, _>>()?,
            attempts: Attempts::default(),
            callback: settings.callback,
        })
    }

    /// Goes on with what `before` has begun: the settings were read again.
    pub fn adopt(&self, before: &Self) {
        self.attempts.adopt(&before.attempts);
    }

    /// The providers, and what people call them.
    pub fn providers(&self) -> Vec<(Provider, String)> {
        let providers = self.providers.iter();
        let named = providers.map(|login| {
            let title = match login {
                Login::Forge(forge) if forge.provider() == Provider::Github => "GitHub",
                Login::Forge(_) => "Gitea",
                Login::Oidc(oidc) => oidc.title(),
            };
            (login.provider(), title.to_owned())
        });
        named.collect()
    }

    /// A browser wants to log in, and to see `redirect` afterwards. Asks an `OpenID` Connect
    /// provider where that is, unless it was asked before.
    pub async fn begin(&self, provider: Provider, redirect: &str) -> Result<Begun, LoginError> {
        let login = self.login(provider)?;
        let (attempt, state, cookie) = Attempt::new(provider, redirect)?;
        let mut url = match login {
            Login::Forge(forge) => forge.authorize_url(),
            Login::Oidc(oidc) => oidc.authorize_url(&attempt.nonce).await?,
        };
        add_parameters(&mut url, &state, &attempt, &self.callback);
        self.attempts.add(state, attempt, SystemTime::now());
        Ok(Begun {
            url: url.into(),
            cookie,
        })
    }

    /// A browser with `cookie` has come back from a provider.
    pub async fn finish(&self, cookie: &str, answer: &Answer) -> Result<LoggedIn, LoginError> {
        let now = SystemTime::now();
        // Whatever the answer is, it is given once.
        let attempt = self
            .attempts
            .take(&answer.state, cookie, now)
            .ok_or(LoginError::NotBegun)?;
        if answer.code.is_empty() {
            let reason = if answer.error.is_empty() {
                "it gave no reason".to_owned()
            } else {
                error::excerpt(&answer.error)
            };
            return Err(LoginError::Refused(attempt.provider, reason));
        }
        let mut logged_in = match self.login(attempt.provider)? {
            Login::Forge(forge) => forge.who(&answer.code, &attempt, &self.callback).await?,
            Login::Oidc(oidc) => oidc.who(&answer.code, &attempt, &self.callback).await?,
        };
        let login = &logged_in.user.account.login;
        if login.chars().any(char::is_control) {
            // It would write lines of its own into logs.
            let why = format!("`{}` is no name", error::excerpt(login));
            let provider = attempt.provider;
            return Err(LoginError::Invalid { provider, why });
        }
        logged_in.redirect = attempt.redirect;
        Ok(logged_in)
    }

    /// As [`Logins::begin`], for callers that may block.
    pub fn begin_blocking(&self, provider: Provider, redirect: &str) -> Result<Begun, LoginError> {
        block_on(self.begin(provider, redirect))
    }

    /// As [`Logins::finish`], for callers that may block.
    pub fn finish_blocking(&self, cookie: &str, answer: &Answer) -> Result<LoggedIn, LoginError> {
        block_on(self.finish(cookie, answer))
    }

    fn login(&self, provider: Provider) -> Result<&Login, LoginError> {
        let mut providers = self.providers.iter();
        providers
            .find(|login| login.provider() == provider)
            .ok_or(LoginError::NoProvider(provider))
    }
}

/// Log-ins are rare: each call has a runtime of its own, which outlives nothing and crosses no fork.
fn block_on<T>(work: impl Future<Output = Result<T, LoginError>>) -> Result<T, LoginError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| LoginError::Settings(format!("log-in cannot be set up: {error}")))?;
    runtime.block_on(work)
}

/// What all providers are told.
fn add_parameters(url: &mut Url, state: &str, attempt: &Attempt, callback: &str) {
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("redirect_uri", callback)
        .append_pair("state", state)
        .append_pair("code_challenge", &attempt.challenge())
        .append_pair("code_challenge_method", "S256");
}

#[cfg(test)]
mod oidc_tests;
#[cfg(test)]
mod tests;
