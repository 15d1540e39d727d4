use serde_json::{Value, json};
use wiremock::matchers::{body_string_contains, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::auth::Team;
use crate::secret::Secret;

pub(super) fn client() -> Client {
    Client {
        id: "ci".to_owned(),
        secret: Secret::new("s3cret".to_owned()),
    }
}

pub(super) fn settings(forges: Vec<ForgeAddress>, oidc: Option<OidcProvider>) -> LoginSettings {
    LoginSettings {
        callback: "https://ci.example/auth/login".to_owned(),
        forges,
        oidc,
    }
}

pub(super) fn at(server: &MockServer, path: &str) -> Url {
    format!("{}{path}", server.uri()).parse().unwrap()
}

pub(super) async fn answers(server: &MockServer, path_: &str, body: Value) {
    Mock::given(path(path_))
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .mount(server)
        .await;
}

pub(super) fn parameter(url: &str, name: &str) -> String {
    let url: Url = url.parse().unwrap();
    let mut pairs = url.query_pairs();
    let (_, value) = pairs.find(|(key, _)| key == name).unwrap();
    value.into_owned()
}

/// The browser comes back with a code.
pub(super) fn back(begun: &Begun) -> Answer {
    Answer {
        state: parameter(&begun.url, "state"),
        code: "c0de".to_owned(),
        error: String::new(),
    }
}

async fn github(server: &MockServer) -> Logins {
    Mock::given(method("POST"))
        .and(path("/login/oauth/access_token"))
        .and(body_string_contains("client_secret=s3cret"))
        .and(body_string_contains("code=c0de"))
        .and(body_string_contains("code_verifier="))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"access_token": "t0ken"})))
        .mount(server)
        .await;
    let address = ForgeAddress {
        provider: Provider::Github,
        web: at(server, "/"),
        api: at(server, "/api/"),
        ca_file: None,
        proxy: None,
        client: client(),
        teams: Vec::new(),
    };
    Logins::new(settings(vec![address], None)).unwrap()
}

#[tokio::test]
async fn github_says_who_it_is() {
    let server = MockServer::start().await;
    let logins = github(&server).await;
    Mock::given(path("/api/user"))
        .and(header("authorization", "Bearer t0ken"))
        .respond_with(ResponseTemplate::new(200).set_body_json(
            json!({"id": 583, "login": "octocat", "name": "Octo Cat", "email": null, "avatar_url": "https://a/1"}),
        ))
        .mount(&server)
        .await;
    answers(&server, "/api/user/orgs", json!([{"login": "acme"}])).await;
    answers(
        &server,
        "/api/user/emails",
        json!([
            {"email": "old@x", "primary": false, "verified": true},
            {"email": "octo@x", "primary": true, "verified": true},
        ]),
    )
    .await;
    let begun = logins.begin(Provider::Github, "/builders/1").await.unwrap();
    assert_eq!(
        parameter(&begun.url, "redirect_uri"),
        "https://ci.example/auth/login"
    );
    assert_eq!(parameter(&begun.url, "code_challenge_method"), "S256");
    let logged_in = logins.finish(&begun.cookie, &back(&begun)).await.unwrap();
    insta::assert_debug_snapshot!(logged_in);
    let again = logins.finish(&begun.cookie, &back(&begun)).await;
    assert!(matches!(again, Err(LoginError::NotBegun)), "{again:?}");
}

#[tokio::test]
async fn gitea_says_who_it_is_on_several_pages() {
    let server = MockServer::start().await;
    answers(
        &server,
        "/git/login/oauth/access_token",
        json!({"access_token": "t0ken"}),
    )
    .await;
    answers(
        &server,
        "/git/api/v1/user",
        json!({"id": 8, "login": "bob", "full_name": "", "email": "bob@x"}),
    )
    .await;
    let page = |from: usize, to: usize| {
        let names = (from..to).map(|number| json!({"username": format!("org-{number}")}));
        Value::Array(names.collect())
    };
    for (number, page) in [("1", page(0, 50)), ("2", page(50, 53))] {
        Mock::given(path("/git/api/v1/user/orgs"))
            .and(wiremock::matchers::query_param("page", number))
            .respond_with(ResponseTemplate::new(200).set_body_json(page))
            .mount(&server)
            .await;
    }
    let team = |name: &str, owner: &str| json!({"name": name, "organization": {"username": owner}});
    let teams = json!([
        team("Owners", "org-1"),
        team("ci", "org-52"),
        team("ci", "org-2")
    ]);
    answers(&server, "/git/api/v1/user/teams", teams).await;
    let address = ForgeAddress {
        provider: Provider::Gitea,
        web: at(&server, "/git/"),
        api: at(&server, "/git/api/v1/"),
        ca_file: None,
        proxy: None,
        client: client(),
        teams: vec![Team {
            owner: "Org-52".to_owned(),
            name: "ci".to_owned(),
        }],
    };
    let logins = Logins::new(settings(vec![address], None)).unwrap();
    let begun = logins.begin(Provider::Gitea, "").await.unwrap();
    let logged_in = logins.finish(&begun.cookie, &back(&begun)).await.unwrap();
    // Of the teams, that which counts.
    assert_eq!(logged_in.user.memberships.len(), 53 + 1);
    assert_eq!(logged_in.user.memberships[53].name, "org-52/ci");
    assert_eq!(logged_in.user.id, "8");
    assert_eq!(logged_in.full_name, "bob");
    assert_eq!(logged_in.redirect, "/");
}

#[tokio::test]
async fn a_forge_can_be_behind_a_proxy() {
    let server = MockServer::start().await;
    let said = json!({"error": "access_denied"});
    answers(&server, "/login/oauth/access_token", said).await;
    let address = ForgeAddress {
        provider: Provider::Github,
        web: "http://github.invalid/".parse().unwrap(),
        api: "http://github.invalid/api/".parse().unwrap(),
        ca_file: None,
        proxy: Some(at(&server, "/")),
        client: client(),
        teams: Vec::new(),
    };
    let logins = Logins::new(settings(vec![address], None)).unwrap();
    let begun = logins.begin(Provider::Github, "/").await.unwrap();
    let error = logins
        .finish(&begun.cookie, &back(&begun))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "github refused: access_denied");
}

#[rstest::rstest]
#[case(
    401,
    "bad",
    "github could not be asked for the user: HTTP 401 Unauthorized: bad; try again later, or tell an admin"
)]
#[case(
    200,
    "<html>",
    "github could not be asked for the user: its answer is not what was expected: expected value at line 1 column 1; try again later, or tell an admin"
)]
#[tokio::test]
async fn a_forge_in_trouble_is_said(#[case] status: u16, #[case] body: &str, #[case] text: &str) {
    let server = MockServer::start().await;
    let logins = github(&server).await;
    Mock::given(path("/api/user"))
        .respond_with(ResponseTemplate::new(status).set_body_string(body))
        .mount(&server)
        .await;
    let begun = logins.begin(Provider::Github, "/").await.unwrap();
    let error = logins
        .finish(&begun.cookie, &back(&begun))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn a_replayed_code_and_a_person_who_says_no() {
    let server = MockServer::start().await;
    let said =
        json!({"error": "bad_verification_code", "error_description": "The code is expired."});
    answers(&server, "/login/oauth/access_token", said).await;
    let logins = github(&server).await;
    let begun = logins.begin(Provider::Github, "/").await.unwrap();
    let error = logins
        .finish(&begun.cookie, &back(&begun))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "github refused: The code is expired.");
    let begun = logins.begin(Provider::Github, "/").await.unwrap();
    let answer = Answer {
        code: String::new(),
        error: "access_denied".to_owned(),
        ..back(&begun)
    };
    let error = logins.finish(&begun.cookie, &answer).await.unwrap_err();
    assert_eq!(error.to_string(), "github refused: access_denied");
}
