use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use crate::secret::Secret;

/// Seconds by which a token says it was made earlier.
///
/// GitHub refuses tokens from the future, and ones that last longer than ten minutes from *its*
/// now. With these two values a clock may be three minutes ahead and five behind.
const BACKDATED: i64 = 180;
/// Seconds until it expires.
const LIFETIME: i64 = 300;

#[derive(Debug, Serialize)]
struct Claims {
    iat: i64,
    exp: i64,
    iss: String,
}

/// A token with which the App itself is known.
#[derive(Debug, Clone)]
pub(super) struct AppToken {
    pub(super) token: Secret<String>,
    /// Seconds since 1970.
    pub(super) expires_at: i64,
}

/// Signs a token for App number `id` with its private key, PEM, at `now`, GitHub's time.
///
/// <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app>
pub(super) fn sign(id: u64, key: &Secret<String>, now: i64) -> Result<AppToken, String> {
    let key = EncodingKey::from_rsa_pem(key.expose().as_bytes())
        .map_err(|_| "it holds no RSA private key in PEM form".to_owned())?;
    let claims = Claims {
        iat: now - BACKDATED,
        exp: now + LIFETIME,
        iss: id.to_string(),
    };
    let token = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key)
        .map_err(|error| format!("cannot sign with it: {error}"))?;
    Ok(AppToken {
        token: Secret::new(token),
        expires_at: claims.exp,
    })
}
