use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Seconds by which clocks may differ.
const LEEWAY: u64 = 60;
/// What may sign: algorithms with a private key that only the provider has. Those with a shared
/// secret would let whoever knows the public key sign.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// What a token has to be for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
}

/// Why a token does not count.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rejected {
    /// It is signed with a key that is not among these: there may be newer ones.
    UnknownKey,
    /// It does not.
    Invalid(String),
}

#[derive(Debug, Deserialize)]
struct Claims {
    nonce: Option<String>,
    /// Who it was given to, if it is for several.
    azp: Option<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// The claims of `token`, if one of `keys` signed it and it is for what is expected: `OpenID`
/// Connect Core 1.0, section 3.1.3.7.
pub(super) fn verify(
    token: &str,
    keys: &JwkSet,
    expected: &Expected<'_>,
) -> Result<Map<String, Value>, Rejected> {
    let invalid = |error: jsonwebtoken::errors::Error| Rejected::Invalid(error.to_string());
    let header = decode_header(token).map_err(invalid)?;
    if !ALGORITHMS.contains(&header.alg) {
        let why = format!("it is signed with {:?}, which is not accepted", header.alg);
        return Err(Rejected::Invalid(why));
    }
    let key = signing_key(keys, &header).ok_or(Rejected::UnknownKey)?;
    let key = DecodingKey::from_jwk(key).map_err(invalid)?;
    let mut validation = Validation::new(header.alg);
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims = decode::<Claims>(token, &key, &validation)
        .map_err(invalid)?
        .claims;
    if claims.nonce.as_deref() != Some(expected.nonce) {
        return Err(Rejected::Invalid("it is of another log-in".to_owned()));
    }
    if claims.azp.is_some_and(|party| party != expected.client_id) {
        return Err(Rejected::Invalid(
            "it was given to somebody else".to_owned(),
        ));
    }
    Ok(claims.others)
}

fn signing_key<'a>(keys: &'a JwkSet, header: &Header) -> Option<&'a Jwk> {
    let mut fitting = keys.keys.iter().filter(|key| {
        let signs = key.common.public_key_use.as_ref();
        let signs = signs.is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
        let algorithm = key.common.key_algorithm.as_ref();
        signs && algorithm.is_none_or(|algorithm| is_same(*algorithm, header.alg))
    });
    match &header.kid {
        Some(kid) => fitting.find(|key| key.common.key_id.as_ref() == Some(kid)),
        // Without a name it has to be clear which one it is.
        None => fitting.next().filter(|_| fitting.next().is_none()),
    }
}

fn is_same(key: KeyAlgorithm, token: Algorithm) -> bool {
    key.to_string() == format!("{token:?}")
}
