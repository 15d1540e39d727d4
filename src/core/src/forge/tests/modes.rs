//! Other ways to be on a GitHub than an App with a webhook for each repository of github.com.

use serde_json::{Value, json};

use crate::config::parse_settings;
use crate::forge::{Forge as _, ForgeKind, HookChange, Permission, Repository};

use super::Double;
use super::double::{described, plain, repository};

const APP: &str = "
url: https://ci.example.org
build_systems: [x86_64-linux]
local_workers: 1
github: {id: 7, instance_url: URL, api_url: URL, MODE: true}
";
const APP_HOOK: &str = "/app/hook/config";
const OURS: &str = "https://ci.example.org/change_hook/github";

fn site() -> Repository {
    repository(ForgeKind::Github, 42, "site")
}

/// An App with a webhook that is for somebody else.
async fn app(mode: &str) -> Double {
    let double = Double::with(&APP.replace("MODE", mode)).await;
    double.mints_tokens().await;
    let config = json!({"url": "https://other/", "content_type": "form", "insecure_ssl": "0"});
    double.answers("GET", APP_HOOK, 200, config).await;
    double.answers("PATCH", APP_HOOK, 200, json!({})).await;
    double
}

#[tokio::test]
async fn the_apps_own_webhook_is_set_once_for_all() {
    let double = app("app_webhook").await;
    let github = double.as_github();
    let change = github.ensure_hook(&site()).await.unwrap();
    assert_eq!(change, HookChange::Updated);
    for id in 43..50 {
        let other = repository(ForgeKind::Github, id, "other");
        let change = github.ensure_hook(&other).await.unwrap();
        assert_eq!(change, HookChange::Unchanged);
    }
    let removed = github.remove_hook(&site()).await.unwrap();
    assert_eq!(removed, HookChange::Unchanged);
    let asked = [format!("GET {APP_HOOK}"), format!("PATCH {APP_HOOK}")];
    assert_eq!(double.requests().await, asked);
    let set = json!({
        "url": OURS, "content_type": "json", "insecure_ssl": "0", "secret": "hook-hunter2",
    });
    assert_eq!(double.bodies(&asked[1]).await, [set]);

    // Another secret is told at once.
    double.write_secret("github-webhook-secret", "new-hunter2");
    let change = github.ensure_hook(&site()).await.unwrap();
    assert_eq!(change, HookChange::Updated);
    assert_eq!(double.bodies(&asked[1]).await[1]["secret"], "new-hunter2");
}

/// GitHub tells nobody else of its Re-run button.
#[tokio::test]
async fn the_apps_own_webhook_is_set_too_if_there_are_check_runs() {
    let double = app("check_runs").await;
    let hooks = "/repos/team/site/hooks";
    double.lists(hooks, Vec::new(), plain).await;
    double.answers("POST", hooks, 201, json!({"id": 5})).await;
    let change = double.as_github().ensure_hook(&site()).await.unwrap();
    assert_eq!(change, HookChange::Created);
    let set = double.bodies(&format!("PATCH {APP_HOOK}")).await;
    assert_eq!(set[0]["url"], OURS);
}

#[tokio::test]
async fn only_our_webhook_is_removed() {
    let double = Double::github().await;
    let hooks = "/repos/team/site/hooks";
    let hook = |id: u64, url: &str| json!({"id": id, "config": {"url": url}});
    let both = vec![hook(5, OURS), hook(6, "https://other/")];
    double.lists(hooks, both, plain).await;
    let ours = format!("{hooks}/5");
    double.answers("DELETE", &ours, 204, Value::Null).await;
    let change = double.as_github().remove_hook(&site()).await.unwrap();
    assert_eq!(change, HookChange::Removed);
    let requests = double.requests().await;
    let deleted: Vec<&String> = requests
        .iter()
        .filter(|request| request.starts_with("DELETE"))
        .collect();
    assert_eq!(deleted, [&format!("DELETE {ours}")]);
}

#[tokio::test]
async fn a_persons_repositories_are_those_that_they_administer() {
    let double = Double::with(super::tokens::PERSON).await;
    let mut other = described(&repository(ForgeKind::Github, 43, "other"));
    other["permissions"] = json!({"admin": false});
    let listed = vec![described(&site()), other];
    double.lists("/user/repos", listed, plain).await;
    let discovery = double.as_github().discover().await.unwrap();
    let own = Repository {
        installation: None,
        ..site()
    };
    assert_eq!(discovery.repositories, [own]);
    let [left_out] = discovery.left_out.as_slice() else {
        panic!("{discovery:?}");
    };
    assert_eq!(left_out.full_name, "team/other");
    assert_eq!(
        left_out.reason,
        "the token's user does not administer it, so there can be no webhook"
    );
    assert_eq!(discovery.notices, []);
}

#[rstest::rstest]
#[case("https://github.com", "https://api.github.com/")]
#[case("https://team.ghe.com/", "https://api.team.ghe.com/")]
#[case("https://github.example.org", "https://github.example.org/api/v3/")]
#[case(
    "https://example.org:8443/github/",
    "https://example.org:8443/github/api/v3/"
)]
fn the_api_is_where_github_says(#[case] instance: &str, #[case] api: &str) {
    let text = super::tokens::PERSON.replace(", api_url: URL", "");
    let settings = parse_settings("test", &text.replace("URL", instance)).unwrap();
    assert_eq!(settings.github.unwrap().api_url.as_str(), api);
}

#[tokio::test]
async fn an_enterprise_is_asked_below_its_path() {
    let text = super::tokens::PERSON.replace("URL, api_url: URL", "URL/forge");
    let double = Double::with(&text).await;
    let at = "/forge/api/v3/repos/team/site/collaborators/eve/permission";
    double
        .answers("GET", at, 200, json!({"permission": "write"}))
        .await;
    let permission = double.as_github().permission(&site(), "eve").await.unwrap();
    assert_eq!(permission, Permission::Write);
}
