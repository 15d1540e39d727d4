use reqwest::StatusCode;
use reqwest::header::{ETAG, HeaderMap, LINK};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::forge::status::cut;
use crate::forge::{Fault, ForgeError};

use super::link::link;
use super::{Call, limit};

/// A whole answer.
#[derive(Debug)]
pub(in crate::forge) struct Reply {
    pub(in crate::forge) status: StatusCode,
    pub(in crate::forge) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Where it came from, after redirects.
    pub(super) url: Url,
}

/// What one page of a list holds.
#[derive(Debug)]
pub(in crate::forge) struct Page<T> {
    pub(in crate::forge) content: T,
    pub(super) next: Option<Url>,
    pub(super) last: Option<Url>,
    /// How many things the whole list had, where the forge says it in a header.
    pub(in crate::forge) total: Option<u64>,
}

/// Characters of a forge's own words in a message.
const SAID_LENGTH_MAX: usize = 300;

impl Reply {
    /// The answer as `T`.
    pub(in crate::forge) fn json<T: DeserializeOwned>(&self, call: &Call) -> Result<T, ForgeError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let reason = format!(
                "`{}` answered with something else than expected: {error}",
                self.url
            );
            ForgeError::new(Fault::Unavailable, &call.doing, reason).hint(
                "is this the address of the forge, and nothing in between that answers for it?",
            )
        })
    }

    /// The answer as a page of a list.
    pub(super) fn page<T: DeserializeOwned>(&self, call: &Call) -> Result<Page<T>, ForgeError> {
        let links = self.text(LINK.as_str()).unwrap_or_default();
        Ok(Page {
            content: self.json(call)?,
            next: link(links, "next", &self.url),
            last: link(links, "last", &self.url),
            total: self
                .text("x-total-count")
                .and_then(|text| text.parse().ok()),
        })
    }

    pub(super) fn etag(&self) -> Option<&str> {
        self.text(ETAG.as_str())
    }

    /// The header `name`.
    pub(in crate::forge) fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// When the forge sent it.
    pub(in crate::forge) fn date(&self) -> Option<jiff::Timestamp> {
        let text = self.text("date")?;
        jiff::fmt::rfc2822::DateTimeParser::new()
            .parse_timestamp(text)
            .ok()
    }

    /// What the answer means, where it is no success. `now` is the forge's time.
    pub(super) fn failure(&self, call: &Call, now: i64) -> Option<ForgeError> {
        let status = self.status;
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return None;
        }
        let said = Said::read(&self.body);
        let about = said.documentation_url.as_deref();
        let fault = match limit::refusal(status, &self.headers, about, now) {
            Some(wait) => Fault::RateLimited(wait),
            None => fault(status),
        };
        let mut reason = format!("`{}` answered {}", self.url, shown(status));
        if !said.words.is_empty() {
            reason.push_str(": ");
            reason.push_str(&said.words);
        }
        Some(ForgeError {
            status: Some(status.as_u16()),
            ..ForgeError::new(fault, &call.doing, reason)
        })
    }
}

fn fault(status: StatusCode) -> Fault {
    match status.as_u16() {
        401 | 403 | 407 => Fault::Auth,
        404 | 410 | 451 => Fault::NotFound,
        408 | 425 | 500..=599 => Fault::Unavailable,
        _ => Fault::Refused,
    }
}

fn shown(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(words) => format!("{} ({words})", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// What the body of a refusal says. Both forges send `message`, GitHub also which fields it is
/// about.
#[derive(Debug, Default)]
struct Said {
    words: String,
    documentation_url: Option<String>,
}

impl Said {
    fn read(body: &[u8]) -> Self {
        let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
            return Self::default();
        };
        let text = |name: &str| fields.get(name)?.as_str().map(str::to_owned);
        let mut words = vec![text("message").unwrap_or_default()];
        for error in fields
            .get("errors")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let message = error
                .get("message")
                .and_then(Value::as_str)
                .or(error.as_str());
            words.extend(message.map(str::to_owned));
        }
        words.retain(|word| !word.is_empty());
        let words = words.join(": ").escape_debug().to_string();
        Self {
            words: cut(
                &words.replace("\\'", "'").replace("\\\"", "\""),
                SAID_LENGTH_MAX,
            ),
            documentation_url: text("documentation_url"),
        }
    }
}
