use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, IF_NONE_MATCH, LOCATION};
use reqwest::{Method, StatusCode};
use tokio::sync::Semaphore;
use url::Url;

use crate::forge::clock::Clock;
use crate::forge::{Fault, ForgeError};

use super::limit::{self, Limits};
use super::reply::Reply;
use super::{Call, Memory, Pace, Token};

/// Requests at the same time. GitHub allows a hundred.
pub(in crate::forge) const READS: usize = 32;
/// Requests at the same time that change something, of which forges like fewer.
pub(in crate::forge) const WRITES: usize = 8;
/// Bytes of an answer; a page of a hundred repositories has half a million.
const BODY_BYTES_MAX: usize = 32 << 20;
/// Redirects that are followed for one request.
const REDIRECTS_MAX: usize = 3;

/// How a forge is reached.
#[derive(Debug, Clone)]
pub(in crate::forge) struct Connection {
    /// Where its API is, with a slash at the end.
    pub(in crate::forge) base: Url,
    /// Certificates that are trusted besides those of the system, PEM.
    pub(in crate::forge) ca_file: Option<PathBuf>,
    /// Instead of what `HTTPS_PROXY` and its like say.
    pub(in crate::forge) proxy: Option<Url>,
    /// Sent with every request.
    pub(in crate::forge) headers: Vec<(&'static str, &'static str)>,
    pub(in crate::forge) pace: Pace,
}

/// A client of one forge.
#[derive(Debug)]
pub(in crate::forge) struct Http {
    client: reqwest::Client,
    base: Url,
    pace: Pace,
    limits: Limits,
    reads: Semaphore,
    writes: Semaphore,
    pub(in crate::forge) clock: Clock,
    pub(in crate::forge) memory: Arc<Memory>,
}

impl Http {
    /// Opens no connection yet. Fails if the certificates cannot be read.
    pub(in crate::forge) fn new(
        connection: Connection,
        clock: Clock,
        memory: Arc<Memory>,
    ) -> Result<Self, ForgeError> {
        let doing = || format!("get ready to talk to `{}`", connection.base);
        let wrong = |reason: String| ForgeError::new(Fault::Refused, doing(), reason);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        for (name, value) in &connection.headers {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("buildbot-nix/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(connection.pace.connect)
            .timeout(connection.pace.request)
            // Ours keep the method and the token, and stay on the forge.
            .redirect(reqwest::redirect::Policy::none());
        if let Some(file) = &connection.ca_file {
            let read = std::fs::read(file)
                .map_err(|error| wrong(format!("`{}`: {error}", file.display())))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&read)
                .map_err(|error| wrong(format!("`{}`: {}", file.display(), chain(&error))))?;
            if certificates.is_empty() {
                return Err(wrong(format!("`{}` holds no certificate", file.display())));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        if let Some(proxy) = &connection.proxy {
            let proxy = reqwest::Proxy::all(proxy.as_str())
                .map_err(|error| wrong(format!("the proxy: {}", chain(&error))))?;
            builder = builder.proxy(proxy.no_proxy(reqwest::NoProxy::from_env()));
        }
        let client = builder.build().map_err(|error| wrong(chain(&error)))?;
        Ok(Self {
            client,
            base: connection.base,
            pace: connection.pace,
            limits: Limits::default(),
            reads: Semaphore::new(READS),
            writes: Semaphore::new(WRITES),
            clock,
            memory,
        })
    }

    /// The URL below the API's with the path `segments`, each escaped.
    pub(in crate::forge) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        // Only URLs that cannot be a base, such as `mailto:`, have no segments.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// Whether `url` is part of the API, and so may see a token.
    pub(super) fn is_ours(&self, url: &Url) -> bool {
        url.origin() == self.base.origin() && url.path().starts_with(self.base.path())
    }

    /// Sends `call` until it is answered, or until that is hopeless. `etag` makes it a question for
    /// what changed; the answer may be "304 Not Modified" then.
    pub(in crate::forge) async fn send(
        &self,
        call: &Call,
        token: &Token,
        etag: Option<&str>,
    ) -> Result<Reply, ForgeError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.wait_for_limit(call, token).await?;
            let (error, pause) = match self.once(call, token, etag).await {
                Ok(reply) => {
                    let Some(error) = self.judge(call, token, &reply) else {
                        return Ok(reply);
                    };
                    let said = limit::retry_after(&reply.headers, self.clock.now());
                    (error, said)
                }
                Err(Unanswered { error, was_sent }) => {
                    if was_sent && !call.is_repeatable {
                        return Err(error);
                    }
                    (error, None)
                }
            };
            let is_worth_it = match error.fault {
                // Refused before anything was done.
                Fault::RateLimited(wait) => wait <= self.pace.patience,
                Fault::Unavailable => call.is_repeatable,
                Fault::Auth | Fault::NotFound | Fault::Refused => false,
            };
            if !is_worth_it || attempt >= self.pace.attempts {
                return Err(error);
            }
            if error.fault == Fault::Unavailable {
                let pause = pause.unwrap_or_else(|| self.pace.pause(attempt));
                tracing::info!(%error, ?pause, "trying again");
                tokio::time::sleep(pause.min(self.pace.patience)).await;
            }
        }
    }

    async fn wait_for_limit(&self, call: &Call, token: &Token) -> Result<(), ForgeError> {
        while let Some(wait) = self.limits.wait_of(&token.scope) {
            if wait > self.pace.patience {
                let reason = format!(
                    "`{}` takes no requests for another {} s",
                    self.base,
                    wait.as_secs()
                );
                return Err(ForgeError::new(
                    Fault::RateLimited(wait),
                    &call.doing,
                    reason,
                ));
            }
            tracing::info!(?wait, scope = token.scope, "waiting for the forge's limit");
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// What `reply` means, if it is no success; notes what it says about limits.
    fn judge(&self, call: &Call, token: &Token, reply: &Reply) -> Option<ForgeError> {
        // Tokens hold times, and the forge may just have compared them with its clock.
        if reply.status == StatusCode::UNAUTHORIZED
            && let Some(date) = reply.date()
        {
            self.clock.adjust(date);
        }
        let now = self.clock.now();
        let error = reply.failure(call, now);
        let hold = match &error {
            Some(error) => match error.fault {
                Fault::RateLimited(wait) => Some(wait),
                _ => None,
            },
            None => limit::used_up(&reply.headers, now),
        };
        if let Some(wait) = hold {
            self.limits.hold(&token.scope, wait);
        }
        error
    }

    /// One request with its redirects.
    async fn once(
        &self,
        call: &Call,
        token: &Token,
        etag: Option<&str>,
    ) -> Result<Reply, Unanswered> {
        let permits = if call.changes_something() {
            &self.writes
        } else {
            &self.reads
        };
        // Never closed.
        let _permit = permits.acquire().await.ok();
        let mut call = call.clone();
        for _ in 0..=REDIRECTS_MAX {
            let reply = self.exchange(&call, token, etag).await?;
            let Some(target) = redirect(&reply) else {
                return Ok(reply);
            };
            if !self.is_ours(&target) {
                let reason = format!("`{}` sends us to `{target}`, which is elsewhere", call.url);
                let error = ForgeError::new(Fault::Refused, &call.doing, reason)
                    .hint("is the forge's URL in the settings the one that it has itself?");
                return Err(Unanswered::sent(error));
            }
            if reply.status == StatusCode::SEE_OTHER {
                (call.method, call.body) = (Method::GET, None);
            }
            call.url = target;
        }
        let reason = format!("`{}` redirects without end", call.url);
        Err(Unanswered::sent(ForgeError::new(
            Fault::Unavailable,
            &call.doing,
            reason,
        )))
    }

    async fn exchange(
        &self,
        call: &Call,
        token: &Token,
        etag: Option<&str>,
    ) -> Result<Reply, Unanswered> {
        let failed = |was_sent: bool, reason: String| {
            let reason = format!("`{}`: {reason}", call.url);
            let error = ForgeError::new(Fault::Unavailable, &call.doing, reason);
            Unanswered { error, was_sent }
        };
        let mut request = self.client.request(call.method.clone(), call.url.clone());
        if let Some(header) = &token.header {
            let mut header = HeaderValue::from_str(header.expose())
                .map_err(|_| failed(false, "the token holds control characters".to_owned()))?;
            header.set_sensitive(true);
            request = request.header(AUTHORIZATION, header);
        }
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let begun = Instant::now();
        let mut response = request
            .send()
            .await
            .map_err(|error| failed(!error.is_connect(), self.words(&error)))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| failed(true, self.words(&error)))?
        {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                let most = BODY_BYTES_MAX >> 20;
                return Err(failed(
                    true,
                    format!("the answer is larger than {most} MiB"),
                ));
            }
            body.extend_from_slice(&chunk);
        }
        tracing::debug!(
            method = %call.method,
            url = %call.url,
            status = status.as_u16(),
            milliseconds = begun.elapsed().as_millis(),
            bytes = body.len(),
            scope = token.scope,
        );
        Ok(Reply {
            status,
            headers,
            body,
            url: call.url.clone(),
        })
    }

    fn words(&self, error: &reqwest::Error) -> String {
        if error.is_timeout() {
            let limit = if error.is_connect() {
                self.pace.connect
            } else {
                self.pace.request
            };
            return format!("no answer within {}", shown(limit));
        }
        chain(error)
    }
}

/// A request without an answer that can be used.
struct Unanswered {
    error: ForgeError,
    /// Whether the forge may have got it.
    was_sent: bool,
}

impl Unanswered {
    fn sent(error: ForgeError) -> Self {
        Self {
            error,
            was_sent: true,
        }
    }
}

/// Where `reply` sends us.
fn redirect(reply: &Reply) -> Option<Url> {
    let is_redirect = matches!(reply.status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let target = reply.text(LOCATION.as_str()).filter(|_| is_redirect)?;
    reply.url.join(target).ok()
}

/// `error` and its causes; not its URL, which messages have anyway.
fn chain(error: &reqwest::Error) -> String {
    use std::error::Error as _;

    let mut words = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push(error.to_string());
        cause = error.source();
    }
    // The last two say what happened; those before wrap them.
    match words.as_slice() {
        [] => error.to_string(),
        [.., before, last] if !before.contains(last.as_str()) => format!("{before}: {last}"),
        [.., last] => last.clone(),
    }
}

fn shown(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}
