use serde_json::{Value, json};

use crate::forge::{Finding, Forge as _, ForgeKind, Severity};

use super::Double;
use super::double::{plain, repository};

fn told(findings: &[Finding]) -> String {
    let words = |finding: &Finding| {
        let severity = match finding.severity {
            Severity::Problem => "problem",
            Severity::Advice => "advice",
        };
        let hint = finding.hint.as_deref().unwrap_or("-");
        format!("{severity}: {}\n  {hint}", finding.text)
    };
    findings.iter().map(words).collect::<Vec<_>>().join("\n")
}

fn permissions(change: &Value) -> Value {
    let mut all = json!({
        "metadata": "read", "contents": "read", "statuses": "write", "repository_hooks": "write",
        "pull_requests": "read", "members": "read", "checks": "write",
    });
    let fields = change.as_object().unwrap().clone();
    all.as_object_mut().unwrap().extend(fields);
    all
}

/// A GitHub App, where `app` and `granted` change what it may do.
async fn app(app: &Value, granted: &Value) -> Double {
    app_of(Double::github().await, app, granted).await
}

async fn app_of(double: Double, app: &Value, granted: &Value) -> Double {
    let described = json!({"slug": "ci", "permissions": permissions(app), "events": []});
    double.answers("GET", "/app", 200, described).await;
    let installation = json!({
        "id": 1, "account": {"login": "team"}, "permissions": permissions(granted),
    });
    double
        .lists("/app/installations", vec![installation], plain)
        .await;
    double
}

#[tokio::test]
async fn a_good_app_has_nothing_to_tell() {
    let double = app(&json!({}), &json!({})).await;
    let examination = double.as_github().examine().await;
    assert_eq!(
        examination.token.as_deref(),
        Some("GitHub App `ci`, installed for team")
    );
    assert_eq!(told(&examination.findings), "");
}

#[tokio::test]
async fn what_an_app_lacks_is_told_with_what_it_breaks() {
    let lacking = json!({"statuses": "read", "members": "none", "repository_hooks": "read"});
    let mut lacking_more = lacking.clone();
    lacking_more["contents"] = json!("none");
    let double = app(&lacking, &lacking_more).await;
    insta::assert_snapshot!(told(&double.as_github().examine().await.findings), @r#"
    problem: the GitHub App lacks `statuses: write`: commits get no status
      add it in the App's settings, and accept the change where the App is installed
    problem: the GitHub App lacks `repository_hooks: write`: repositories get no webhook, so pushes and pull requests are not noticed
      add it in the App's settings, and accept the change where the App is installed
    problem: the GitHub App lacks `members: read`: members of organisations count as strangers
      add it in the App's settings, and accept the change where the App is installed
    problem: `team` has not granted `contents: read`: private repositories cannot be fetched
      who owns it has to accept the App's new permissions, in its settings under `GitHub Apps`
    "#);
}

#[tokio::test]
async fn check_runs_need_more_of_an_app() {
    let text = "
url: https://ci.example.org
build_systems: [x86_64-linux]
local_workers: 1
github: {id: 7, instance_url: URL, api_url: URL, check_runs: true}
";
    let double = Double::with(text).await;
    double.mints_tokens().await;
    let lacking = json!({"checks": "read", "statuses": "none"});
    let double = app_of(double, &lacking, &lacking).await;
    let config = json!({"url": "https://other/", "content_type": "json", "insecure_ssl": "0"});
    double.answers("GET", "/app/hook/config", 200, config).await;
    insta::assert_snapshot!(told(&double.as_github().examine().await.findings), @r"
    problem: the GitHub App lacks `checks: write`: commits get no check runs, and so no word at all
      add it in the App's settings, and accept the change where the App is installed
    problem: the webhook of the GitHub App delivers to `https://other/` instead of `https://ci.example.org/change_hook/github`
      the next discovery sets it; if it was switched off, switch it on in the App's settings
    problem: the GitHub App does not get the events check_run
      tick them in the App's settings, under `Permissions & events`
    ");
}

#[tokio::test]
async fn submodules_that_the_app_cannot_read_are_named() {
    let text = "
url: https://ci.example.org
build_systems: [x86_64-linux]
local_workers: 1
github: {id: 7, instance_url: URL, api_url: URL, submodules: [team/library, team/gone]}
";
    let double = Double::with(text).await;
    double.mints_tokens().await;
    let double = app_of(double, &json!({}), &json!({})).await;
    let installation = "/repos/team/library/installation";
    double
        .answers("GET", installation, 200, json!({"id": 1}))
        .await;
    let findings = double.as_github().examine().await.findings;
    insta::assert_snapshot!(told(&findings).replace(&double.server.uri(), "URL"), @r"
    problem: submodule `team/gone` cannot be fetched: cannot find the App's installation for `team/gone`: `URL/repos/team/gone/installation` answered 404 (Not Found)
      install the App for it, or take it out of `github.submodules`
    ");
}

#[tokio::test]
async fn scopes_of_a_persons_token_are_read() {
    let double = Double::with(super::tokens::PERSON).await;
    let user = wiremock::ResponseTemplate::new(200)
        .set_body_json(json!({"login": "eve"}))
        .insert_header("x-oauth-scopes", "repo, read:org")
        .insert_header(
            "github-authentication-token-expiration",
            "2027-01-01 00:00:00 UTC",
        );
    double.responds("GET", "/user", user).await;
    let examination = double.as_github().examine().await;
    assert_eq!(
        examination.token.as_deref(),
        Some("personal access token of `eve`")
    );
    insta::assert_snapshot!(told(&examination.findings), @r#"
    advice: a personal access token can do everywhere what its user can, and fetches with it
      use a GitHub App, whose tokens are for one repository and one hour
    problem: the token lacks the scope `admin:repo_hook`: repositories get no webhook, so pushes and pull requests are not noticed
      add it to the token on GitHub, under Developer settings
    advice: the token expires at 2027-01-01 00:00:00 UTC
      put a new one into the file before
    "#);
}

#[tokio::test]
async fn a_project_tells_of_its_hook_deliveries_and_statuses() {
    let double = Double::github().await;
    let hooks = "/repos/team/site/hooks";
    let hook = json!({
        "id": 5, "active": false, "events": ["push", "pull_request"],
        "config": {"url": "https://ci.example.org/change_hook/github", "content_type": "json", "insecure_ssl": "0"},
    });
    double.lists(hooks, vec![hook], plain).await;
    let delivery =
        json!({"delivered_at": "2026-01-02T03:04:05Z", "event": "push", "status_code": 401});
    double
        .lists(&format!("{hooks}/5/deliveries"), vec![delivery], plain)
        .await;
    let head = json!({"object": {"sha": "abc"}});
    double
        .answers("GET", "/repos/team/site/git/ref/heads/main", 200, head)
        .await;
    let status =
        |context: &str, at: &str| json!({"context": context, "state": "success", "updated_at": at});
    let statuses = json!({"statuses": [
        status("buildbot/nix-eval", "2026-01-02T00:00:00Z"),
        status("buildbot/nix-build", "2026-01-03T00:00:00Z"),
        status("other", "2026-01-04T00:00:00Z"),
    ]});
    double
        .answers("GET", "/repos/team/site/commits/abc/status", 200, statuses)
        .await;
    let site = repository(ForgeKind::Github, 42, "site");
    let examination = double.as_github().examine_project(&site).await;
    insta::assert_snapshot!(told(&examination.findings), @r#"
    problem: its webhook is switched off: pushes and pull requests are not noticed
      the next discovery switches it on
    problem: its webhook does not deliver issue_comment, merge_group, repository
      the next discovery adds them
    problem: the newest event was refused with 401, as one with a wrong signature
      the next discovery sets the secret of the webhook; until then, redeliver it by hand
    "#);
    assert_eq!(examination.last_delivery.unwrap().answer, 401);
    assert_eq!(
        examination.last_status.unwrap().context,
        "buildbot/nix-build"
    );
}

#[tokio::test]
async fn a_gitea_tells_what_its_token_lacks() {
    let double = Double::gitea().await;
    let api = "/git/api/v1";
    double
        .answers(
            "GET",
            &format!("{api}/version"),
            200,
            json!({"version": "1.24.0"}),
        )
        .await;
    double
        .answers("GET", &format!("{api}/user"), 200, json!({"login": "ci"}))
        .await;
    double
        .answers("GET", &format!("{api}/user/orgs"), 403, json!({"message": "token does not have at least one of required scope(s): [read:organization]"}))
        .await;
    let gitea = double.as_gitea();
    let examination = gitea.examine().await;
    assert_eq!(
        examination.token.as_deref(),
        Some("token of `ci`, version 1.24.0")
    );
    insta::assert_snapshot!(told(&examination.findings), @r#"
    advice: the token lacks the scope `read:organization`: members of organisations count as strangers
      make a new token with it; those of before cannot be changed
    advice: private repositories are fetched with a token that can also write to them
      make a token with the scope `read:repository` alone and name its file in `gitea.git_token_file`
    "#);

    double
        .lists(&format!("{api}/repos/team/site/hooks"), vec![], plain)
        .await;
    let site = repository(ForgeKind::Gitea, 42, "site");
    let examination = gitea.examine_project(&site).await;
    insta::assert_snapshot!(told(&examination.findings), @r#"
    problem: it has no webhook to `https://ci.example.org/change_hook/gitea`: pushes and pull requests are not noticed
      the next discovery makes one; press `Update projects`, or restart the master
    "#);
}
