//! From a request's headers and body to an event that is known to come from the forge.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Event;
use super::parse::{Malformed, parse};
use super::signature::{SignatureError, verify};
use crate::forge::ForgeKind;
use crate::secret::Secret;

/// Bytes of a body that are read. Forges send up to 25 MB, but what they say in more than a few
/// hundred thousand is lists of files; what is refused here is found by looking at the branch.
pub const BODY_BYTES_MAX: usize = 8 << 20;
/// Of a delivery's id, which is a UUID on both forges.
const ID_BYTES_MAX: usize = 128;

/// A delivery that was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Who sent it.
    pub forge: ForgeKind,
    /// The forge's id of it; a second one with the same id is a repetition.
    pub id: String,
    /// What happened.
    pub event: Event,
}

/// Why a delivery is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Larger than [`BODY_BYTES_MAX`].
    #[error("its body is larger than {BODY_BYTES_MAX} bytes")]
    TooLarge,
    /// A header is missing or has no sense.
    #[error("header `{0}` is missing or malformed: this is no webhook of the forge")]
    Header(&'static str),
    /// Neither JSON nor a form.
    #[error("its content type is `{0}`, expected `application/json`")]
    ContentType(String),
    /// Not from who knows the secret.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Signed, but not understood.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl Refusal {
    /// The status of the response.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge => 413,
            Self::Header(_) | Self::Malformed(_) => 400,
            Self::ContentType(_) => 415,
            Self::Signature(SignatureError::Missing | SignatureError::Malformed) => 401,
            Self::Signature(SignatureError::Mismatch) => 403,
        }
    }
}

/// Names of the headers of one forge.
struct Names {
    event: &'static str,
    id: &'static str,
    signature: &'static str,
}

/// <https://docs.github.com/en/webhooks/webhook-events-and-payloads#delivery-headers>
const GITHUB: Names = Names {
    event: "x-github-event",
    id: "x-github-delivery",
    signature: "x-hub-signature-256",
};

/// <https://docs.gitea.com/usage/webhooks>; Forgejo sends these beside its own.
const GITEA: Names = Names {
    event: "x-gitea-event",
    id: "x-gitea-delivery",
    signature: "x-gitea-signature",
};

/// Verifies that who knows one of the secrets sent `body`, and reads it.
///
/// `secrets` has those that are accepted for a repository, of which the body says the number: the
/// only thing that is believed before the signature was looked at, and all that a repository's own
/// secret can vouch for. Names of `headers` are in lower case.
pub fn receive(
    forge: ForgeKind,
    headers: &BTreeMap<String, String>,
    body: &[u8],
    secrets: impl FnOnce(Option<u64>) -> Vec<Secret<String>>,
) -> Result<Delivery, Refusal> {
    let names = match forge {
        ForgeKind::Github => GITHUB,
        ForgeKind::Gitea => GITEA,
    };
    if body.len() > BODY_BYTES_MAX {
        return Err(Refusal::TooLarge);
    }
    let header = |name| headers.get(name).map(String::as_str);
    let word = |name| header(name).filter(|text| is_word(text));
    let name = word(names.event).ok_or(Refusal::Header(names.event))?;
    let id = word(names.id).filter(|id| id.len() <= ID_BYTES_MAX);
    let id = id.ok_or(Refusal::Header(names.id))?;
    let payload = payload(header("content-type"), body)?;
    let about = serde_json::from_slice::<Claim>(&payload).ok();
    let about = about.and_then(|claim| claim.repository);
    let secrets = secrets(about.map(|repository| repository.id));
    verify(&secrets, body, header(names.signature))?;
    Ok(Delivery {
        forge,
        id: id.to_owned(),
        event: parse(forge, name, &payload)?,
    })
}

/// What a body claims to be about.
#[derive(Deserialize)]
struct Claim {
    repository: Option<ClaimedRepository>,
}

#[derive(Deserialize)]
struct ClaimedRepository {
    id: u64,
}

/// The JSON in `body`; hooks that people made by hand may send it in a form.
fn payload<'body>(
    content_type: Option<&str>,
    body: &'body [u8],
) -> Result<Cow<'body, [u8]>, Refusal> {
    let content_type = content_type.unwrap_or_default();
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    match kind {
        "application/json" => Ok(Cow::Borrowed(body)),
        "application/x-www-form-urlencoded" => {
            let mut fields = url::form_urlencoded::parse(body);
            let payload = fields.find(|(name, _)| name == "payload");
            let payload = payload.map(|(_, value)| value).unwrap_or_default();
            Ok(Cow::Owned(payload.into_owned().into_bytes()))
        }
        _ => Err(Refusal::ContentType(kind.to_owned())),
    }
}

fn is_word(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}
