use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use wiremock::{Request, ResponseTemplate};

use crate::forge::{Fault, Forge as _, ForgeKind, Repository, Status, StatusState};

use super::Double;
use super::double::{counted, described, plain, repository};

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

const STATUSES: &str = "/repos/team/site/statuses/abc";

/// A GitHub that answers the first statuses with `responses`, then well.
async fn troubled(responses: Vec<ResponseTemplate>) -> Double {
    let double = Double::github().await;
    let count = AtomicUsize::new(0);
    double
        .responds("POST", STATUSES, move |_: &Request| {
            let response = responses
                .get(count.fetch_add(1, Ordering::Relaxed))
                .cloned();
            response.unwrap_or_else(|| ResponseTemplate::new(201).set_body_json(json!({})))
        })
        .await;
    double
}

fn response(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({"message": "said"}))
}

async fn posts(double: &Double) -> usize {
    double.bodies(&format!("POST {STATUSES}")).await.len()
}

#[tokio::test]
async fn breakdowns_are_waited_out() {
    let double = troubled(vec![response(502), response(503), response(500)]).await;
    double
        .as_github()
        .post_status(&site(), "abc", &status())
        .await
        .unwrap();
    assert_eq!(posts(&double).await, 4);
}

#[tokio::test]
async fn a_forge_that_stays_broken_is_given_up() {
    let double = troubled(vec![response(502); 9]).await;
    let error = double
        .as_github()
        .post_status(&site(), "abc", &status())
        .await
        .unwrap_err();
    assert_eq!((error.fault, posts(&double).await), (Fault::Unavailable, 4));
    insta::assert_snapshot!(error.to_string().replace(&double.server.uri(), "URL"), @"cannot post the status `c` on abc of `team/site`: `URL/repos/team/site/statuses/abc` answered 502 (Bad Gateway): said");
}

#[rstest::rstest]
#[case(404, Fault::NotFound)]
#[case(410, Fault::NotFound)]
#[case(403, Fault::Auth)]
#[case(422, Fault::Refused)]
#[case(409, Fault::Refused)]
#[tokio::test]
async fn refusals_are_not_repeated(#[case] status_code: u16, #[case] fault: Fault) {
    let double = troubled(vec![response(status_code); 9]).await;
    let error = double
        .as_github()
        .post_status(&site(), "abc", &status())
        .await
        .unwrap_err();
    assert_eq!((error.fault, posts(&double).await), (fault, 1));
}

#[tokio::test]
async fn a_short_limit_is_waited_out_and_a_long_one_told_without_more_requests() {
    let limited = |seconds: &str| response(403).insert_header("retry-after", seconds);
    let double = troubled(vec![limited("0"), limited("0")]).await;
    let github = double.as_github();
    github.post_status(&site(), "abc", &status()).await.unwrap();
    assert_eq!(posts(&double).await, 3);

    let double = troubled(vec![limited("600")]).await;
    let github = double.as_github();
    for _ in 0..3 {
        let error = github
            .post_status(&site(), "abc", &status())
            .await
            .unwrap_err();
        let Fault::RateLimited(wait) = error.fault else {
            panic!("{error:?}");
        };
        assert!((590..=600).contains(&wait.as_secs()), "{wait:?}");
    }
    assert_eq!(posts(&double).await, 1);
}

#[tokio::test]
async fn a_limit_that_is_used_up_holds_back_the_next_request() {
    let reset = (jiff::Timestamp::now().as_second() + 3000).to_string();
    let last = ResponseTemplate::new(201)
        .set_body_json(json!({}))
        .insert_header("x-ratelimit-remaining", "0")
        .insert_header("x-ratelimit-reset", reset.as_str());
    let double = troubled(vec![last]).await;
    let github = double.as_github();
    github.post_status(&site(), "abc", &status()).await.unwrap();
    let error = github
        .post_status(&site(), "abc", &status())
        .await
        .unwrap_err();
    assert!(matches!(error.fault, Fault::RateLimited(_)));
    assert_eq!(posts(&double).await, 1);
}

#[tokio::test]
async fn something_that_is_no_answer_of_the_api_is_named() {
    let html = ResponseTemplate::new(200).set_body_raw("<html>login</html>", "text/html");
    let double = Double::github().await;
    double
        .responds("GET", "/repos/team/site/pulls/1", html)
        .await;
    let error = double
        .as_github()
        .pull_request(&site(), 1)
        .await
        .unwrap_err();
    assert_eq!(error.fault, Fault::Unavailable);
    insta::assert_snapshot!(error.to_string().replace(&double.server.uri(), "URL"), @"cannot read pull request 1 of `team/site`: `URL/repos/team/site/pulls/1` answered with something else than expected: expected value at line 1 column 1");
}

#[tokio::test]
async fn a_renamed_repository_is_followed_and_a_stranger_is_not() {
    let double = Double::github().await;
    let to = |target: String| ResponseTemplate::new(307).insert_header("location", target.as_str());
    let new = format!("{}/repositories/42/statuses/abc", double.server.uri());
    double.responds("POST", STATUSES, to(new)).await;
    double
        .answers("POST", "/repositories/42/statuses/abc", 201, json!({}))
        .await;
    let github = double.as_github();
    github.post_status(&site(), "abc", &status()).await.unwrap();
    let sent = double.bodies("POST /repositories/42/statuses/abc").await;
    assert_eq!(sent[0]["context"], "c");

    let double = Double::github().await;
    double
        .responds(
            "POST",
            STATUSES,
            to("https://elsewhere.example/x".to_owned()),
        )
        .await;
    let error = double
        .as_github()
        .post_status(&site(), "abc", &status())
        .await
        .unwrap_err();
    assert_eq!(error.fault, Fault::Refused);
    assert!(error.reason.contains("elsewhere.example"), "{error}");
}

#[tokio::test]
async fn pages_of_strangers_are_not_read() {
    let double = Double::github().await;
    let installations = ResponseTemplate::new(200)
        .set_body_json(json!([]))
        .insert_header(
            "link",
            "<https://elsewhere.example/app/installations?page=2>; rel=\"next\"",
        );
    double
        .responds("GET", "/app/installations", installations)
        .await;
    let error = double.as_github().discover().await.unwrap_err();
    assert!(error.reason.contains("elsewhere.example"), "{error}");
}

#[tokio::test]
async fn ten_thousand_repositories_are_found() {
    let double = Double::github().await;
    let installation = json!({"id": 1, "account": {"login": "team"}});
    double
        .lists("/app/installations", vec![installation], plain)
        .await;
    let repositories = (0..10_000)
        .map(|id| described(&repository(ForgeKind::Github, id, &format!("r{id}"))))
        .collect();
    double
        .lists("/installation/repositories", repositories, counted)
        .await;
    let discovery = double.as_github().discover().await.unwrap();
    assert_eq!(discovery.repositories.len(), 10_000);
    assert_eq!(discovery.unanswered, []);
}

/// A list from whose front something goes while it is read, as the first pass sees it.
#[tokio::test]
async fn a_list_that_shrinks_while_it_is_read_loses_nothing() {
    let double = Double::github().await;
    let installation = json!({"id": 1, "account": {"login": "team"}});
    double
        .lists("/app/installations", vec![installation], plain)
        .await;
    let all: Vec<Value> = (0..250)
        .map(|id| described(&repository(ForgeKind::Github, id, &format!("r{id:03}"))))
        .collect();
    let base = double.server.uri();
    let count = AtomicUsize::new(0);
    double
        .responds("GET", "/installation/repositories", move |request: &Request| {
            // After the first page, the first five are gone, and with them the third page's end.
            let gone = if count.fetch_add(1, Ordering::Relaxed) == 0 { 0 } else { 60 };
            let left = &all[gone..];
            let page = request.url.query_pairs().find(|(name, _)| name == "page");
            let page: usize = page.map_or(1, |(_, number)| number.parse().unwrap());
            let items: Vec<&Value> = left.iter().skip((page - 1) * 100).take(100).collect();
            let body = json!({"total_count": left.len(), "repositories": items});
            let link = |number: usize, relation: &str| {
                format!("<{base}/installation/repositories?per_page=100&page={number}>; rel=\"{relation}\"")
            };
            let last = left.len().div_ceil(100);
            let links = if page < last {
                format!("{}, {}", link(page + 1, "next"), link(last, "last"))
            } else {
                String::new()
            };
            ResponseTemplate::new(200).set_body_json(body).insert_header("link", links.as_str())
        })
        .await;
    let discovery = double.as_github().discover().await.unwrap();
    let names: Vec<&str> = discovery
        .repositories
        .iter()
        .map(|repository| repository.full_name.name())
        .collect();
    for id in 60..250 {
        assert!(names.contains(&format!("r{id:03}").as_str()), "{id}");
    }
    assert_eq!(discovery.unanswered, []);
}

#[tokio::test]
async fn what_did_not_change_is_not_sent_again() {
    let double = Double::github().await;
    let conditional = |body: Value| {
        move |request: &Request| {
            if request
                .headers
                .get("if-none-match")
                .is_some_and(|etag| etag == "\"1\"")
            {
                ResponseTemplate::new(304)
            } else {
                ResponseTemplate::new(200)
                    .insert_header("etag", "\"1\"")
                    .set_body_json(&body)
            }
        }
    };
    let installation = json!([{"id": 1, "account": {"login": "team"}}]);
    double
        .responds("GET", "/app/installations", conditional(installation))
        .await;
    let repositories = counted(&[described(&site())], 1);
    double
        .responds(
            "GET",
            "/installation/repositories",
            conditional(repositories),
        )
        .await;
    let first = double.as_github().discover().await.unwrap();
    // Also after a restart: what is kept is enough.
    assert_eq!(double.as_github().discover().await.unwrap(), first);
    let kept = serde_json::to_string(&double.memory.kept(0)).unwrap();
    assert!(!kept.contains("hunter2"), "{kept}");
    let requests = double.server.received_requests().await.unwrap();
    let conditional = requests
        .iter()
        .filter(|request| request.headers.contains_key("if-none-match"));
    assert_eq!(conditional.count(), 2);
}
