use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::tests::{answers, at, back, client, parameter, settings};
use super::*;

const DISCOVERY: &str = "/realm/.well-known/openid-configuration";

/// A provider that signs with one key and lists another or the same.
struct Issuer {
    server: MockServer,
    logins: Logins,
    begun: Begun,
    signs: (EncodingKey, &'static str),
}

fn new_key() -> EncodingKey {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    EncodingKey::from_ec_der(key.to_pkcs8v1().unwrap().as_ref())
}

fn keys(listed: &[(&EncodingKey, &str)]) -> Value {
    let keys = listed.iter().map(|(key, kid)| {
        let mut jwk = Jwk::from_encoding_key(key, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some((*kid).to_owned());
        jwk
    });
    let mut keys: Vec<Value> = keys.map(|key| serde_json::to_value(key).unwrap()).collect();
    keys.push(json!({"kty": "of the future"}));
    json!({"keys": keys})
}

fn provider(server: &MockServer) -> OidcProvider {
    OidcProvider {
        title: "Company".to_owned(),
        discovery: at(server, DISCOVERY),
        ca_file: None,
        client: client(),
        scope: vec!["openid".to_owned(), "groups".to_owned()],
        username: "preferred_username".to_owned(),
        email: "email".to_owned(),
        full_name: "name".to_owned(),
        groups: Some("groups".to_owned()),
    }
}

fn description(server: &MockServer) -> Value {
    json!({
        "issuer": format!("{}/realm", server.uri()),
        "authorization_endpoint": at(server, "/realm/authorize"),
        "token_endpoint": at(server, "/realm/token"),
        "jwks_uri": at(server, "/realm/keys"),
        "userinfo_endpoint": at(server, "/realm/userinfo"),
    })
}

impl Issuer {
    async fn new() -> Self {
        let server = MockServer::start().await;
        answers(&server, DISCOVERY, description(&server)).await;
        let logins = Logins::new(settings(Vec::new(), Some(provider(&server)))).unwrap();
        let begun = logins.begin(Provider::Oidc, "/x").await.unwrap();
        let signs = (new_key(), "one");
        answers(&server, "/realm/keys", keys(&[(&signs.0, signs.1)])).await;
        Self {
            server,
            logins,
            begun,
            signs,
        }
    }

    fn claims(&self) -> Value {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        json!({
            "iss": format!("{}/realm", self.server.uri()),
            "aud": "ci",
            "sub": "42",
            "iat": now,
            "exp": now + 300,
            "nonce": parameter(&self.begun.url, "nonce"),
        })
    }

    fn sign(&self, claims: &Value) -> String {
        let (key, kid) = &self.signs;
        let header = Header {
            kid: Some((*kid).to_owned()),
            ..Header::new(Algorithm::ES256)
        };
        encode(&header, claims, key).unwrap()
    }

    /// A while later it signs with a new key that is called `kid`, and lists that as `listed`.
    async fn rotate(&mut self, kid: &'static str, listed: &str) -> String {
        for login in &self.logins.providers {
            if let Login::Oidc(oidc) = login {
                oidc.keys_are_old();
            }
        }
        self.begun = self.logins.begin(Provider::Oidc, "/").await.unwrap();
        self.signs = (new_key(), kid);
        self.server.reset().await;
        answers(
            &self.server,
            "/realm/keys",
            keys(&[(&self.signs.0, listed)]),
        )
        .await;
        self.sign(&self.claims())
    }

    /// The provider gives `token`, and of the user the claims `about`.
    async fn finish(&self, token: String, about: Value) -> Result<LoggedIn, LoginError> {
        let said = json!({"access_token": "t0ken", "id_token": token});
        answers(&self.server, "/realm/token", said).await;
        answers(&self.server, "/realm/userinfo", about).await;
        let answer = back(&self.begun);
        self.logins.finish(&self.begun.cookie, &answer).await
    }
}

fn about() -> Value {
    json!({
        "sub": "42",
        "preferred_username": "alice",
        "name": "Alice A.",
        "email": "alice@x",
        "groups": ["acme", "admins", 7],
    })
}

#[tokio::test]
async fn the_provider_says_who_it_is() {
    let issuer = Issuer::new().await;
    assert_eq!(parameter(&issuer.begun.url, "scope"), "openid groups");
    let token = issuer.sign(&issuer.claims());
    let logged_in = issuer.finish(token, about()).await.unwrap();
    insta::assert_debug_snapshot!(logged_in);
}

#[rstest::rstest]
#[case("exp", json!(1_000_000), "its token: ExpiredSignature")]
#[case("aud", json!("other"), "its token: InvalidAudience")]
#[case("iss", json!("https://evil"), "its token: InvalidIssuer")]
#[case("nonce", json!("other"), "its token: it is of another log-in")]
#[case("nonce", Value::Null, "its token: it is of another log-in")]
#[case("azp", json!("other"), "its token: it was given to somebody else")]
#[case("exp", Value::Null, "its token: Missing required claim: exp")]
#[case("sub", Value::Null, "its token: Missing required claim: sub")]
#[tokio::test]
async fn tokens_that_do_not_count(#[case] claim: &str, #[case] value: Value, #[case] why: &str) {
    let issuer = Issuer::new().await;
    let mut claims = issuer.claims();
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(claim);
    } else {
        claims[claim] = value;
    }
    let token = issuer.sign(&claims);
    let error = issuer.finish(token, about()).await.unwrap_err();
    let text = format!("what oidc said does not count: {why}");
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn a_token_that_somebody_else_signed() {
    let mut issuer = Issuer::new().await;
    issuer.signs.0 = new_key();
    let token = issuer.sign(&issuer.claims());
    let error = issuer.finish(token, about()).await.unwrap_err();
    assert!(
        error.to_string().ends_with("its token: InvalidSignature"),
        "{error}"
    );
}

/// Whoever knows the public key could make these.
#[rstest::rstest]
#[case(r#"{"alg":"none"}"#)]
#[case(r#"{"alg":"HS256","kid":"one"}"#)]
#[tokio::test]
async fn a_token_that_nobody_signed(#[case] header: &str) {
    use base64::Engine as _;
    let issuer = Issuer::new().await;
    let part = |text: &str| base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(text);
    let claims = issuer.claims().to_string();
    let token = format!("{}.{}.c2ln", part(header), part(&claims));
    let error = issuer.finish(token, about()).await.unwrap_err();
    assert!(matches!(error, LoginError::Invalid { .. }), "{error}");
}

#[tokio::test]
async fn new_keys_are_asked_for_when_one_is_used() {
    let mut issuer = Issuer::new().await;
    let first = issuer.sign(&issuer.claims());
    issuer.finish(first, about()).await.unwrap();
    let token = issuer.rotate("two", "two").await;
    issuer.finish(token, about()).await.unwrap();
    // What names a key that is not listed any more does not count.
    let token = issuer.rotate("one", "two").await;
    let error = issuer.finish(token, about()).await.unwrap_err();
    assert!(
        error.to_string().ends_with("a key that it does not list"),
        "{error}"
    );
}

#[tokio::test]
async fn names_are_no_lines_of_a_log() {
    let issuer = Issuer::new().await;
    let token = issuer.sign(&issuer.claims());
    let about = json!({"sub": "42", "preferred_username": "eve\nbuildbot-nix: oidc:root did"});
    let error = issuer.finish(token, about).await.unwrap_err();
    let text = r"what oidc said does not count: `eve\nbuildbot-nix: oidc:root did` is no name";
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn new_keys_are_asked_for_but_not_again_and_again() {
    let mut issuer = Issuer::new().await;
    let first = issuer.sign(&issuer.claims());
    issuer.finish(first, about()).await.unwrap();
    issuer.begun = issuer.logins.begin(Provider::Oidc, "/").await.unwrap();
    issuer.signs = (new_key(), "two");
    let token = issuer.sign(&issuer.claims());
    issuer.server.reset().await;
    let listed = keys(&[(&issuer.signs.0, "two")]);
    Mock::given(path("/realm/keys"))
        .respond_with(ResponseTemplate::new(200).set_body_json(listed))
        .expect(0)
        .mount(&issuer.server)
        .await;
    let error = issuer.finish(token, about()).await.unwrap_err();
    let text =
        "what oidc said does not count: its token is signed with a key that it does not list";
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn claims_about_somebody_else() {
    let issuer = Issuer::new().await;
    let token = issuer.sign(&issuer.claims());
    let about = json!({"sub": "43", "preferred_username": "root"});
    let error = issuer.finish(token, about).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("its claims are about somebody else"),
        "{error}"
    );
}

#[tokio::test]
async fn a_provider_that_is_down_can_come_back() {
    let server = MockServer::start().await;
    let logins = Logins::new(settings(Vec::new(), Some(provider(&server)))).unwrap();
    let error = logins.begin(Provider::Oidc, "/").await.unwrap_err();
    assert!(matches!(error, LoginError::Unavailable { .. }), "{error}");
    answers(&server, DISCOVERY, description(&server)).await;
    logins.begin(Provider::Oidc, "/").await.unwrap();
}

#[tokio::test]
async fn a_provider_speaks_for_itself_only() {
    let server = MockServer::start().await;
    let mut said = description(&server);
    said["issuer"] = json!("https://accounts.example");
    answers(&server, DISCOVERY, said).await;
    let logins = Logins::new(settings(Vec::new(), Some(provider(&server)))).unwrap();
    let error = logins.begin(Provider::Oidc, "/").await.unwrap_err();
    assert!(matches!(error, LoginError::Invalid { .. }), "{error}");
}
