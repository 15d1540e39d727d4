//! Rows of statuses on their way to a forge.

use serde_json::json;

use crate::forge::{Fault, Forge, ForgeKind};
use crate::report::status::{Cause, State, StatusRow, tell};

use super::Double;
use super::double::{described, repository};

fn row(state: State) -> StatusRow {
    StatusRow {
        context: "buildbot/nix-build".to_owned(),
        state,
        description: "12 built".to_owned(),
        cause: Cause {
            run: 3,
            build: 31,
            url: "https://ci.example.org/#/builders/1/builds/1".to_owned(),
        },
        page: None,
        standing: None,
    }
}

#[tokio::test]
async fn a_status_follows_its_repository() {
    let double = Double::github().await;
    double.mints_tokens().await;
    let old = repository(ForgeKind::Github, 42, "old");
    let new = repository(ForgeKind::Github, 42, "new");
    let gone = json!({"message": "Not Found"});
    let (before, now) = (
        "/repos/team/old/statuses/abc",
        "/repos/team/new/statuses/abc",
    );
    double.answers("POST", before, 404, gone).await;
    double
        .answers("GET", "/repositories/42", 200, described(&new))
        .await;
    double.answers("POST", now, 201, json!({})).await;
    let github = double.as_github();
    let row = row(State::Success);
    let told = tell(&github, &old, "abc", &row, None, false).await;
    assert_eq!(told, Ok(None));
    let sent = &double.bodies(&format!("POST {now}")).await[0];
    assert_eq!(sent["state"], "success");
    assert_eq!(sent["description"], "12 built");
}

#[tokio::test]
async fn a_commit_that_is_unknown_stays_unknown() {
    let double = Double::github().await;
    double.mints_tokens().await;
    let site = repository(ForgeKind::Github, 42, "site");
    let path = "/repos/team/site/statuses/abc";
    double.answers("POST", path, 404, json!({})).await;
    double
        .answers("GET", "/repositories/42", 200, described(&site))
        .await;
    let github = double.as_github();
    let told = tell(&github, &site, "abc", &row(State::Success), None, false).await;
    assert_eq!(told.unwrap_err().fault, Fault::NotFound);
    assert_eq!(double.bodies(&format!("POST {path}")).await.len(), 1);
}

/// Whether the commit is asked after, and not there.
#[rstest::rstest]
#[case(404, Fault::NotFound)]
#[case(200, Fault::Unavailable)]
#[case(503, Fault::Unavailable)]
#[tokio::test]
async fn a_commit_that_breaks_gitea_is_looked_up(#[case] answer: u16, #[case] fault: Fault) {
    let double = Double::gitea().await;
    let site = repository(ForgeKind::Gitea, 42, "site");
    let at = "/git/api/v1/repos/team/site";
    let message = json!({"message": "object does not exist"});
    let status = format!("{at}/statuses/abc");
    double.answers("POST", &status, 500, message).await;
    let commit = format!("{at}/git/commits/abc");
    double.answers("GET", &commit, answer, json!({})).await;
    double
        .answers("GET", "/git/api/v1/repositories/42", 200, described(&site))
        .await;
    let gitea = double.as_gitea();
    let told = tell(&gitea, &site, "abc", &row(State::Success), None, false).await;
    assert_eq!(told.unwrap_err().fault, fault);
}

#[tokio::test]
async fn a_check_run_is_made_once() {
    let double = Double::github().await;
    double.mints_tokens().await;
    let site = repository(ForgeKind::Github, 42, "site");
    let (posts, patches) = (
        "/repos/team/site/check-runs",
        "/repos/team/site/check-runs/7",
    );
    double.answers("POST", posts, 201, json!({"id": 7})).await;
    double
        .answers("PATCH", patches, 200, json!({"id": 7}))
        .await;
    let github = double.as_github();
    let github: &dyn Forge = &github;
    let told = tell(github, &site, "abc", &row(State::Pending), None, true).await;
    assert_eq!(told, Ok(Some(7)));
    let told = tell(github, &site, "abc", &row(State::Cancelled), Some(7), true).await;
    assert_eq!(told, Ok(Some(7)));
    let made = &double.bodies(&format!("POST {posts}")).await[0];
    assert_eq!(made["name"], "buildbot/nix-build");
    assert_eq!(
        (&made["status"], &made["external_id"]),
        (&json!("in_progress"), &json!("31"))
    );
    let changed = &double.bodies(&format!("PATCH {patches}")).await[0];
    assert_eq!(changed["conclusion"], "cancelled");
    assert_eq!(changed["output"]["title"], "12 built");
}
