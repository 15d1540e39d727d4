use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use wiremock::{Request, ResponseTemplate};

use crate::forge::clock::Clock;
use crate::forge::{Fault, Forge as _, ForgeKind, FullName, Repository, Status, StatusState};

use super::Double;
use super::double::{key, minted, plain, quick, repository};

fn site() -> Repository {
    repository(ForgeKind::Github, 42, "site")
}

fn status() -> Status {
    Status {
        context: "c".to_owned(),
        state: StatusState::Success,
        description: String::new(),
        target_url: "https://ci/".to_owned(),
    }
}

/// GitHub's rules: signed by the App's key, made in the past, over within ten minutes.
fn takes_app_token(request: &Request) -> Result<(), String> {
    let header = request.headers.get("authorization").ok_or("no token")?;
    let token = header.to_str().unwrap().strip_prefix("Bearer ").unwrap();
    let mut rules = Validation::new(Algorithm::RS256);
    rules.validate_exp = false;
    rules.required_spec_claims.clear();
    let public = DecodingKey::from_rsa_der(&key().public);
    let claims = jsonwebtoken::decode::<Value>(token, &public, &rules)
        .map_err(|error| error.to_string())?
        .claims;
    let now = Timestamp::now().as_second();
    let number = |name: &str| claims[name].as_i64().unwrap();
    if claims["iss"] != "7" {
        return Err("another App".to_owned());
    }
    if number("iat") > now {
        return Err("'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued".to_owned());
    }
    if number("exp") <= now || number("exp") > now + 600 {
        return Err("'Expiration time' claim ('exp') is too far in the future".to_owned());
    }
    Ok(())
}

fn guarded(request: &Request) -> ResponseTemplate {
    match takes_app_token(request) {
        Ok(()) => ResponseTemplate::new(200).set_body_json(json!([])),
        Err(message) => ResponseTemplate::new(401)
            .set_body_json(json!({"message": message}))
            .insert_header("date", http_date().as_str()),
    }
}

fn http_date() -> String {
    jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&Timestamp::now())
        .unwrap()
}

/// With a wrong clock, how many requests until GitHub takes our token.
#[rstest::rstest]
#[case::right(0, 1)]
#[case::two_minutes_ahead(120, 1)]
#[case::two_minutes_behind(-120, 1)]
#[case::an_hour_ahead(3600, 2)]
#[case::a_day_behind(-86400, 2)]
#[tokio::test]
async fn a_wrong_clock_is_found_out(#[case] seconds: i64, #[case] requests: usize) {
    let double = Double::with(APP).await;
    double.responds("GET", "/app/installations", guarded).await;
    let github = double.as_github_at(Clock::wrong_by(seconds), quick());
    github.discover().await.unwrap();
    assert_eq!(double.requests().await.len(), requests);
    // And is known from then on.
    github.discover().await.unwrap();
    assert_eq!(double.requests().await.len(), requests + 1);
}

const APP: &str = "
url: https://ci.example.org
build_systems: [x86_64-linux]
local_workers: 1
github: {id: 7, instance_url: URL, api_url: URL}
";

pub(super) const PERSON: &str = "
url: https://ci.example.org
build_systems: [x86_64-linux]
local_workers: 1
github: {token_file: github-token, instance_url: URL, api_url: URL}
";

#[tokio::test]
async fn another_apps_key_is_named_as_the_reason() {
    let double = Double::with(&APP.replace("id: 7", "id: 8")).await;
    double.responds("GET", "/app/installations", guarded).await;
    let error = double.as_github().discover().await.unwrap_err();
    assert_eq!(error.fault, Fault::Auth);
    assert!(error.hint.unwrap().contains("github.secret_key_file"));
    double.write_secret("github-app-secret-key", "no key");
    let error = double.as_github().discover().await.unwrap_err();
    insta::assert_snapshot!(error.reason, @"it holds no RSA private key in PEM form");
}

#[tokio::test]
async fn many_calls_at_once_make_one_token() {
    let double = Double::with(APP).await;
    double
        .responds(
            "POST",
            "/app/installations/1/access_tokens",
            |request: &Request| minted(request).set_delay(std::time::Duration::from_millis(20)),
        )
        .await;
    double
        .answers("POST", "/repos/team/site/statuses/abc", 201, json!({}))
        .await;
    let github = double.as_github();
    let (site, status) = (site(), status());
    let posts = (0..20).map(|_| github.post_status(&site, "abc", &status));
    let posted = futures_util::future::join_all(posts).await;
    assert!(posted.iter().all(Result::is_ok));
    let tokens = double
        .bodies("POST /app/installations/1/access_tokens")
        .await;
    assert_eq!(tokens.len(), 1);
}

#[tokio::test]
async fn tokens_are_renewed_before_they_expire() {
    let double = Double::with(APP).await;
    let count = AtomicUsize::new(0);
    double
        .responds(
            "POST",
            "/app/installations/1/access_tokens",
            move |_: &Request| {
                // The first is as good as over.
                let minutes = if count.fetch_add(1, Ordering::Relaxed) == 0 {
                    4
                } else {
                    60
                };
                let until = Timestamp::now() + SignedDuration::from_mins(minutes);
                ResponseTemplate::new(201)
                    .set_body_json(json!({"token": "t", "expires_at": until.to_string()}))
            },
        )
        .await;
    double
        .answers("POST", "/repos/team/site/statuses/abc", 201, json!({}))
        .await;
    let github = double.as_github();
    for _ in 0..3 {
        github.post_status(&site(), "abc", &status()).await.unwrap();
    }
    let tokens = double
        .bodies("POST /app/installations/1/access_tokens")
        .await;
    assert_eq!(tokens.len(), 2);
}

#[tokio::test]
async fn a_token_that_stops_working_is_replaced_once() {
    let double = Double::github().await;
    let count = AtomicUsize::new(0);
    double
        .responds(
            "POST",
            "/repos/team/site/statuses/abc",
            move |_: &Request| {
                let status = if count.fetch_add(1, Ordering::Relaxed) == 0 {
                    401
                } else {
                    201
                };
                ResponseTemplate::new(status).set_body_json(json!({"message": "Bad credentials"}))
            },
        )
        .await;
    let github = double.as_github();
    github.post_status(&site(), "abc", &status()).await.unwrap();
    let tokens = double
        .bodies("POST /app/installations/1/access_tokens")
        .await;
    assert_eq!(tokens.len(), 2);
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let double = Double::with(APP).await;
    double
        .responds(
            "POST",
            "/app/installations/1/access_tokens",
            |request: &Request| {
                let wanted: Value = serde_json::from_slice(&request.body).unwrap();
                if wanted["permissions"]["metadata"].is_null()
                    || wanted["permissions"].as_object().unwrap().len() > 1
                {
                    return ResponseTemplate::new(422).set_body_json(json!({
                    "message": "The permissions requested are not granted to this installation.",
                }));
                }
                minted(request)
            },
        )
        .await;
    let granted = json!({"id": 1, "permissions": {"metadata": "read", "statuses": "read"}});
    double
        .answers("GET", "/app/installations/1", 200, granted)
        .await;
    let github = double.as_github();
    let error = github
        .post_status(&site(), "abc", &status())
        .await
        .unwrap_err();
    assert_eq!(error.fault, Fault::Auth);
    insta::assert_snapshot!(error.hint.unwrap(), @"the GitHub App lacks the permission `statuses: write`: add it in the App's settings, and accept the change where the App is installed");

    // What is public can be read without the permission.
    double.lists("/repos/team/site/pulls", vec![], plain).await;
    assert_eq!(github.open_pull_requests(&site()).await.unwrap(), []);
    let error = github.pull_request(&site(), 1).await.unwrap_err();
    assert!(error.hint.unwrap().contains("`pull_requests: read`"));
}

#[tokio::test]
async fn credentials_for_git_read_one_repository_and_last() {
    let double = Double::github().await;
    let credentials = double
        .as_github()
        .git_credentials(&site())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(credentials.user, "x-access-token");
    assert_eq!(credentials.password.expose(), "ghs_hunter2_1_[42]");
    assert!(credentials.is_limited);
    assert!(!format!("{credentials:?}").contains("hunter2"));
    let wanted = double
        .bodies("POST /app/installations/1/access_tokens")
        .await;
    assert_eq!(
        wanted,
        [json!({"repository_ids": [42], "permissions": {"contents": "read"}})]
    );
}

#[tokio::test]
async fn the_installation_of_a_repository_is_found_by_its_name() {
    let double = Double::github().await;
    double
        .answers(
            "GET",
            "/repos/team/site/installation",
            200,
            json!({"id": 3}),
        )
        .await;
    double
        .answers("POST", "/repos/team/site/statuses/abc", 201, json!({}))
        .await;
    let unknown = Repository {
        installation: None,
        ..site()
    };
    let github = double.as_github();
    github
        .post_status(&unknown, "abc", &status())
        .await
        .unwrap();
    let asked = double.requests().await;
    assert_eq!(asked[1], "POST /app/installations/3/access_tokens");
}

#[tokio::test]
async fn a_submodule_has_a_token_of_its_own() {
    let double = Double::github().await;
    let github = double.as_github();
    let library: FullName = "team/library".parse().unwrap();
    for _ in 0..2 {
        let credentials = github.submodule_credentials(&site(), &library).await;
        let credentials = credentials.unwrap().unwrap();
        assert_eq!(credentials.url, site().clone_url_of(&library));
        assert!(credentials.is_limited);
    }
    let minted = double
        .bodies("POST /app/installations/1/access_tokens")
        .await;
    let wanted = json!({"repositories": ["library"], "permissions": {"contents": "read"}});
    assert_eq!(minted, [wanted]);
}
