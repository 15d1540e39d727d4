use std::path::Path;
use std::time::Duration;

use reqwest::{
    Certificate, Client, NoProxy, Proxy, RequestBuilder, Response, StatusCode, Url, redirect,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::LoginError;
use super::error::excerpt;
use crate::auth::Provider;

/// A person waits.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of an answer.
const SIZE_MAX: usize = 1 << 20;

/// Asks providers.
#[derive(Debug, Clone)]
pub(super) struct Http(Client);

impl Http {
    /// Trusts what the system does, and the authorities in `ca_file`. Goes through `proxy` instead
    /// of that of the environment.
    pub(super) fn new(ca_file: Option<&Path>, proxy: Option<&Url>) -> Result<Self, LoginError> {
        let wrong = |why: String| LoginError::Settings(format!("log-in cannot be set up: {why}"));
        let mut builder = Client::builder()
            .user_agent(concat!("buildbot-nix/", env!("CARGO_PKG_VERSION")))
            .timeout(TIMEOUT)
            // A connection belongs to the runtime of one call.
            .pool_max_idle_per_host(0)
            // Credentials go where the settings say.
            .redirect(redirect::Policy::none());
        if let Some(path) = ca_file {
            let shown = path.display();
            let text = std::fs::read(path).map_err(|error| wrong(format!("{shown}: {error}")))?;
            let authorities = Certificate::from_pem_bundle(&text)
                .map_err(|error| wrong(format!("{shown}: {error}")))?;
            for authority in authorities {
                builder = builder.add_root_certificate(authority);
            }
        }
        if let Some(proxy) = proxy {
            let proxy =
                Proxy::all(proxy.as_str()).map_err(|error| wrong(format!("the proxy: {error}")))?;
            builder = builder.proxy(proxy.no_proxy(NoProxy::from_env()));
        }
        let client = builder.build().map_err(|error| wrong(error.to_string()))?;
        Ok(Self(client))
    }

    pub(super) fn get(&self, url: Url) -> RequestBuilder {
        self.0.get(url).header("accept", "application/json")
    }

    pub(super) fn post(&self, url: Url) -> RequestBuilder {
        self.0.post(url).header("accept", "application/json")
    }
}

#[derive(Deserialize)]
struct OauthRefusal {
    error: String,
    error_description: Option<String>,
}

/// What `provider` answers to `request`, which asks for `what`.
pub(super) async fn answer<T: DeserializeOwned>(
    provider: Provider,
    what: &'static str,
    request: RequestBuilder,
) -> Result<T, LoginError> {
    let unavailable = |why: String| LoginError::Unavailable {
        provider,
        what,
        why,
    };
    // Without its URL: that may have a code in it.
    let response = request
        .send()
        .await
        .map_err(|error| unavailable(causes(&error.without_url())))?;
    let status = response.status();
    let body = body(response).await.map_err(unavailable)?;
    if status == StatusCode::BAD_REQUEST || status == StatusCode::UNAUTHORIZED {
        // RFC 6749, section 5.2.
        if let Ok(refusal) = serde_json::from_slice::<OauthRefusal>(&body) {
            let reason = refusal.error_description.unwrap_or(refusal.error);
            return Err(LoginError::Refused(provider, excerpt(&reason)));
        }
    }
    if !status.is_success() {
        let said = excerpt(&String::from_utf8_lossy(&body));
        return Err(unavailable(format!("HTTP {status}: {said}")));
    }
    serde_json::from_slice(&body)
        .map_err(|error| unavailable(format!("its answer is not what was expected: {error}")))
}

async fn body(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= SIZE_MAX => body.extend(chunk),
            Ok(Some(_)) => return Err(format!("its answer has more than {SIZE_MAX} bytes")),
            Ok(None) => return Ok(body),
            Err(error) => return Err(causes(&error.without_url())),
        }
    }
}

/// An error and what caused it; the outermost alone says little.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
